with names as (
    select
        *,
        row_number() over (
            partition by experiment_id, variant_id order by {{ croct.newest('occurred_at') }}, event_id desc
        ) as from_latest
    from {{ ref('croct__personalizations') }}
),

results as (
    select
        experiment_id,
        variant_id,
        count(*) as user_count,
        sum(case when saw_other_variant then 1 else 0 end) as users_with_other_variants,
        sum(case when order_count > 0 then 1 else 0 end) as converted_users,
        sum(order_count) as order_count,
        sum(goal_count) as goal_count,
        {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__experiment_exposures') }}
    group by experiment_id, variant_id
)

select
    {{ dbt.concat(["results.experiment_id", "'-'", "results.variant_id"]) }} as experiment_variant_id,
    results.experiment_id,
    names.experiment_name,
    results.variant_id,
    names.variant_name,
    results.user_count,
    cast(results.users_with_other_variants as {{ dbt.type_bigint() }}) as users_with_other_variants,
    cast(results.converted_users as {{ dbt.type_bigint() }}) as converted_users,
    {{ croct.ratio('results.converted_users', 'results.user_count') }} as conversion_rate,
    cast(results.order_count as {{ dbt.type_bigint() }}) as order_count,
    cast(results.goal_count as {{ dbt.type_bigint() }}) as goal_count,
    results.revenue
from results
inner join names
    on results.experiment_id = names.experiment_id
    and results.variant_id = names.variant_id
    and names.from_latest = 1
