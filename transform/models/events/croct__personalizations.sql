select
    {{ croct.event_columns() }},
    {{ croct.payload_text('personalization.experienceId') }} as experience_id,
    {{ croct.payload_text('metadata.experienceName') }} as experience_name,
    {{ croct.payload_text('personalization.audienceId') }} as audience_id,
    {{ croct.payload_text('metadata.audienceName') }} as audience_name,
    {{ croct.payload_text('metadata.audienceCustomId') }} as audience_custom_id,
    {{ croct.payload_text('personalization.slotId') }} as slot_id,
    {{ croct.payload_text('metadata.slotName') }} as slot_name,
    {{ croct.payload_text('metadata.slotCustomId') }} as slot_custom_id,
    {{ croct.payload_text('personalization.slotVersion.majorVersion') }} as slot_major_version,
    {{ croct.payload_text('personalization.slotVersion.minorVersion') }} as slot_minor_version,
    {{ croct.payload_text('personalization.contentId') }} as content_id,
    {{ croct.payload_text('personalization.locale') }} as locale,
    {{ croct.payload_text('personalization.assignedVariant.experimentId') }} as experiment_id,
    {{ croct.payload_text('metadata.experimentName') }} as experiment_name,
    {{ croct.payload_text('personalization.assignedVariant.variantId') }} as variant_id,
    {{ croct.payload_text('metadata.variantName') }} as variant_name
{{ croct.from_events() }}
