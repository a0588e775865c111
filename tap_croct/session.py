"""The HTTP session: no redirects, and answers that begin in limited time."""

from __future__ import annotations

import sys
import threading
from queue import Empty, SimpleQueue
from typing import Any

import requests

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

LONGEST = 10
"""How many times its timeout a request may take, and a body from its first byte to its last."""


class Session(requests.Session):
    """A session that follows no redirect, and does not wait for headers that drip.

    It does not even look where a redirect leads: it may lead nowhere valid.
    """

    @override
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none: `requests` prepares the next request of a redirect that is not followed."""

    @override
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, and wait for the headers of the response.

        The timeout of a request is that of each of its steps: the connection, and every single
        read. A response that arrives byte by byte would never meet it. So a thread waits for it: a
        daemon, to be left alone with a response that has no end.

        Args:
            request: The request.
            kwargs: See `requests.Session.send`; `timeout` in seconds.

        Raises:
            requests.Timeout: If the headers take longer than ten timeouts.
            requests.RequestException: If the request fails.
        """
        answers: SimpleQueue[requests.Response | BaseException] = SimpleQueue()

        def send() -> None:
            try:
                answers.put(super(Session, self).send(request, **kwargs))
            except BaseException as error:  # noqa: BLE001 - all, to raise them where one waits
                answers.put(error)

        threading.Thread(target=send, daemon=True).start()
        seconds = LONGEST * float(kwargs["timeout"])
        try:
            answer = answers.get(timeout=seconds)
        except Empty:
            message = f"the headers took longer than {seconds:g} s"
            raise requests.ReadTimeout(message, request=request) from None
        if isinstance(answer, requests.exceptions.InvalidHeader):  # of the response
            raise requests.ConnectionError(answer, request=request) from answer
        if isinstance(answer, BaseException):
            raise answer
        return answer
