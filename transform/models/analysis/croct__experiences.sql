with impressions as (
    select
        *,
        {{ dbt.concat(["coalesce(experience_id, '')", "'-'", "coalesce(audience_id, '')", "'-'", "coalesce(slot_id, '')"]) }} as placement_id
    from {{ ref('croct__personalizations') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by placement_id order by {{ croct.newest('occurred_at') }}, event_id desc
        ) as from_latest,
        row_number() over (partition by placement_id, session_id order by event_id) as from_first
    from impressions
),

orders as (
    select session_id, {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__orders') }}
    group by session_id
)

select
    ranked.placement_id,
    {%- for column in ['experience_id', 'experience_name', 'audience_id', 'audience_name', 'slot_id', 'slot_name'] %}
    max(case when ranked.from_latest = 1 then ranked.{{ column }} end) as {{ column }},
    {%- endfor %}
    count(*) as impressions,
    count(distinct ranked.session_id) as sessions,
    count(orders.session_id) as sessions_with_order,
    {{ croct.total('orders.revenue') }} as revenue
from ranked
left join orders on ranked.session_id = orders.session_id and ranked.from_first = 1
group by ranked.placement_id
