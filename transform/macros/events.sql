{#- The columns that all event models begin with. -#}
{% macro event_columns() -%}
    event_id,
    session_id,
    user_id,
    occurred_at
{%- endmacro %}

{#- The latest record of each event, typed: of some types, and without those whose id is in one of the
    tables of known ones. By ids alone first: no whole record is read where none is new. -#}
{% macro latest_events(types=none, known=[]) -%}
{%- set columns = croct.source_columns('events') -%}
{%- set type = croct.text_of(columns, 'eventType') -%}
{%- set payload_type = 'coalesce(' ~ croct.path_of(columns, 'payload', '@type') ~ ', ' ~ croct.path_of(columns, 'payload', 'type') ~ ')' -%}
{%- set any_type = 'coalesce(' ~ type ~ ', ' ~ payload_type ~ ')' -%}
{%- set filter -%}
    {%- set wanted = "('" ~ (types or []) | join("', '") ~ "')" -%}
    {#- In two parts, for the database to know from its statistics how many there are. -#}
    ({{ type }} in {{ wanted }} or {{ type }} is null and {{ payload_type }} in {{ wanted }})
    {%- if known %}
    and record_key in (
        select event_id from (
            select {{ croct.text_of(columns, 'id') }} as event_id {{ croct.from_source('events', columns) }}
                and ({{ type }} in {{ wanted }} or {{ type }} is null)
        ) as ids where {% for table in known %}{{ 'and ' if not loop.first }}not exists (select 1 from {{ table }} as known where known.event_id = ids.event_id)
        {% endfor %}
    )
    {%- endif -%}
{%- endset -%}
select
    {{ croct.text_of(columns, 'id') }} as event_id,
    record_type as event_type,
    {{ croct.text_of(columns, 'sessionId') }} as session_id,
    {{ croct.text_of(columns, 'userId') }} as user_id,
    {{ croct.time_of(columns, 'timestamp') }} as occurred_at,
    {{ croct.path_of(columns, 'context', 'tabId') }} as tab_id,
    {{ croct.path_of(columns, 'context', 'url') }} as url,
    {{ croct.path_of(columns, 'metadata', 'workspaceSlug') }} as workspace_slug,
    {{ croct.path_of(columns, 'metadata', 'applicationSlug') }} as application_slug,
    {{ croct.json_of(columns, 'payload') }} as payload,
    {{ croct.json_of(columns, 'additionalProperties') }} as additional_properties,
    {{ croct.loaded_at(columns) }} as loaded_at
{{ croct.from_latest('events', columns, 'id', 'timestamp', any_type, '1 = 1' if types is none else filter if types else '1 = 0') }}
{%- endmacro %}

{#- The events of the types that events.yml names for a model: in an incremental run, those whose id is
    not there yet, from the table of them if the run builds it. (Not those after a time: events can arrive
    days late.) Else filtered before they are sorted, hence not from the view, named for the lineage. -#}
{% macro from_events() -%}
    {%- do ref('stg_croct__events') -%}
    {%- set new_events = ref('stg_croct__new_events') -%}
    {%- set types = model.config.meta.get('event_types', []) -%}
    {%- set is_built = 'model.croct.stg_croct__new_events' in selected_resources -%}
    {%- if is_incremental() and is_built and model.package_name == 'croct' -%}
    from {{ new_events }} as events
    where event_type in ('{{ types | join("', '") }}')
        and not exists (select 1 from {{ this }} as known where known.event_id = events.event_id)
    {%- else -%}
    from ({{ croct.latest_events(types, [this] if is_incremental() else []) }}) as events
    {%- endif -%}
{%- endmacro %}

{#- Text, number and the like at a path of the payload: 'order.total'. -#}
{% macro payload_text(path) -%}
    {{ croct.json_text('payload', path.split('.')) }}
{%- endmacro %}

{% macro payload_number(path) -%}
    {{ croct.number(croct.payload_text(path)) }}
{%- endmacro %}

{% macro payload_json(path) -%}
    {{ croct.json_value('payload', path.split('.')) }}
{%- endmacro %}
