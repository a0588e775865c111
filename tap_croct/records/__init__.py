"""From the items of a page to the records that are written: `plan` says in which steps."""

from tap_croct.records.plan import RecordPlan, Rules

__all__ = ["RecordPlan", "Rules"]
