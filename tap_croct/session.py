"""The HTTP session: no redirects, and responses in limited time."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import requests
from requests.exceptions import SSLError
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.exceptions import SSLError as TransportSSLError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 10
"""How many times its timeout a request may take to its headers, and its body after them."""


class Session(requests.Session):
    """A session that follows no redirect, and does not wait for responses that trickle in.

    It does not even look where a redirect leads: it may lead nowhere valid. One thread at a time
    can use it.
    """

    received = 0
    """When the response of the last `send` was complete, in milliseconds since the epoch."""

    _receiver: SimpleQueue[Callable[[], None] | None] | None = None
    """What the thread that receives has to do; None ends it."""

    _begun: tuple[requests.PreparedRequest, _Answer] | None = None
    """The request that `begin` sent."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none: `requests` prepares the next request of a redirect that is not followed."""

    def begin(self, request: requests.PreparedRequest, **kwargs: Any) -> None:
        """Send a request without waiting for its response.

        Args:
            request: The request. When `send` is given this very object next, it takes the response.
            kwargs: As for `send`.
        """
        self._drop_begun()
        self._begun = request, self._receive(request, kwargs)

    @override
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, and read the response to its end.

        The timeout of a request is that of each of its steps: the connection, and every single
        read. A response that arrives byte by byte would never run into it. So a thread waits for
        it: a daemon, which can be abandoned if the response never ends. It also reads the body, in
        one call: piece by piece, with a look at the clock in between, costs three times as much.
        It stays for the next request: a new thread for each would add a quarter to its time.

        Args:
            request: The request; the one that was begun, or another.
            kwargs: See `requests.Session.send`; `timeout` in seconds.

        Returns:
            The response, with its `content`.

        Raises:
            requests.Timeout: If the headers, or the body, take longer than ten timeouts.
            requests.RequestException: If the request fails.
        """
        seconds = _LONGEST * float(kwargs["timeout"])
        if self._begun is not None and self._begun[0] is request:
            answer = self._begun[1]
            self._begun = None
        else:
            self._drop_begun()
            answer = self._receive(request, kwargs)
        if not answer.complete(seconds):
            answer.given_up.set()
            self._abandon_receiver()
            if answer.response is None:
                message = f"the headers took longer than {seconds:g} s"
                raise requests.ReadTimeout(message, request=request)
            # It ended just now, or is TLS within TLS, which cannot be shut down from here.
            with suppress(RuntimeError, ValueError, OSError):
                answer.response.raw.shutdown()
            message = f"the body took longer than {seconds:g} s"
            raise requests.ReadTimeout(message, request=request)
        self.received = answer.received
        response: requests.Response = answer.response
        return response

    @override
    def close(self) -> None:
        """Close what is open: connections, and the thread that receives. It can be used again."""
        self._drop_begun()
        self._abandon_receiver()
        super().close()

    def _receive(self, request: requests.PreparedRequest, kwargs: dict[str, Any]) -> _Answer:
        answer = _Answer()

        def receive() -> None:
            try:
                response = super(Session, self).send(request, **kwargs | {"stream": True})
                answer.begins(response)
                if answer.given_up.is_set():
                    response.close()
                    return
                response._content = _read_body(response)  # noqa: SLF001 - as `content` sets it
                answer.ends()
            except BaseException as error:  # noqa: BLE001 - all, to raise them where one waits
                answer.ends(error)

        self._receiver = self._receiver or _start_receiver()
        self._receiver.put(receive)
        return answer

    def _drop_begun(self) -> None:
        """Leave a response that nobody wants any more to its thread."""
        if self._begun is not None:
            self._begun[1].given_up.set()
            self._begun = None
            self._abandon_receiver()

    def _abandon_receiver(self) -> None:
        """Let the thread end whenever it can; the next request gets another."""
        if self._receiver is not None:
            self._receiver.put(None)
        self._receiver = None


def _start_receiver() -> SimpleQueue[Callable[[], None] | None]:
    tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def work() -> None:
        for task in iter(tasks.get, None):
            task()

    threading.Thread(target=work, daemon=True).start()
    return tasks


class _Answer:
    """What comes of a request. The thread that receives sets each attribute once."""

    def __init__(self) -> None:
        self.response: Any = None
        """The response, once its headers are there."""

        self.received = 0
        """When its body was complete, in milliseconds since the epoch."""

        self.given_up = threading.Event()
        self._headers_at = 0.0
        self._end: SimpleQueue[BaseException | None] = SimpleQueue()

    def begins(self, response: requests.Response) -> None:
        self._headers_at = time.monotonic()
        self.response = response

    def ends(self, error: BaseException | None = None) -> None:
        self.received = int(time.time() * 1000)
        self._end.put(error)

    def complete(self, seconds: float) -> bool:
        """Wait for the body; return False if the headers, or the body after them, take longer.

        Raises:
            requests.RequestException: If the request failed.
        """
        if self._wait(seconds):
            return True
        left = self._headers_at + seconds - time.monotonic()
        return self.response is not None and self._wait(max(left, 0.0))

    def _wait(self, seconds: float) -> bool:
        try:
            error = self._end.get(timeout=seconds)
        except Empty:
            return False
        if error is None:
            return True
        try:
            if isinstance(error, requests.exceptions.InvalidHeader):  # of the response
                raise requests.ConnectionError(error, request=error.request) from error
            raise error
        finally:
            del error  # its traceback holds this frame, and whole pages in the frames above


def _read_body(response: requests.Response) -> bytes:
    """Read a body, with the errors of `requests`."""
    try:
        return response.raw.read(decode_content=True)
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error, request=response.request) from error
    except TransportSSLError as error:
        raise SSLError(error, request=response.request) from error
    except (HTTPError, MemoryError, OverflowError, ValueError) as error:  # or an absurd length
        raise requests.ConnectionError(error, request=response.request) from error
