select
    {{ croct.event_columns() }},
    {{ croct.payload_text('product.productId') }} as product_id,
    {{ croct.payload_text('product.sku') }} as sku,
    {{ croct.payload_text('product.name') }} as product_name,
    {{ croct.payload_text('product.category') }} as category,
    {{ croct.payload_text('product.brand') }} as brand,
    {{ croct.payload_text('product.variant') }} as variant,
    {{ croct.payload_number('product.displayPrice') }} as price,
    {{ croct.payload_number('product.originalPrice') }} as original_price,
    {{ croct.payload_text('product.currency') }} as currency,
    {{ croct.payload_text('product.url') }} as url
{{ croct.from_events() }}
