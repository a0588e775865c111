"""What the tap makes of errors: how long it waits, and what it says."""

from __future__ import annotations

import pytest
import requests
from requests.exceptions import ProxyError, SSLError

from tap_croct.client import pauses
from tap_croct.errors import RetriableError, describe


class TestPauses:
    """They grow, up to a minute, and are jittered."""

    @staticmethod
    def pauses(*errors: object) -> list[float]:
        generator = pauses()
        next(generator)
        return [generator.send(error) for error in errors]

    def test_they_grow(self) -> None:
        for number, pause in enumerate(self.pauses(*[RetriableError("x")] * 2000)):
            full = min(2.0 ** min(number, 10), 60.0)
            assert full / 2 <= pause <= full
        assert len({self.pauses(RetriableError("x"))[0] for _ in range(9)}) > 1

    def test_what_the_api_asks_for_wins(self) -> None:
        assert self.pauses(RetriableError("x", 599.0), RetriableError("x", 61.5)) == [599.0, 61.5]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (requests.ReadTimeout("x"), "no answer from the API in time"),
        (SSLError("bad certificate"), "no secure connection to the API: bad certificate"),
        (SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version"), "should start with `http://`"),
        (ProxyError("refused"), "to the API through the proxy of the environment failed: refused"),
        (RetriableError("503 Service Unavailable"), "503 Service Unavailable"),
    ],
)
def test_what_failed_in_a_few_words(error: Exception, says: str) -> None:
    assert describe(error).endswith(says)
