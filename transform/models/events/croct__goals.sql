select
    {{ croct.event_columns() }},
    {{ croct.payload_text('goalId') }} as goal_id,
    {{ croct.payload_number('value') }} as value,
    {{ croct.payload_text('currency') }} as currency
{{ croct.from_events() }}
