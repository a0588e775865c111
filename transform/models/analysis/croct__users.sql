{#- Of a time, the earliest and the latest are the same with and without older versions of an event. #}
{%- set columns = croct.source_columns('events') %}
with seen as (
    select
        {{ croct.text_of(columns, 'userId') }} as user_id,
        min({{ croct.time_of(columns, 'timestamp') }}) as first_seen_at,
        max({{ croct.time_of(columns, 'timestamp') }}) as last_seen_at
    {{ croct.from_source('events', columns) }}
    group by 1
    union all
    select user_id, started_at, ended_at
    from {{ ref('croct__sessions') }}
    union all
    select user_id, null, null
    from {{ ref('stg_croct__users') }}
),

users as (
    select user_id, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
    from seen
    where user_id is not null
    group by user_id
),

sessions as (
    select
        user_id,
        count(*) as session_count,
        max(case when is_bot then 1 else 0 end) as was_bot,
        min(
            case when coalesce(campaign_name, campaign_source, campaign_medium) is not null
            then session_number end
        ) as campaign_session
    from {{ ref('croct__sessions') }}
    group by user_id
),

orders as (
    select
        user_id,
        count(*) as order_count,
        min(placed_at) as first_order_at,
        max(placed_at) as last_order_at,
        {{ croct.total('revenue') }} as revenue
    from {{ ref('croct__orders') }}
    group by user_id
)

select
    users.user_id,
    profiles.external_user_id,
    profiles.gender,
    profiles.country,
    users.first_seen_at,
    users.last_seen_at,
    campaigns.campaign_name as first_campaign_name,
    campaigns.campaign_source as first_campaign_source,
    campaigns.campaign_medium as first_campaign_medium,
    coalesce(sessions.was_bot, 0) = 1 as is_bot,
    coalesce(sessions.session_count, 0) as session_count,
    coalesce(orders.order_count, 0) as order_count,
    orders.first_order_at,
    orders.last_order_at,
    cast(coalesce(orders.revenue, 0) as {{ croct.numeric() }}) as lifetime_revenue
from users
left join {{ ref('stg_croct__users') }} as profiles on users.user_id = profiles.user_id
left join sessions on users.user_id = sessions.user_id
left join {{ ref('croct__sessions') }} as campaigns
    on sessions.user_id = campaigns.user_id and sessions.campaign_session = campaigns.session_number
left join orders on users.user_id = orders.user_id
