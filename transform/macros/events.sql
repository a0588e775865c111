{#- The columns that all event models begin with. -#}
{% macro event_columns() -%}
    event_id,
    session_id,
    user_id,
    occurred_at
{%- endmacro %}

{#- The events of some types; in an incremental run, those whose id is not there yet. Not those after
    a time: events can arrive days late. -#}
{% macro from_events(types) -%}
    from {{ ref('stg_croct__events') }} as events
    where event_type in ('{{ types | join("', '") }}')
    {%- if is_incremental() %}
        and not exists (select 1 from {{ this }} as known where known.event_id = events.event_id)
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
