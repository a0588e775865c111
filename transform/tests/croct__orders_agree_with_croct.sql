{#- Each session has as many orders as Croct's own statistics count. -#}
{{ config(severity='warn') }}
select session_id, order_count, reported_orders
from {{ ref('croct__sessions') }}
where order_count <> reported_orders
