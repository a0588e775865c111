"""The Export API of the sandbox, over HTTP."""

from __future__ import annotations

import base64
import email.utils
import json
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from dev.sandbox.world import METADATA, World
from tap_croct.schemas import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

PATHS = {"/export/events": "events", "/export/session": "sessions", "/export/user": "users"}
TYPES_URL = "https://croct.help/sdk/export"


@dataclass
class Switches:
    """What the API's sources disagree on, and what else a test may want different."""

    time_unit: str = "milliseconds"
    """Unit of `start` and `end`: `milliseconds` or `seconds`."""

    end: str = "cursor"
    """How an export ends: a `cursor` on an empty page, a `null` or an `empty` one with items."""

    api_key: str = "sandbox-key"
    latency: float = 0.0
    """Seconds before each answer."""

    indent: int | None = None
    """Indentation of the bodies, as `json.dumps` takes it."""


@dataclass
class Fault:
    """An answer that is not the API's usual one.

    `kind` is `status` (the answer given by `status`, `body` and `headers`), `reset` (the
    connection breaks), `truncate` (the true answer, its body cut short), or `hang` (no answer for
    `seconds`).
    """

    kind: str = "status"
    status: int = 503
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int = 1
    """How often it happens; -1 for always."""

    when: Callable[[Request], bool] = lambda request: True
    """For which requests."""

    seen: int = 0


@dataclass
class Request:
    """A request as the API saw it."""

    stream: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    status: int = 0
    items: int = 0
    time: float = 0.0

    def param(self, name: str) -> str | None:
        return self.params.get(name, [None])[0]


class Problem(Exception):  # noqa: N818
    """A problem as RFC 9457 has it."""

    def __init__(self, status: int, title: str, detail: str, kind: str) -> None:
        """Make a problem."""
        super().__init__(title)
        self.status = status
        link = f"{TYPES_URL}/{kind}"
        self.body = {"type": link, "title": title, "detail": detail, "status": status}


class Sandbox:
    """A server on loopback; a context manager that stops it."""

    def __init__(
        self, world: World | None = None, switches: Switches | None = None, port: int = 0
    ) -> None:
        """Listen.

        Args:
            world: The data.
            switches: How the API behaves.
            port: Port to listen on; 0 for a free one.
        """
        self.world = world or World()
        self.switches = switches or Switches()
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.generation = 0
        """Cursors of an earlier generation are refused."""

        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"sandbox": self})
        self.server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/export"

    def config(self, **settings: Any) -> dict[str, Any]:
        """Return settings for the tap."""
        return {"api_url": self.url, "api_key": self.switches.api_key, **settings}

    def pages(self, stream: str) -> list[Request]:
        """Return the requests for a stream."""
        return [request for request in self.requests if request.stream == stream]

    # The API

    def answer(self, request: Request) -> dict[str, Any]:
        """Answer a request for a page.

        Raises:
            Problem: If there is something wrong with it.
        """
        if request.headers.get("x-api-key") != self.switches.api_key:
            raise Problem(401, "Unauthorized", "The API key is missing or invalid.", "unauthorized")
        known = {"pageSize", "cursor", "start", "end"} | (
            {"events"} if request.stream == "events" else set()
        )
        for name in request.params.keys() - known:
            msg = f"Unknown parameter {name}."
            raise _invalid(msg)
        size = _integer(request, "pageSize", 1, 1000) or 100
        types = request.params.get("events")
        for event_type in types or ():
            if event_type not in EVENT_TYPES:
                msg = f"Unknown event type {event_type}."
                raise _invalid(msg)
        factor = 1000 if self.switches.time_unit == "seconds" else 1
        start, end = (_integer(request, name, -(2**63), 2**63) for name in ("start", "end"))

        log = self.world.logs[request.stream]
        position = self._position(request)
        items: list[dict[str, Any]] = []
        following = position
        more = False
        for index in range(position, len(log.entries)):
            entry = log.entries[index]
            if (
                entry is not None
                and (start is None or entry[log.order] >= start * factor)
                and (end is None or entry[log.order] < end * factor)
                and (types is None or entry["payload"].get("@type") in types)
            ):
                if len(items) == size:
                    more = True
                    break
                items.append(entry)
            following = index + 1
        request.items = len(items)
        body: dict[str, Any] = {"items": items, "nextCursor": self._cursor(request, following)}
        if not more and self.switches.end != "cursor":
            body["nextCursor"] = None if self.switches.end == "null" else ""
        if request.stream == "events":
            body["metadata"] = METADATA
        return body

    def _cursor(self, request: Request, position: int) -> str:
        place = [request.stream, self.generation, position]
        return base64.b64encode(b"+/?&" + json.dumps(place).encode()).decode()

    def _position(self, request: Request) -> int:
        cursor = request.param("cursor")
        if cursor is None:
            return 0
        try:
            stream, generation, position = json.loads(base64.b64decode(cursor, validate=True)[4:])
        except ValueError:
            msg = "The cursor is malformed."
            raise _invalid(msg) from None
        if (stream, generation) != (request.stream, self.generation):
            msg = "The cursor has expired."
            raise _invalid(msg)
        return int(position)

    def fault(self, request: Request) -> Fault | None:
        """Return the fault that strikes a request, if one does."""
        for fault in self.faults:
            if fault.times != fault.seen and fault.when(request):
                fault.seen += 1
                return fault
        return None


def _invalid(detail: str) -> Problem:
    return Problem(400, "Invalid input", detail, "invalid-input")


def _integer(request: Request, name: str, low: int, high: int) -> int | None:
    text = request.param(name)
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        msg = f"{name} must be an integer."
        raise _invalid(msg) from None
    if not low <= value <= high:
        msg = f"{name} must be from {low} to {high}."
        raise _invalid(msg)
    return value


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, as one that is killed does."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        params = parse_qs(url.query, keep_blank_values=True)
        if url.path.startswith("/sandbox/"):
            self._control(url.path.removeprefix("/sandbox/"), params)
        elif url.path in PATHS:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._export(Request(PATHS[url.path], params, headers, time=time.monotonic()))
        else:
            self._send(404, {"type": f"{TYPES_URL}/not-found", "title": "Not found"})

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        count = int(parse_qs(url.query).get("count", ["1"])[0])
        change = {
            "/sandbox/visits": self.sandbox.world.visits,
            "/sandbox/late-events": self.sandbox.world.late_events,
            "/sandbox/changed-users": self.sandbox.world.change_users,
        }.get(url.path)
        if change is None:
            self._send(404, {"title": "Not found"})
            return
        with self.sandbox.lock:
            change(count)
        self._send(200, {})

    def _control(self, what: str, _params: dict[str, list[str]]) -> None:
        """Tell what a demo or a test wants to know; no part of the API."""
        with self.sandbox.lock:
            if what == "requests":
                requests = [(r.stream, r.param("cursor"), r.items) for r in self.sandbox.requests]
                self._send(200, {"requests": requests})
            elif what in self.sandbox.world.logs:
                self._send(200, {"items": self.sandbox.world.items(what)})
            else:
                self._send(404, {"title": "Not found"})

    def _export(self, request: Request) -> None:
        sandbox = self.sandbox
        time.sleep(sandbox.switches.latency)
        with sandbox.lock:
            sandbox.requests.append(request)
            fault = sandbox.fault(request)
            try:
                status, answer = 200, sandbox.answer(request)
            except Problem as problem:
                status, answer = problem.status, problem.body
            indent = sandbox.switches.indent
            separators = (",", ":") if indent is None else None
            text = json.dumps(answer, indent=indent, separators=separators, ensure_ascii=False)
            body = text.encode()
            request.status = status if fault is None else fault.status
        if fault is None:
            self._send(status, body)
        else:
            self._fail(fault, body)

    def _fail(self, fault: Fault, body: bytes) -> None:
        if fault.kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "truncate":
            self._send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
            self.close_connection = True
        elif fault.kind == "hang":
            time.sleep(fault.seconds)
            self.close_connection = True
        else:
            default = {"type": f"{TYPES_URL}/fault", "title": "Fault", "detail": "Injected."}
            self._send(fault.status, default if fault.body is None else fault.body, fault.headers)

    def _send(
        self, status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        # An error may carry the client's next request on the same connection; the real API does.
        kind = "application/json" if status < 300 else "application/problem+json"
        lines = {
            "Date": email.utils.formatdate(usegmt=True),
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        reason = self.responses.get(status, ("",))[0]
        head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in lines.items()
        )
        try:
            self.wfile.write(head.encode("latin-1") + b"\r\n" + body)
        except OSError:
            self.close_connection = True  # the client went away, as one that was killed does

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
