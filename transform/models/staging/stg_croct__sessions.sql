{%- set columns = croct.source_columns('sessions') -%}
with records as (
    select
        {{ croct.text_of(columns, 'sessionId') }} as session_id,
        {{ croct.text_of(columns, 'userId') }} as user_id,
        {{ croct.text_of(columns, 'parentId') }} as parent_session_id,
        {{ croct.text_of(columns, 'externalUserId') }} as external_user_id,
        {{ croct.time_of(columns, 'closeTime') }} as closed_at,
        {{ croct.text_of(columns, 'referrer') }} as referrer,
        {{ croct.text_of(columns, 'landingPageUrl') }} as landing_page_url,
        {{ croct.json_of(columns, 'window') }} as session_window,
        {{ croct.json_of(columns, 'campaign') }} as campaign,
        {{ croct.json_of(columns, 'location') }} as location,
        {{ croct.json_of(columns, 'client') }} as client,
        {{ croct.json_of(columns, 'attributes') }} as attributes,
        {{ croct.json_of(columns, 'statistics') }} as statistics,
        {{ croct.json_of(columns, 'additionalProperties') }} as additional_properties,
        {{ croct.loaded_at(columns) }} as loaded_at
    {{ croct.from_source('sessions', columns) }}
)

select
    session_id,
    user_id,
    parent_session_id,
    external_user_id,
    {{ croct.timestamp(croct.json_text('session_window', ['start'])) }} as started_at,
    {{ croct.timestamp(croct.json_text('session_window', ['end'])) }} as ended_at,
    closed_at,
    referrer,
    landing_page_url,
    {{ croct.json_text('campaign', ['name']) }} as campaign_name,
    {{ croct.json_text('campaign', ['source']) }} as campaign_source,
    {{ croct.json_text('campaign', ['medium']) }} as campaign_medium,
    {{ croct.json_text('campaign', ['content']) }} as campaign_content,
    {{ croct.json_text('campaign', ['term']) }} as campaign_term,
    {{ croct.json_text('location', ['continent']) }} as continent,
    {{ croct.json_text('location', ['country']) }} as country,
    {{ croct.json_text('location', ['region', 'name']) }} as region,
    {{ croct.json_text('location', ['city']) }} as city,
    {{ croct.json_text('location', ['timezone']) }} as timezone,
    {{ croct.json_text('client', ['browser', 'name']) }} as browser,
    {{ croct.json_text('client', ['browser', 'type']) }} as browser_type,
    {{ croct.json_text('client', ['device', 'category']) }} as device_category,
    {{ croct.json_text('client', ['device', 'vendor']) }} as device_vendor,
    {{ croct.json_text('client', ['device', 'name']) }} as device_name,
    {{ croct.json_text('client', ['device', 'operatingSystem', 'name']) }} as operating_system,
    attributes,
    {{ croct.integer(croct.json_text('statistics', ['pageViews'])) }} as page_views,
    {{ croct.integer(croct.json_text('statistics', ['tabViews'])) }} as tab_views,
    {{ croct.integer(croct.json_text('statistics', ['orders'])) }} as reported_orders,
    additional_properties,
    loaded_at
{{ croct.latest('records', ['session_id'], 'closed_at') }}
