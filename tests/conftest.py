"""Fixtures: a sandbox on a free port, and a tap to run against it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from dev.running import run_tap
from dev.sandbox import Sandbox, Switches, World
from tests.support.in_process import run_tap_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.running import Output


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes; all of them stop with the test."""
    with ExitStack() as stack:

        def _start(
            *, visits: int = 30, seed: int = 1, ids: bool = True, **switches: Any
        ) -> Sandbox:
            world = World(seed, visits, ids=ids)
            return stack.enter_context(Sandbox(world, Switches(**switches)))

        yield _start


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start()


@pytest.fixture
def tap(tmp_path: Path) -> Callable[..., Output]:
    """Run the tap in this process, in an empty folder."""
    return partial(run_tap_in_process, tmp_path)


@pytest.fixture
def tap_process(tmp_path: Path) -> Callable[..., Output]:
    """Run the tap as a process of its own, in an empty folder."""
    return partial(run_tap, tmp_path)
