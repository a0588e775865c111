"""The SDK's own tests for taps, against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from dev.sandbox import Sandbox, World
from tap_croct.tap import TapCroct

if TYPE_CHECKING:
    from collections.abc import Iterator

_SANDBOX = Sandbox(World(visits=40))
for _log in _SANDBOX.world.logs.values():
    _log.entries[0]["addedLater"] = 1  # type: ignore[index]  # so that each column has a value


@pytest.fixture(scope="module", autouse=True)
def _serve() -> Iterator[None]:
    with _SANDBOX:
        yield


_Suite: Any = get_tap_test_class(
    TapCroct,
    config=_SANDBOX.config(page_size=100),
    suite_config=SuiteConfig(max_records_limit=600),
)


class TestSuite(_Suite):  # type: ignore[misc]
    """All of the standard tests."""
