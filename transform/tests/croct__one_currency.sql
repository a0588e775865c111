{#- Amounts of several currencies cannot be summed: set croct__reporting_currency and croct__exchange_rates. -#}
{{ config(severity='warn') }}
select currency, count(*) as orders
from {{ ref('croct__orders') }}
where
    {% if var('croct__reporting_currency', none) -%}
    total is not null and revenue is null
    {%- else -%}
    (select count(distinct coalesce(currency, '')) from {{ ref('croct__orders') }} where total is not null or item_count > 0) > 1
    {%- endif %}
group by currency
