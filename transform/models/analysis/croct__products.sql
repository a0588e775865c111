with cart_items as (
    {{ croct.json_items(ref('croct__cart_events'), 'items', ['event_id', 'session_id', 'occurred_at']) }}
),

seen as (
    select
        'view' as place, event_id as source_id, session_id, occurred_at as seen_at,
        product_id, product_name, category, brand,
        null as order_id, 0 as quantity, 0 as revenue
    from {{ ref('croct__product_views') }}
    union all
    select
        'cart', {{ dbt.concat(['event_id', "'-'", 'cast(position as ' ~ dbt.type_string() ~ ')']) }}, session_id, occurred_at,
        {{ croct.json_text('item', ['product', 'productId']) }},
        {{ croct.json_text('item', ['product', 'name']) }},
        {{ croct.json_text('item', ['product', 'category']) }},
        {{ croct.json_text('item', ['product', 'brand']) }},
        null, 0, 0
    from cart_items
    union all
    select
        'order', order_item_id, session_id, placed_at,
        product_id, product_name, category, brand,
        order_id, quantity, revenue
    from {{ ref('croct__order_items') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by product_id order by {{ croct.newest('seen_at') }}, source_id desc
        ) as from_latest
    from seen
    where product_id is not null
)

select
    product_id,
    max(case when from_latest = 1 then product_name end) as product_name,
    max(case when from_latest = 1 then category end) as category,
    max(case when from_latest = 1 then brand end) as brand,
    count(case when place = 'view' then 1 end) as views,
    count(distinct case when place = 'view' then session_id end) as sessions_viewed,
    count(distinct case when place = 'cart' then session_id end) as sessions_in_cart,
    count(distinct order_id) as orders,
    cast(coalesce(sum(quantity), 0) as {{ dbt.type_bigint() }}) as units,
    {{ croct.total('revenue') }} as revenue
from ranked
group by product_id
