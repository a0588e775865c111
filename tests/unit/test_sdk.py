"""What the tap takes from the SDK."""

from __future__ import annotations

import pytest
from singer_sdk import RESTStream, Tap


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (RESTStream, "_LOG_REQUEST_METRICS"),
        (RESTStream, "_sync_records"),
        (RESTStream, "_increment_stream_state"),
        (RESTStream, "_write_state_message"),
        (Tap, "_env_var_config"),
        (Tap, "_validate_config"),
        (Tap, "_handle_termination"),
    ],
)
def test_what_is_overridden_is_still_there(base: type, name: str) -> None:
    """These are the SDK's own business: a new version may do without them, and say nothing."""
    assert name in dir(base)
