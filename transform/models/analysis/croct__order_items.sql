with items as (
    {{ croct.json_items(
        ref('croct__orders'), 'items',
        ['order_id', 'session_id', 'user_id', 'placed_at', 'placed_on', 'status', 'currency']
    ) }}
),

typed as (
    select
        *,
        {{ croct.number(croct.json_text('item', ['total'])) }} as total
    from items
)

select
    {{ dbt.concat(["order_id", "'-'", "cast(position as " ~ dbt.type_string() ~ ")"]) }} as order_item_id,
    order_id,
    cast(position as {{ dbt.type_bigint() }}) as position,
    session_id,
    user_id,
    placed_at,
    placed_on,
    status,
    {{ croct.json_text('item', ['product', 'productId']) }} as product_id,
    {{ croct.json_text('item', ['product', 'sku']) }} as sku,
    {{ croct.json_text('item', ['product', 'name']) }} as product_name,
    {{ croct.json_text('item', ['product', 'category']) }} as category,
    {{ croct.json_text('item', ['product', 'brand']) }} as brand,
    {{ croct.json_text('item', ['product', 'variant']) }} as variant,
    {{ croct.integer(croct.json_text('item', ['quantity'])) }} as quantity,
    {{ croct.number(croct.json_text('item', ['product', 'displayPrice'])) }} as price,
    {{ croct.number(croct.json_text('item', ['discount'])) }} as discount,
    currency,
    total,
    {{ croct.revenue('total', 'currency') }} as revenue,
    {{ croct.json_text('item', ['coupon']) }} as coupon
from typed
