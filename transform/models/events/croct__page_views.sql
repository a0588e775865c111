select
    {{ croct.event_columns() }},
    {{ croct.payload_text('url') }} as url,
    {{ croct.payload_text('referrer') }} as referrer,
    {{ croct.payload_text('userAgent') }} as user_agent,
    {{ croct.payload_text('preferredLanguages') }} as preferred_languages
{{ croct.from_events() }}
