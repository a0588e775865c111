{#- JSON on each engine. A path is a list of names; JSON null is SQL null everywhere. -#}

{#- The JSON of a column, which is of the kind 'json', 'text' (that is JSON) or 'other'. -#}
{% macro as_json(column, kind) %}{{ return(adapter.dispatch('as_json', 'croct')(column, kind)) }}{% endmacro %}

{% macro duckdb__as_json(column, kind) -%}
    nullif({{ {'json': column, 'text': 'try_cast(' ~ column ~ ' as json)', 'other': 'to_json(' ~ column ~ ')'}[kind] }}, 'null')
{%- endmacro %}

{% macro postgres__as_json(column, kind) -%}
    nullif({{ 'to_jsonb(' ~ column ~ ')' if kind == 'other' else 'cast(' ~ column ~ ' as jsonb)' }}, cast('null' as jsonb))
{%- endmacro %}

{% macro snowflake__as_json(column, kind) -%}
    {%- set json = {'json': '', 'text': 'try_parse_json', 'other': 'to_variant'}[kind] ~ '(' ~ column ~ ')' -%}
    case when not is_null_value({{ json }}) then {{ json }} end
{%- endmacro %}

{% macro bigquery__as_json(column, kind) -%}
    {%- set json = 'safe.parse_json(' ~ column ~ ", wide_number_mode => 'round')" if kind == 'text'
        else {'json': '', 'other': 'to_json'}[kind] ~ '(' ~ column ~ ')' -%}
    case when json_type({{ json }}) <> 'null' then {{ json }} end
{%- endmacro %}

{#- The text at a path; a number as its digits. -#}
{% macro json_text(json, path) %}{{ return(adapter.dispatch('json_text', 'croct')(json, path)) }}{% endmacro %}

{% macro duckdb__json_text(json, path) -%}
    json_extract_string({{ json }}, '$."{{ path | join('"."') }}"')
{%- endmacro %}

{% macro postgres__json_text(json, path) -%}
    ({{ json }} #>> array['{{ path | join("', '") }}'])
{%- endmacro %}

{% macro snowflake__json_text(json, path) -%}
    cast({{ croct.json_value(json, path) }} as varchar)
{%- endmacro %}

{% macro bigquery__json_text(json, path) -%}
    json_value({{ json }}, '$."{{ path | join('"."') }}"')
{%- endmacro %}

{#- The JSON at a path. -#}
{% macro json_value(json, path) %}{{ return(adapter.dispatch('json_value', 'croct')(json, path)) }}{% endmacro %}

{% macro duckdb__json_value(json, path) -%}
    nullif(json_extract({{ json }}, '$."{{ path | join('"."') }}"'), 'null')
{%- endmacro %}

{% macro postgres__json_value(json, path) -%}
    nullif({{ json }} #> array['{{ path | join("', '") }}'], cast('null' as jsonb))
{%- endmacro %}

{% macro snowflake__json_value(json, path) -%}
    strip_null_value(get_path({{ json }}, '["{{ path | join('"]["') }}"]'))
{%- endmacro %}

{% macro bigquery__json_value(json, path) -%}
    {{ croct.as_json("json_query(" ~ json ~ ", '$.\"" ~ path | join('"."') ~ "\"')", 'json') }}
{%- endmacro %}

{#- How many items a list has; 0 for what is not a list. -#}
{% macro json_length(json) %}{{ return(adapter.dispatch('json_length', 'croct')(json)) }}{% endmacro %}

{% macro duckdb__json_length(json) -%}
    coalesce(cast(json_array_length({{ json }}) as integer), 0)
{%- endmacro %}

{% macro postgres__json_length(json) -%}
    case when jsonb_typeof({{ json }}) = 'array' then jsonb_array_length({{ json }}) else 0 end
{%- endmacro %}

{% macro snowflake__json_length(json) -%}
    coalesce(array_size({{ json }}), 0)
{%- endmacro %}

{% macro bigquery__json_length(json) -%}
    coalesce(array_length(json_query_array({{ json }})), 0)
{%- endmacro %}

{#- A select: columns of a relation, and for each item of its list `position` (from 0) and `item`. -#}
{% macro json_items(relation, json, columns) %}{{ return(adapter.dispatch('json_items', 'croct')(relation, json, columns | join(', '))) }}{% endmacro %}

{% macro duckdb__json_items(relation, json, columns) -%}
    select {{ columns }}, generate_subscripts(elements, 1) - 1 as position, unnest(elements) as item
    from (select *, try_cast({{ json }} as json[]) as elements from {{ relation }}) as lists
{%- endmacro %}

{% macro postgres__json_items(relation, json, columns) -%}
    select {{ columns }}, elements.number - 1 as position, elements.item
    from {{ relation }} as lists
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ json }}) = 'array' then {{ json }} end
    ) with ordinality as elements (item, number)
{%- endmacro %}

{% macro snowflake__json_items(relation, json, columns) -%}
    select {{ columns }}, elements.index as position, elements.value as item
    from {{ relation }} as lists, lateral flatten(input => {{ json }}, mode => 'ARRAY') as elements
{%- endmacro %}

{% macro bigquery__json_items(relation, json, columns) -%}
    select {{ columns }}, position, item
    from {{ relation }} as lists
    cross join unnest(json_query_array({{ json }})) as item with offset as position
{%- endmacro %}
