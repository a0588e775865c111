{%- set columns = croct.source_columns('users') -%}
select
    {{ croct.text_of(columns, 'userId') }} as user_id,
    {{ croct.text_of(columns, 'externalUserId') }} as external_user_id,
    {{ croct.text_of(columns, 'firstName') }} as first_name,
    {{ croct.text_of(columns, 'lastName') }} as last_name,
    cast({{ croct.time_of(columns, 'birthDate') }} as date) as birth_date,
    {{ croct.text_of(columns, 'gender') }} as gender,
    {{ croct.text_of(columns, 'email') }} as email,
    {{ croct.text_of(columns, 'alternateEmail') }} as alternate_email,
    {{ croct.text_of(columns, 'phone') }} as phone,
    {{ croct.text_of(columns, 'alternatePhone') }} as alternate_phone,
    {%- for name in ['street', 'district', 'city', 'region', 'country'] %}
    {{ croct.path_of(columns, 'address', name) }} as {{ name }},
    {%- endfor %}
    {{ croct.path_of(columns, 'address', 'postalCode') }} as postal_code,
    {{ croct.text_of(columns, 'avatar') }} as avatar,
    {{ croct.text_of(columns, 'company') }} as company,
    {{ croct.text_of(columns, 'companyUrl') }} as company_url,
    {{ croct.text_of(columns, 'jobTitle') }} as job_title,
    {{ croct.json_of(columns, 'activities') }} as activities,
    {{ croct.json_of(columns, 'interests') }} as interests,
    {{ croct.json_of(columns, 'customAttributes') }} as custom_attributes,
    {{ croct.time_of(columns, 'lastModifiedTime') }} as modified_at,
    {{ croct.integer(croct.path_of(columns, 'statistics', 'orders')) }} as reported_orders,
    {{ croct.integer(croct.path_of(columns, 'statistics', 'sessions')) }} as reported_sessions,
    {{ croct.json_of(columns, 'additionalProperties') }} as additional_properties,
    {{ croct.loaded_at(columns) }} as loaded_at
{{ croct.from_latest('users', columns, 'userId', 'lastModifiedTime') }}
