with impressions as (
    select
        *,
        {{ dbt.concat(["coalesce(experience_id, '')", "'-'", "coalesce(audience_id, '')", "'-'", "coalesce(slot_id, '')"]) }} as placement_id
    from {{ ref('croct__personalizations') }}
),

named as (
    select
        *,
        row_number() over (
            partition by placement_id order by {{ croct.newest('occurred_at') }}, event_id desc
        ) as from_latest
    from impressions
),

counts as (
    select placement_id, count(*) as impressions, count(distinct session_id) as sessions
    from impressions
    group by placement_id
),

sessions as (
    select distinct placement_id, session_id from impressions
),

orders as (
    select session_id, {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__orders') }}
    group by session_id
),

results as (
    select
        sessions.placement_id,
        count(*) as sessions_with_order,
        {{ croct.total('orders.revenue') }} as revenue
    from sessions
    inner join orders on sessions.session_id = orders.session_id
    group by sessions.placement_id
)

select
    named.placement_id,
    named.experience_id,
    named.experience_name,
    named.audience_id,
    named.audience_name,
    named.slot_id,
    named.slot_name,
    counts.impressions,
    counts.sessions,
    coalesce(results.sessions_with_order, 0) as sessions_with_order,
    coalesce(results.revenue, 0) as revenue
from named
inner join counts on named.placement_id = counts.placement_id
left join results on named.placement_id = results.placement_id
where named.from_latest = 1
