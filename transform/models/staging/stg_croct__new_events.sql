{{ config(materialized='table') }}
{#- The models are those that an incremental run adds to: they are there, and not built anew. #}
{%- set types, tables = [], [] %}
{%- set nodes = graph.nodes.values() if execute and not flags.FULL_REFRESH else [] %}
{%- for node in nodes if node.package_name == 'croct' and node.config.meta.event_types %}
    {%- set table = adapter.get_relation(node.database, node.schema, node.alias) %}
    {%- if node.config.materialized == 'incremental' and table and table.is_table %}
        {%- do types.extend(node.config.meta.event_types) %}
        {%- do tables.append(table) %}
    {%- endif %}
{%- endfor %}
{{ croct.latest_events(types, tables) }}
