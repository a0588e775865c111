{%- set columns = croct.source_columns('sessions') -%}
select
    {{ croct.text_of(columns, 'sessionId') }} as session_id,
    {{ croct.text_of(columns, 'userId') }} as user_id,
    {{ croct.text_of(columns, 'parentId') }} as parent_session_id,
    {{ croct.text_of(columns, 'externalUserId') }} as external_user_id,
    {{ croct.timestamp(croct.path_of(columns, 'window', 'start')) }} as started_at,
    {{ croct.timestamp(croct.path_of(columns, 'window', 'end')) }} as ended_at,
    {{ croct.time_of(columns, 'closeTime') }} as closed_at,
    {{ croct.text_of(columns, 'referrer') }} as referrer,
    {{ croct.text_of(columns, 'landingPageUrl') }} as landing_page_url,
    {%- for name in ['name', 'source', 'medium', 'content', 'term'] %}
    {{ croct.path_of(columns, 'campaign', name) }} as campaign_{{ name }},
    {%- endfor %}
    {%- for name in ['continent', 'country', 'city', 'timezone'] %}
    {{ croct.path_of(columns, 'location', name) }} as {{ name }},
    {%- endfor %}
    {{ croct.path_of(columns, 'location', 'region.name') }} as region,
    {{ croct.path_of(columns, 'client', 'browser.name') }} as browser,
    {{ croct.path_of(columns, 'client', 'browser.type') }} as browser_type,
    {{ croct.path_of(columns, 'client', 'device.category') }} as device_category,
    {{ croct.path_of(columns, 'client', 'device.vendor') }} as device_vendor,
    {{ croct.path_of(columns, 'client', 'device.name') }} as device_name,
    {{ croct.path_of(columns, 'client', 'device.operatingSystem.name') }} as operating_system,
    {{ croct.json_of(columns, 'attributes') }} as attributes,
    {{ croct.integer(croct.path_of(columns, 'statistics', 'pageViews')) }} as page_views,
    {{ croct.integer(croct.path_of(columns, 'statistics', 'tabViews')) }} as tab_views,
    {{ croct.integer(croct.path_of(columns, 'statistics', 'orders')) }} as reported_orders,
    {{ croct.json_of(columns, 'additionalProperties') }} as additional_properties,
    {{ croct.loaded_at(columns) }} as loaded_at
{{ croct.from_latest('sessions', columns, 'sessionId', 'closeTime') }}
