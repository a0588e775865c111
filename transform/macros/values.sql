{#- Numbers, times and money from text that can hold anything: what does not fit is null. -#}

{#- The type of amounts: nine decimals, because the contract allows currencies such as BTC. -#}
{% macro numeric(decimals=9) %}{{ return(adapter.dispatch('numeric', 'croct')(decimals)) }}{% endmacro %}

{% macro default__numeric(decimals) %}{{ return('numeric(38, ' ~ decimals ~ ')') }}{% endmacro %}

{% macro bigquery__numeric(decimals) %}{{ return('numeric' if decimals == 9 else 'bignumeric') }}{% endmacro %}

{#- A number, with at most so many digits before the point: with 18, a sum of a billion rows fits. -#}
{% macro number(text, digits=18) %}{{ return(adapter.dispatch('number', 'croct')(text, digits)) }}{% endmacro %}

{#- What a number looks like: an engine's own cast may take more ("1_000", "NaN"). -#}
{% macro number_pattern() %}
    {{- return("^ *[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})? *$") -}}
{% endmacro %}

{#- Its try_cast to a decimal takes numbers with an exponent that are too large: their size comes first. -#}
{% macro duckdb__number(text, digits) -%}
    {%- set found = "regexp_extract(" ~ text ~ ", '" ~ croct.number_pattern() ~ "')" -%}
    {%- set number = 'try_cast(' ~ found ~ ' as ' ~ croct.numeric() ~ ')' -%}
    case when abs(try_cast({{ found }} as double)) <= 1e{{ digits }} and abs({{ number }}) < 1{{ '0' * digits }} then {{ number }} end
{%- endmacro %}

{#- There is no try_cast: the form is checked first, then the size. -#}
{% macro postgres__number(text, digits) -%}
    cast(
        case
            when {{ text }} !~ '{{ croct.number_pattern() }}' then null
            when abs(round(cast({{ text }} as numeric), 9)) < 1{{ '0' * digits }} then cast({{ text }} as numeric)
        end as {{ croct.numeric() }}
    )
{%- endmacro %}

{% macro snowflake__number(text, digits) -%}
    cast(
        try_to_decimal(regexp_substr({{ text }}, '{{ croct.number_pattern() }}'), {{ digits + 9 }}, 9)
        as {{ croct.numeric() }}
    )
{%- endmacro %}

{% macro bigquery__number(text, digits) -%}
    case
        when abs(safe_cast(regexp_extract({{ text }}, r'{{ croct.number_pattern() | replace('(', '(?:') }}') as numeric)) < 1{{ '0' * digits }}
        then safe_cast({{ text }} as numeric)
    end
{%- endmacro %}

{#- A whole number below a billion, such as a quantity. -#}
{% macro integer(text) -%}
    cast({{ croct.number(text, 9) }} as {{ dbt.type_bigint() }})
{%- endmacro %}

{#- Text such as 2026-01-31T08:15:30.250Z as a timestamp in UTC, without a zone. -#}
{% macro timestamp(text) %}{{ return(adapter.dispatch('timestamp', 'croct')(text)) }}{% endmacro %}

{#- What a time looks like: an engine's own cast may take more ("today"). -#}
{% macro timestamp_pattern() %}
    {{- return('^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3])(:[0-5][0-9]){2}([.][0-9]+)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?$') -}}
{% endmacro %}

{% macro duckdb__timestamp(text) -%}
    try_cast(nullif(regexp_extract({{ text }}, '{{ croct.timestamp_pattern() }}'), '') as timestamp)
{%- endmacro %}

{#- There is no try_cast: the form is checked first, then whether the month has that day. -#}
{% macro postgres__timestamp(text) -%}
    case
        when {{ text }} !~ '{{ croct.timestamp_pattern() }}' then null
        when extract(month from to_date(substr({{ text }}, 1, 8) || '01', 'YYYY-MM-DD')
            + (cast(substr({{ text }}, 9, 2) as integer) - 1)) <> cast(substr({{ text }}, 6, 2) as integer) then null
        when substr({{ text }}, 20) ~ '[-+Z]' then cast({{ text }} as timestamptz) at time zone 'UTC'
        else cast({{ text }} as timestamp)
    end
{%- endmacro %}

{% macro snowflake__timestamp(text) -%}
    cast(convert_timezone('UTC', try_to_timestamp_tz({{ text }})) as timestamp_ntz)
{%- endmacro %}

{% macro bigquery__timestamp(text) -%}
    safe_cast({{ text }} as timestamp)
{%- endmacro %}

{#- A timestamp that has a zone, in UTC and without one. -#}
{% macro in_utc(column) %}{{ return(adapter.dispatch('in_utc', 'croct')(column)) }}{% endmacro %}

{% macro default__in_utc(column) -%}
    {{ column }} at time zone 'UTC'
{%- endmacro %}

{% macro snowflake__in_utc(column) -%}
    cast(convert_timezone('UTC', {{ column }}) as timestamp_ntz)
{%- endmacro %}

{#- To sort by time, nulls last: BigQuery takes no `nulls last` in a window. -#}
{% macro newest(column) -%}
    coalesce({{ column }}, cast('0001-01-01' as {{ dbt.type_timestamp() }})) desc
{%- endmacro %}

{% macro oldest(column) -%}
    coalesce({{ column }}, cast('9999-12-31' as {{ dbt.type_timestamp() }}))
{%- endmacro %}

{#- The day of a timestamp, in the variable `croct__timezone`. -#}
{% macro day(column) %}{{ return(adapter.dispatch('day', 'croct')(column, var('croct__timezone', 'UTC'))) }}{% endmacro %}

{% macro default__day(column, zone) -%}
    cast(({{ column }} at time zone 'UTC') at time zone '{{ zone }}' as date)
{%- endmacro %}

{% macro snowflake__day(column, zone) -%}
    cast(convert_timezone('UTC', '{{ zone }}', {{ column }}) as date)
{%- endmacro %}

{% macro bigquery__day(column, zone) -%}
    date({{ column }}, '{{ zone }}')
{%- endmacro %}

{% macro add_days(column, days) -%}
    cast({{ dbt.dateadd('day', days, column) }} as {{ dbt.type_timestamp() }})
{%- endmacro %}

{#- A share of counts, with six decimals. -#}
{% macro ratio(part, whole) -%}
    cast(round(cast({{ part }} as {{ croct.numeric() }}) / nullif({{ whole }}, 0), 6) as {{ croct.numeric() }})
{%- endmacro %}

{#- The sum of amounts; 0 where there are none. -#}
{% macro total(expression) -%}
    cast(coalesce(sum({{ expression }}), 0) as {{ croct.numeric() }})
{%- endmacro %}

{#- An amount in the reporting currency; as it is, if none is set; null, if its currency has no rate. -#}
{% macro revenue(amount, currency) -%}
    {%- set reporting = var('croct__reporting_currency', none) -%}
    {%- set rates = var('croct__exchange_rates', none) or {} -%}
    {%- if reporting -%}
    cast(
        case
            when {{ currency }} = '{{ reporting }}' then {{ amount }}
            {%- for code, rate in rates.items() if code != reporting %}
            {%- if not 0 < rate | float < 10 ** 12 %}{{ exceptions.raise_compiler_error('croct__exchange_rates: ' ~ code ~ ' needs a number above 0, such as "0.17"') }}{% endif %}
            {#- The guard keeps the product within the 38 digits that DuckDB and Snowflake have. #}
            when {{ currency }} = '{{ code }}' and abs({{ amount }}) < {{ [(10 ** 14 / (rate | float)) | int, 10 ** 18] | min }}
            then cast({{ amount }} * cast('{{ rate }}' as {{ croct.numeric(15) }}) as {{ croct.numeric() }})
            {%- endfor %}
        end as {{ croct.numeric() }}
    )
    {%- elif rates -%}
    {{ exceptions.raise_compiler_error('croct__exchange_rates needs croct__reporting_currency: the currency that they convert to') }}
    {%- else -%}
    {{ amount }}
    {%- endif -%}
{%- endmacro %}
