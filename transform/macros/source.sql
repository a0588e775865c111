{#- Reading the tables of a target, whatever they look like: columns are found by asking the table. -#}

{#- The columns of a stream's table by their names in lower case; none, if there is no table. (Whether there
    is one must not be asked of dbt's cache: while one thread fills it, others find half of the tables.) -#}
{% macro source_columns(stream) %}
    {%- set found = {} -%}
    {#- For dbt to know what the model needs, also while it only parses. -#}
    {%- set table = source('croct', stream) -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(table) -%}
            {%- do found.update({column.name | lower: column}) -%}
        {%- endfor -%}
        {{- croct.refuse_flattened(table, found) if found else croct.report_missing(stream, table) -}}
    {%- endif -%}
    {{- return(found) -}}
{% endmacro %}

{#- Warn of a stream that is not loaded; stop, if none is. -#}
{% macro report_missing(stream, table) %}
    {%- set streams = ['events', 'sessions', 'users'] -%}
    {%- set loaded = [] -%}
    {%- for other in streams if adapter.get_columns_in_relation(table.incorporate(path={'identifier': other})) -%}
        {%- do loaded.append(other) -%}
    {%- endfor -%}
    {%- if not loaded -%}
        {{- exceptions.raise_compiler_error(
            'No tables of Croct in schema "' ~ table.schema ~ '" of database "' ~ table.database
            ~ '": set the variable croct__schema to the schema that the tap loads, and '
            ~ 'croct__database if that is in another database') -}}
    {%- endif -%}
    {%- do exceptions.warn(table ~ ' does not exist: the models that need ' ~ stream ~ ' are empty') -%}
{% endmacro %}

{#- Stop at a table whose nested properties have become columns: `payload__order__total`. -#}
{% macro refuse_flattened(relation, columns) %}
    {%- set missing = ['payload', 'window'] | reject('in', columns) | join('|') or '-' -%}
    {%- set flat = modules.re.compile('(payload|context|window|client|statistics|address)__|(' ~ missing ~ ')[^a-z0-9]') -%}
    {%- for name in columns if flat.match(name) -%}
        {{- exceptions.raise_compiler_error(
            relation ~ ' is flattened (it has the column ' ~ name ~ '), which these models do not '
            ~ 'support: load without flattening_enabled into another schema, and set croct__schema '
            ~ 'to it') -}}
    {%- endfor -%}
{% endmacro %}

{#- Whether a table has each record in a single column, as BigQuery's target leaves it by default. -#}
{% macro in_data(columns) %}
    {{- return('data' in columns and 'userid' not in columns) -}}
{% endmacro %}

{% macro is_text(column) %}
    {{- return((column.data_type | lower).startswith(('text', 'varchar', 'character', 'string'))) -}}
{% endmacro %}

{% macro column_json(column) %}
    {%- set type = column.data_type | lower -%}
    {%- set kind = 'json' if type in ['json', 'jsonb', 'variant'] else 'text' if croct.is_text(column) else 'other' -%}
    {{- return(croct.as_json(adapter.quote(column.name), kind)) -}}
{% endmacro %}

{#- A property of the record, as text, JSON or a timestamp; null where the table has no such column. -#}
{% macro text_of(columns, name) -%}
    {%- set column = columns.get(name | lower) -%}
    {%- if column -%}
    cast({{ adapter.quote(column.name) }} as {{ dbt.type_string() }})
    {%- elif croct.in_data(columns) -%}
    {{ croct.json_text(croct.column_json(columns['data']), [name]) }}
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{#- The text at a path of a property. -#}
{% macro path_of(columns, name, path) -%}
    {{ croct.json_text(croct.json_of(columns, name), path.split('.')) }}
{%- endmacro %}

{% macro json_of(columns, name) -%}
    {%- set column = columns.get(name | lower) -%}
    {%- if column -%}
    {{ croct.column_json(column) }}
    {%- elif croct.in_data(columns) -%}
    {{ croct.json_value(croct.column_json(columns['data']), [name]) }}
    {%- else -%}
    {{ croct.as_json('cast(null as ' ~ dbt.type_string() ~ ')', 'text') }}
    {%- endif -%}
{%- endmacro %}

{% macro time_of(columns, name) -%}
    {%- set column = columns.get(name | lower) -%}
    {%- set type = column.data_type | lower if column else '' -%}
    {%- if column and croct.is_text(column) or not column and croct.in_data(columns) -%}
    {{ croct.timestamp(croct.text_of(columns, name)) }}
    {%- elif column and ('with time zone' in type or type.endswith(('timestamptz', '_tz', '_ltz'))) -%}
    {{ croct.in_utc(adapter.quote(column.name)) }}
    {%- else -%}
    cast({{ adapter.quote(column.name) if column else 'null' }} as {{ dbt.type_timestamp() }})
    {%- endif -%}
{%- endmacro %}

{#- When the target loaded a record, by the first of its own columns that is there. -#}
{% macro loaded_at(columns) -%}
    {%- set names = ['_sdc_received_at', '_sdc_batched_at', '_sdc_extracted_at'] | select('in', columns) | list -%}
    {{ croct.time_of(columns, names[0] if names else '_sdc_received_at') }}
{%- endmacro %}

{#- The table, without what the target has marked as deleted; no rows, if there is no table. -#}
{% macro from_source(stream, columns) -%}
    {%- set deleted = columns.get('_sdc_deleted_at') -%}
    from {{ source('croct', stream) if columns else '(select 1 as nothing)' }} as records
    where {{ adapter.quote(deleted.name) ~ ' is null' if deleted else ('1 = 1' if columns else '1 = 0') }}
{%- endmacro %}

{#- The latest record of each key, by its replication key and then by when it was loaded.
    The type of an event never changes. As part of the key, it lets a query that reads one type from the
    view sort only the events of that type. -#}
{% macro from_latest(stream, columns, key, time, type='null', filter='1 = 1') -%}
    from (
        select
            *,
            row_number() over (
                partition by record_key, record_type
                order by {{ croct.newest(croct.time_of(columns, time)) }}, {{ croct.newest(croct.loaded_at(columns)) }}
            ) as record_version
        from (
            select *, {{ croct.text_of(columns, key) }} as record_key, {{ type }} as record_type
            {{ croct.from_source(stream, columns) }}
        ) as keyed
        where {{ filter }}
    ) as versions
    where record_version = 1
{%- endmacro %}
