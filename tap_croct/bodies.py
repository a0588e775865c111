"""Bodies and connections: reading in limited time, and whose answer it is."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import msgspec
import requests
from requests.exceptions import SSLError
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.exceptions import SSLError as TransportSSLError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18  # bytes: more than a connection has ready at a time
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_body(response: requests.Response, seconds: float) -> bytes:
    """Read a body, piece by piece as it arrives.

    Args:
        response: A response whose body was not read yet.
        seconds: How long that may take. Each piece has the timeout of the request, too, but a body
            that drips would never meet that.

    Raises:
        requests.Timeout: If it takes longer.
        requests.ConnectionError: If the connection breaks, or the encoding is wrong.
    """
    deadline = time.monotonic() + seconds
    pieces = []
    try:
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            pieces.append(piece)
            if time.monotonic() > deadline:
                response.close()
                message = f"the body took longer than {seconds:g} s"
                raise requests.ReadTimeout(message, request=response.request)
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error, request=response.request) from error
    except TransportSSLError as error:
        raise SSLError(error, request=response.request) from error
    except HTTPError as error:
        raise requests.ConnectionError(error, request=response.request) from error
    return b"".join(pieces)


def is_problem(body: bytes) -> bool:
    """Tell whether a body is a problem document (RFC 9457), as the API sends them.

    Args:
        body: The body of an error, whatever it is.
    """
    try:
        return not _object(body).keys().isdisjoint(("title", "type"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def is_certificate_error(error: BaseException) -> bool:
    """Tell whether a certificate did not verify: other trouble with TLS is worth a retry.

    Args:
        error: What `requests` raised.
    """
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
