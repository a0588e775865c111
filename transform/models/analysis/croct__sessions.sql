with sessions as (
    select
        *,
        case when user_id is not null then row_number() over (
            partition by user_id order by {{ croct.oldest('started_at') }}, session_id
        ) end as session_number
    from {{ ref('stg_croct__sessions') }}
),

product_views as (
    select session_id, count(*) as events
    from {{ ref('croct__product_views') }}
    group by session_id
),

carts as (
    select
        session_id,
        max(case when item_count > 0 then 1 else 0 end) as filled,
        max(case when event_type = 'checkoutStarted' then 1 else 0 end) as checked_out
    from {{ ref('croct__cart_events') }}
    group by session_id
),

orders as (
    select session_id, count(*) as order_count, {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__orders') }}
    group by session_id
)

select
    sessions.session_id,
    sessions.user_id,
    sessions.session_number,
    sessions.started_at,
    {{ croct.day('sessions.started_at') }} as started_on,
    {%- for column in [
        'ended_at', 'closed_at', 'referrer', 'landing_page_url', 'campaign_name', 'campaign_source',
        'campaign_medium', 'country', 'region', 'city', 'browser', 'device_category', 'operating_system'
    ] %}
    sessions.{{ column }},
    {%- endfor %}
    coalesce(sessions.device_category = 'BOT' or sessions.browser_type = 'CRAWLER', false) as is_bot,
    sessions.page_views,
    product_views.events is not null as has_product_view,
    coalesce(carts.filled, 0) = 1 as has_cart,
    coalesce(carts.checked_out, 0) = 1 as has_checkout,
    orders.order_count is not null as has_order,
    coalesce(orders.order_count, 0) as order_count,
    sessions.reported_orders,
    cast(coalesce(orders.revenue, 0) as {{ croct.numeric() }}) as revenue
from sessions
left join product_views on sessions.session_id = product_views.session_id
left join carts on sessions.session_id = carts.session_id
left join orders on sessions.session_id = orders.session_id
