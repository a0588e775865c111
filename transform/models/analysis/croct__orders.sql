with versions as (
    select
        *,
        coalesce(order_id, event_id) as known_id,
        row_number() over (
            partition by coalesce(order_id, event_id)
            order by
                {{ croct.newest('occurred_at') }},
                case status when 'COMPLETED' then 3 when 'PAID' then 2 when 'PLACED' then 1 else 0 end desc,
                event_id desc
        ) as from_latest,
        row_number() over (
            partition by coalesce(order_id, event_id)
            order by {{ croct.oldest('occurred_at') }}, event_id
        ) as from_first
    from {{ ref('croct__order_events') }}
)

select
    latest.known_id as order_id,
    first.session_id,
    first.user_id,
    first.occurred_at as placed_at,
    {{ croct.day('first.occurred_at') }} as placed_on,
    latest.occurred_at as updated_at,
    {%- for column in [
        'status', 'currency', 'items', 'item_count', 'subtotal', 'shipping_price', 'taxes', 'costs',
        'discount', 'total', 'coupon', 'payment_method', 'installments'
    ] %}
    latest.{{ column }},
    {%- endfor %}
    {{ croct.revenue('latest.total', 'latest.currency') }} as revenue
from versions as latest
inner join versions as first on latest.known_id = first.known_id
where latest.from_latest = 1 and first.from_first = 1
