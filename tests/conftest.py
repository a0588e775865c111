"""Fixtures: a sandbox on a free port, and a tap to run against it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from dev.running import Output, run_tap
from dev.sandbox import Sandbox, Switches, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
    """Run the tap in an empty folder."""

    def _tap(config: dict[str, Any] | None, *args: str, **options: Any) -> Output:
        return run_tap(tmp_path, config, *args, **options)

    return _tap
