select
    {{ croct.event_columns() }},
    nullif({{ croct.payload_text('order.orderId') }}, '') as order_id,
    {{ croct.payload_text('order.status') }} as status,
    {{ croct.payload_text('order.currency') }} as currency,
    {{ croct.payload_json('order.items') }} as items,
    {{ croct.json_length(croct.payload_json('order.items')) }} as item_count,
    {{ croct.payload_number('order.subtotal') }} as subtotal,
    {{ croct.payload_number('order.shippingPrice') }} as shipping_price,
    {{ croct.payload_json('order.taxes') }} as taxes,
    {{ croct.payload_json('order.costs') }} as costs,
    {{ croct.payload_number('order.discount') }} as discount,
    {{ croct.payload_number('order.total') }} as total,
    {{ croct.payload_text('order.coupon') }} as coupon,
    {{ croct.payload_text('order.paymentMethod') }} as payment_method,
    {{ croct.integer(croct.payload_text('order.installments')) }} as installments
{{ croct.from_events() }}
