{#- The models are those that an incremental run adds to: they are there, and not built anew. #}
{%- set types, tables = [], [] %}
{%- for node in (graph.nodes.values() if execute else []) if node.package_name == 'croct' and node.config.meta.event_types %}
    {%- set table = adapter.get_relation(node.database, node.schema, node.alias) %}
    {%- set anew = flags.FULL_REFRESH if node.config.full_refresh is none else node.config.full_refresh %}
    {%- if node.config.materialized == 'incremental' and not anew and table and table.is_table %}
        {%- do types.extend(node.config.meta.event_types) %}
        {%- do tables.append(table) %}
    {%- endif %}
{%- endfor %}
{{ croct.latest_events(types, tables) }}
