with sessions as (
    select
        started_on as day,
        count(*) as sessions,
        count(distinct user_id) as users,
        sum(case when has_product_view then 1 else 0 end) as sessions_with_product_view,
        sum(case when has_cart then 1 else 0 end) as sessions_with_cart,
        sum(case when has_checkout then 1 else 0 end) as sessions_with_checkout,
        sum(case when has_order then 1 else 0 end) as sessions_with_order
    from {{ ref('croct__sessions') }}
    where started_on is not null
    group by started_on
),

orders as (
    select placed_on as day, count(*) as orders, {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__orders') }}
    where placed_on is not null
    group by placed_on
)

select
    coalesce(sessions.day, orders.day) as day,
    coalesce(sessions.sessions, 0) as sessions,
    coalesce(sessions.users, 0) as users,
    {%- for step in ['product_view', 'cart', 'checkout', 'order'] %}
    cast(coalesce(sessions.sessions_with_{{ step }}, 0) as {{ dbt.type_bigint() }}) as sessions_with_{{ step }},
    {%- endfor %}
    {{ croct.ratio('sessions.sessions_with_order', 'sessions.sessions') }} as conversion_rate,
    coalesce(orders.orders, 0) as orders,
    cast(coalesce(orders.revenue, 0) as {{ croct.numeric() }}) as revenue
from sessions
full outer join orders on sessions.day = orders.day
