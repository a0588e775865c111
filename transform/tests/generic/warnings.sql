{#- Tests that warn: data that is odd, but that the models can take. They need no arguments, whose
    notation has changed between versions of dbt. -#}

{% test known_session(model, column_name) %}
    {{ config(severity='warn') }}
    {{ default__test_relationships(model, column_name, ref('stg_croct__sessions'), 'session_id') }}
{% endtest %}

{% test known_user(model, column_name) %}
    {{ config(severity='warn') }}
    {{ default__test_relationships(model, column_name, ref('croct__users'), 'user_id') }}
{% endtest %}

{% test known_order_status(model, column_name) %}
    {{ config(severity='warn') }}
    {{ default__test_accepted_values(model, column_name, ['PLACED', 'PAID', 'COMPLETED']) }}
{% endtest %}

{% test known_device_category(model, column_name) %}
    {{ config(severity='warn') }}
    {{ default__test_accepted_values(
        model, column_name, ['DESKTOP', 'TABLET', 'MOBILE', 'BOT', 'OTHER', 'UNKNOWN']
    ) }}
{% endtest %}

{% test known_browser_type(model, column_name) %}
    {{ config(severity='warn') }}
    {{ default__test_accepted_values(
        model, column_name, ['WEB', 'IN_APP', 'CRAWLER', 'OTHER', 'UNKNOWN']
    ) }}
{% endtest %}
