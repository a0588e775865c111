"""The Export API of the sandbox, over HTTP."""

import json
import random
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import Self

from dev.sandbox.api import TYPES_URL, Api, Problem, Request, Switches
from dev.sandbox.faults import QUICK, Fault
from dev.sandbox.world import World

PATHS = {"/export/events": "events", "/export/session": "sessions", "/export/user": "users"}


class Server(ThreadingHTTPServer):
    """An HTTP server on loopback."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, as one that is killed does."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Sends answers as the API does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def send(
        self, status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        """Send an answer, with the API's usual headers and others."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        lines = {
            "Date": self.date_time_string(),
            # An error may carry the client's next request on the same connection; the real API does.
            "Content-Type": f"application/{'json' if status < 300 else 'problem+json'}",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        self.send_response_only(status)
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Sandbox(Api):
    """The Export API on loopback; a context manager that stops the server."""

    def __init__(
        self, world: World | None = None, switches: Switches | None = None, port: int = 0
    ) -> None:
        """Listen.

        Args:
            world: The data.
            switches: How the API behaves.
            port: Port to listen on; 0 for a free one.

        Raises:
            OSError: If the port is taken, or not allowed.
        """
        super().__init__(world or World(), switches or Switches())
        self.requests: list[Request] = []
        """All requests for pages so far."""

        self.faults: list[Fault] = []
        """Faults to come; the first one that fits a request strikes it."""

        self.injected = 0
        """How many faults there were at random."""

        self._random = random.Random(1)
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"sandbox": self})
        self.server = Server(("127.0.0.1", port), handler)

    def __enter__(self) -> Self:
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/export"

    def config(self, **settings: Any) -> dict[str, Any]:
        """Return settings for the tap."""
        return {"api_url": self.url, "api_key": self.switches.api_key, **settings}

    def pages(self, stream: str) -> list[Request]:
        """Return the requests for a stream."""
        return [request for request in self.requests if request.stream == stream]

    def fault(self, request: Request) -> Fault | None:
        """Return the fault that strikes a request, if one does."""
        for fault in self.faults:
            if fault.times != fault.seen and fault.when(request):
                fault.seen += 1
                return fault
        if self._random.random() >= self.switches.faults:
            return None
        self.injected += 1
        return self._random.choice(QUICK)


class _Handler(Handler):
    sandbox: Sandbox

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path in PATHS:
            params = parse_qs(url.query, keep_blank_values=True)
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._export(Request(PATHS[url.path], params, headers, time=time.monotonic()))
        else:
            self.send(404, {"type": f"{TYPES_URL}/not-found", "title": "Not found"})

    def do_POST(self) -> None:
        """Let time pass in the shop; not part of the API."""
        world = self.sandbox.world
        with self.sandbox.lock:
            world.go_on(int(parse_qs(urlsplit(self.path).query).get("count", ["1"])[0]))
            self.send(200, {stream: len(log.items) for stream, log in world.logs.items()})

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
            text = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
            body = text.encode()
        if fault is None:
            self.send(status, body)
        else:
            self._fail(fault, body)

    def _fail(self, fault: Fault, body: bytes) -> None:
        if fault.kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
        elif fault.kind == "truncate":
            self.send(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
            self.close_connection = True
        elif fault.kind == "early hints":
            self.send(103, b"", {"Link": "</style.css>; rel=preload"})
            self.send(200, body)
        elif fault.kind == "hang":
            time.sleep(fault.seconds)
            self.close_connection = True
        else:
            default = {"type": f"{TYPES_URL}/fault", "title": "Fault", "detail": "Injected."}
            self.send(fault.status, default if fault.body is None else fault.body, fault.headers)
