select
    {{ croct.event_columns() }},
    {{ croct.payload_text('name') }} as event_name,
    {{ croct.payload_json('details') }} as details
{{ croct.from_events() }}
