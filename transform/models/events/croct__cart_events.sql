select
    {{ croct.event_columns() }},
    event_type,
    {{ croct.payload_text('orderId') }} as order_id,
    {{ croct.payload_text('cartItem.product.productId') }} as abandoned_product_id,
    {{ croct.payload_text('cart.currency') }} as currency,
    {{ croct.payload_json('cart.items') }} as items,
    {{ croct.json_length(croct.payload_json('cart.items')) }} as item_count,
    {{ croct.payload_number('cart.subtotal') }} as subtotal,
    {{ croct.payload_number('cart.shippingPrice') }} as shipping_price,
    {{ croct.payload_number('cart.discount') }} as discount,
    {{ croct.payload_number('cart.total') }} as total,
    {{ croct.payload_text('cart.coupon') }} as coupon
{{ croct.from_events() }}
