{%- set columns = croct.source_columns('events') -%}
{%- set type -%}
    coalesce(
        {{ croct.text_of(columns, 'eventType') }},
        {{ croct.path_of(columns, 'payload', '@type') }},
        {{ croct.path_of(columns, 'payload', 'type') }}
    )
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
{{ croct.from_latest('events', columns, 'id', 'timestamp', type) }}
