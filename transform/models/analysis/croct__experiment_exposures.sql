with impressions as (
    select
        *,
        row_number() over (
            partition by experiment_id, user_id order by {{ croct.oldest('occurred_at') }}, event_id
        ) as impression_number
    from {{ ref('croct__personalizations') }}
    where experiment_id is not null and variant_id is not null and user_id is not null
),

exposures as (
    select
        experiment_id,
        user_id,
        min(occurred_at) as exposed_at,
        max(case when impression_number = 1 then variant_id end) as variant_id,
        count(distinct variant_id) > 1 as saw_other_variant
    from impressions
    group by experiment_id, user_id
),

orders as (
    select
        exposures.experiment_id,
        exposures.user_id,
        count(*) as order_count,
        {{ croct.total('orders.revenue') }} as revenue
    from exposures
    inner join {{ ref('croct__orders') }} as orders
        on exposures.user_id = orders.user_id
        and orders.placed_at >= exposures.exposed_at
        and orders.placed_at < {{ croct.add_days('exposures.exposed_at', 30) }}
    group by exposures.experiment_id, exposures.user_id
),

goals as (
    select exposures.experiment_id, exposures.user_id, count(*) as goal_count
    from exposures
    inner join {{ ref('croct__goals') }} as goals
        on exposures.user_id = goals.user_id
        and goals.occurred_at >= exposures.exposed_at
        and goals.occurred_at < {{ croct.add_days('exposures.exposed_at', 30) }}
    group by exposures.experiment_id, exposures.user_id
)

select
    {{ dbt.concat(["exposures.experiment_id", "'-'", "exposures.user_id"]) }} as exposure_id,
    exposures.experiment_id,
    exposures.user_id,
    exposures.variant_id,
    exposures.exposed_at,
    exposures.saw_other_variant,
    coalesce(orders.order_count, 0) as order_count,
    cast(coalesce(orders.revenue, 0) as {{ croct.numeric() }}) as revenue,
    coalesce(goals.goal_count, 0) as goal_count
from exposures
left join orders
    on exposures.experiment_id = orders.experiment_id and exposures.user_id = orders.user_id
left join goals
    on exposures.experiment_id = goals.experiment_id and exposures.user_id = goals.user_id
