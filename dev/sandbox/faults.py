"""Answers that are not the API's usual ones."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

from dev.sandbox.api import Request


@dataclass
class Fault:
    """An answer that is not the API's usual one."""

    kind: str = "status"
    """`status` (the answer is given by `status`, `body` and `headers`), `reset` (the connection
    breaks), `truncate` (the true answer, its body cut short), `early hints` (103, then the true answer) or
    `hang` (no answer for `seconds`)."""

    status: int = 503
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int = 1
    """How often it happens; -1 for always."""

    when: Callable[[Request], bool] = field(default=lambda request: True, repr=False)
    """For which requests; not in the name of a fault, which names tests in several processes."""

    seen: int = 0
    """How often it has happened."""


_GZIP = {"Content-Encoding": "gzip"}
_ITEMS = b'{"items":[' + b'{"id":"1"},' * 99 + b'{"id":"2"}]}'

RETRIABLE = {
    "408": Fault(status=408),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "501": Fault(status=501),
    "503": Fault(status=503, body=b"<html>down</html>"),
    "599": Fault(status=599),
    "reset": Fault("reset"),
    "hang": Fault("hang", seconds=3),
    "truncated": Fault("truncate"),
    "cut JSON": Fault(status=200, body=b'{"items":[{"id":"1"},'),
    "HTML": Fault(status=200, body=b"<html>Welcome to the hotel's network</html>"),
    "nothing": Fault(status=200, body=b""),
    "not UTF-8": Fault(status=200, body=b'{"items":[{"id":"\xff\xfe"}]}'),
    "broken gzip": Fault(status=200, body=b"not gzip", headers=_GZIP),
    "cut gzip": Fault(status=200, body=gzip.compress(_ITEMS)[:-20], headers=_GZIP),
}
"""Faults that a client should retry, by name."""


QUICK = [fault for name, fault in RETRIABLE.items() if name != "hang"]
"""Those that take no time; random ones are drawn from these."""
