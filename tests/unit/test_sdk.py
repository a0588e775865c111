"""What the tap takes from the SDK."""

from __future__ import annotations

from dataclasses import fields

import pytest
from singer_sdk import RESTStream, Tap
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig, StorageTarget

from tap_croct.validation import _BATCH_NAMES


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (RESTStream, "_LOG_REQUEST_METRICS"),
        (RESTStream, "_sync_records"),
        (RESTStream, "_sync_batches"),
        (RESTStream, "_write_state_message"),
        (Tap, "_env_var_config"),
        (Tap, "_validate_config"),
        (Tap, "_handle_termination"),
    ],
)
def test_what_is_overridden_is_still_there(base: type, name: str) -> None:
    """These are the SDK's own business: a new version may do without them, and say nothing."""
    assert name in dir(base)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("", BatchConfig), ("encoding.", BaseBatchFileEncoding), ("storage.", StorageTarget)],
)
def test_what_batch_files_are_told(path: str, kind: type) -> None:
    """The names that the SDK takes; with any other, it raises a TypeError."""
    assert set(_BATCH_NAMES[path]) == {field.name for field in fields(kind)}
