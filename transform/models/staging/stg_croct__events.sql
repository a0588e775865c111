{%- set columns = croct.source_columns('events') -%}
with records as (
    select
        {{ croct.text_of(columns, 'id') }} as event_id,
        {{ croct.text_of(columns, 'eventType') }} as named_type,
        {{ croct.text_of(columns, 'sessionId') }} as session_id,
        {{ croct.text_of(columns, 'userId') }} as user_id,
        {{ croct.time_of(columns, 'timestamp') }} as occurred_at,
        {{ croct.json_of(columns, 'context') }} as context,
        {{ croct.json_of(columns, 'payload') }} as payload,
        {{ croct.json_of(columns, 'metadata') }} as metadata,
        {{ croct.json_of(columns, 'additionalProperties') }} as additional_properties,
        {{ croct.loaded_at(columns) }} as loaded_at
    {{ croct.from_source('events', columns) }}
),

events as (
    select
        *,
        coalesce(
            named_type,
            {{ croct.json_text('payload', ['@type']) }},
            {{ croct.json_text('payload', ['type']) }}
        ) as event_type
    from records
)

select
    event_id,
    event_type,
    session_id,
    user_id,
    occurred_at,
    {{ croct.json_text('context', ['tabId']) }} as tab_id,
    {{ croct.json_text('context', ['url']) }} as url,
    {{ croct.json_text('metadata', ['workspaceSlug']) }} as workspace_slug,
    {{ croct.json_text('metadata', ['applicationSlug']) }} as application_slug,
    payload,
    additional_properties,
    loaded_at
{#- The type of an event never changes. As part of the key, it lets a model that reads one type
    sort only the events of that type. #}
{{ croct.latest('events', ['event_id', 'event_type'], 'occurred_at') }}
