with cart_items as (
    {{ croct.json_items(ref('croct__cart_events'), 'items', ['event_id', 'session_id', 'occurred_at']) }}
),

carts as (
    select {{ croct.json_text('item', ['product', 'productId']) }} as product_id, session_id
    from cart_items
),

seen as (
    select event_id as source_id, product_id, product_name, category, brand, occurred_at as seen_at
    from {{ ref('croct__product_views') }}
    union all
    select order_item_id, product_id, product_name, category, brand, placed_at
    from {{ ref('croct__order_items') }}
    union all
    select event_id, {{ croct.json_text('item', ['product', 'productId']) }},
        {{ croct.json_text('item', ['product', 'name']) }},
        {{ croct.json_text('item', ['product', 'category']) }},
        {{ croct.json_text('item', ['product', 'brand']) }},
        occurred_at
    from cart_items
),

products as (
    select
        *,
        row_number() over (
            partition by product_id order by {{ croct.newest('seen_at') }}, source_id desc
        ) as from_latest
    from seen
    where product_id is not null
),

views as (
    select product_id, count(*) as views, count(distinct session_id) as sessions_viewed
    from {{ ref('croct__product_views') }}
    group by product_id
),

sessions_with_cart as (
    select product_id, count(distinct session_id) as sessions_in_cart
    from carts
    group by product_id
),

orders as (
    select
        product_id,
        count(distinct order_id) as orders,
        sum(quantity) as units,
        {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__order_items') }}
    group by product_id
)

select
    products.product_id,
    products.product_name,
    products.category,
    products.brand,
    coalesce(views.views, 0) as views,
    coalesce(views.sessions_viewed, 0) as sessions_viewed,
    coalesce(sessions_with_cart.sessions_in_cart, 0) as sessions_in_cart,
    coalesce(orders.orders, 0) as orders,
    cast(coalesce(orders.units, 0) as {{ dbt.type_bigint() }}) as units,
    coalesce(orders.revenue, 0) as revenue
from products
left join views on products.product_id = views.product_id
left join sessions_with_cart on products.product_id = sessions_with_cart.product_id
left join orders on products.product_id = orders.product_id
where products.from_latest = 1
