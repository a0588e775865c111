"""The SDK's tests for taps; what the tap overrides of it is run, and private parts by it alone.

A new version of the SDK may stop calling a member without saying so, and the override would be
dead: a test that only looks for the name would still pass.
"""

import inspect
import sys
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from dev.sandbox import Fault, Sandbox, World
from tap_croct.tap import TapCroct
from tests.support.catalogs import selected_catalog
from tests.support.fixtures import Tap
from tests.support.runs import batches


def code_of(member: Any) -> CodeType | None:
    """Return the code that runs when a member is used; None for a constant."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, cached_property):
        member = member.func
    member = getattr(member, "__func__", member)
    return member.__code__ if inspect.isfunction(member) else None


def overridden() -> dict[str, CodeType]:
    """Return the code of what the classes of tap and streams override of the SDK's, by name."""
    tap = TapCroct(config={"api_key": "k"})
    classes = {c for thing in (tap, *tap.streams.values()) for c in type(thing).__mro__}
    own = [c for c in classes if c.__module__.startswith("tap_croct")]
    found = {}
    for cls in own:
        bases = [base for base in cls.__mro__ if base.__module__.startswith("singer_sdk")]
        for name, member in vars(cls).items():
            code = code_of(member)
            if code is not None and any(name in vars(base) for base in bases):
                found[f"{cls.__name__}.{name}"] = code
    return found


@pytest.fixture
def called() -> Iterator[dict[CodeType, set[str]]]:
    """Collect which code runs, in all threads, and the modules that call it."""
    found: dict[CodeType, set[str]] = {}
    codes = set(overridden().values())

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes and frame.f_back is not None:
            found.setdefault(frame.f_code, set()).add(frame.f_back.f_globals["__name__"])

    sys.setprofile(profile)
    threading.setprofile(profile)
    yield found
    sys.setprofile(None)
    threading.setprofile(None)


# A handler of signals, which the SDK registers and the system calls.
BY_A_SIGNAL = {"TapCroct._handle_termination"}


def test_every_override_runs(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, called: dict[CodeType, set[str]]
) -> None:
    sandbox.faults = [Fault(status=503)]
    first = tap(sandbox.config(**batches(tmp_path)))
    tap(None, "--discover")
    catalog = selected_catalog(tmp_path)
    tap(sandbox.config(), "--config=ENV", catalog=catalog, state=first.state)
    codes = overridden()
    assert len(codes) > 10
    dead = {name for name, code in codes.items() if code not in called}
    assert dead <= BY_A_SIGNAL
    ours = {
        name
        for name, code in codes.items()
        if name.split(".")[1].startswith("_")
        and not name.endswith("__")
        and not any(module.startswith("singer_sdk") for module in called.get(code, ()))
    }
    assert ours <= BY_A_SIGNAL, "the SDK itself no longer calls these"


# The SDK's own tests for taps

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
