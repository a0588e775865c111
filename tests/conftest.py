"""Fixtures: a sandbox on a free port, a tap to run against it, and servers to load into."""

from __future__ import annotations

import functools
import pickle
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from dev.postgres import Postgres, postgres
from dev.running import run_tap
from dev.sandbox import Sandbox, Switches, World
from tests.support.in_process import run_tap_in_process
from tests.support.s3 import S3Server, s3_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.running import Output


# `--hypothesis-profile=many`, as in `make reliability`, tries many examples, and looks for the
# smallest one that fails: that takes minutes.
settings.register_profile(
    "few",
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "many", settings.get_profile("few"), max_examples=800, phases=tuple(Phase)
)
settings.load_profile("few")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start groups and slow tests first, so that no worker is left alone with one in the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@functools.cache
def _world(seed: int, visits: int, ids: bool) -> bytes:  # noqa: FBT001 - for the cache
    """Return a pickled world: to load it takes a tenth of the time of making it."""
    return pickle.dumps(World(seed, visits, ids=ids))


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes; all of them stop with the test."""
    with ExitStack() as stack:

        def _start(
            *, visits: int = 30, seed: int = 1, ids: bool = True, **switches: Any
        ) -> Sandbox:
            world = pickle.loads(_world(seed, visits, ids))  # noqa: S301 - made above
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


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def warehouse(database: Postgres) -> Postgres:
    """The database without what other tests have loaded into the schema `croct`."""
    database.execute("drop schema if exists croct cascade")
    return database


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server
