{#- The items of an order add up to its subtotal. -#}
{{ config(severity='warn') }}
select orders.order_id, orders.subtotal, sum(items.total) as total_of_items
from {{ ref('croct__orders') }} as orders
inner join {{ ref('croct__order_items') }} as items on orders.order_id = items.order_id
where orders.subtotal is not null
group by orders.order_id, orders.subtotal
having abs(orders.subtotal - sum(items.total)) >= 0.01
