"""What the tap overrides of the SDK is run, and its private parts by the SDK itself.

A new version of the SDK may stop calling a member without saying so, and the override would be
dead: a test that only looks for the name would still pass.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import RESTStream, Tap
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.pagination import BaseAPIPaginator

from dev.sandbox import Fault
from tap_croct import client, export, streams, sync, tap
from tap_croct.messages import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import CodeType, FrameType

    from dev.running import Output
    from dev.sandbox import Sandbox

PAIRS: list[tuple[type, type]] = [
    (client.ApiStream, RESTStream),
    (sync.CroctStream, RESTStream),
    (streams.Events, RESTStream),
    (streams.Sessions, RESTStream),
    (streams.Users, RESTStream),
    (tap.TapCroct, Tap),
    (export.CursorPaginator, BaseAPIPaginator),
    (MessageWriter, MsgSpecWriter),
]


def code_of(member: Any) -> CodeType | None:
    """Return the code that runs when a member is used; None for a constant."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, cached_property):
        member = member.func
    member = getattr(member, "__func__", member)
    return member.__code__ if inspect.isfunction(member) else None


def overridden() -> Iterator[tuple[str, CodeType]]:
    for own, base in PAIRS:
        for name, member in vars(own).items():
            code = code_of(member)
            if code is not None and hasattr(base, name):
                yield f"{own.__name__}.{name}", code


NEVER_RUN: set[str] = set()


@pytest.fixture
def called() -> Iterator[dict[CodeType, set[str]]]:
    """Collect which code runs, in all threads, and the modules that call it."""
    found: dict[CodeType, set[str]] = {}
    codes = {code for _, code in overridden()}

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes and frame.f_back is not None:
            found.setdefault(frame.f_code, set()).add(frame.f_back.f_globals["__name__"])

    sys.setprofile(profile)
    threading.setprofile(profile)
    yield found
    sys.setprofile(None)
    threading.setprofile(None)


def test_every_override_runs(
    sandbox: Sandbox,
    tap: Callable[..., Output],
    tmp_path: Path,
    called: dict[CodeType, set[str]],
) -> None:
    from tap_croct.tap import TapCroct

    sandbox.faults = [Fault(status=503)]
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    catalog = TapCroct(config=sandbox.config()).catalog_dict
    first = tap(sandbox.config(batch_config=batch))
    assert first.code == 0, first.stderr
    assert tap(sandbox.config(), catalog=catalog, state=first.state).code == 0
    assert tap(None, "--discover").code == 0
    with pytest.raises(SystemExit):  # as the SDK's signal handler calls it
        TapCroct(config=sandbox.config())._handle_termination(signal.SIGTERM, None)  # noqa: SLF001
    dead = {name for name, code in overridden() if code not in called}
    assert dead == NEVER_RUN
    private = {name: code for name, code in overridden() if name.split(".")[1].startswith("_")}
    private = {name: code for name, code in private.items() if not name.endswith("__")}
    ours = {
        name
        for name, code in private.items()
        if name != "TapCroct._handle_termination"
        and not any(module.startswith("singer_sdk") for module in called[code])
    }
    assert ours == set(), "the SDK itself no longer calls these"
