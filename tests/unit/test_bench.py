"""The benchmark measures what it says; how fast the tap is, no test asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests

from dev.bench import __main__ as bench
from dev.bench.pages import PATHS, served

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = {"events": "id", "session": "sessionId", "user": "userId"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as (url, _):
        yield url


@pytest.mark.parametrize(("path", "stream"), PATHS.items())
def test_each_record_has_a_key_of_its_own(url: str, path: str, stream: str) -> None:
    seen: set[str] = set()
    cursor: str | None = None
    for count in (1000, 1000, 1000, 0):
        response = requests.get(
            f"{url}/{stream}/3000/0/{path}", params={"cursor": cursor}, timeout=60
        )
        page = response.json()
        assert len(page["items"]) == count
        seen.update(item[KEYS[path]] for item in page["items"])
        cursor = page["nextCursor"]
    assert len(seen) == 3000


def test_an_export_of_one_stream_has_none_of_the_others(url: str) -> None:
    page = requests.get(f"{url}/users/3000/0/events?pageSize=1", timeout=60).json()
    assert page["items"] == []


def test_latency(url: str) -> None:
    response = requests.get(f"{url}/users/3000/0.25/user", timeout=60)
    assert response.elapsed.total_seconds() >= 0.25


@pytest.mark.parametrize("path", ["/user", "/users/3000/0/accounts"])
def test_an_unknown_path_is_not_measured_as_an_empty_export(url: str, path: str) -> None:
    assert requests.get(url + path, timeout=60).status_code == 404


def test_each_figure_has_its_limit_and_a_missed_one_is_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With 1,000 records, starting up alone is more than a third of what the template takes."""
    assert bench.main(["--only", "batch", "discovery", "--records", "1000", "--runs", "1"]) == 1
    text = capsys.readouterr().out
    assert re.search(
        r"^\| events, batch files .+ 1/[\d.]+ \(1/3\).+ MISSED \|$", text, re.MULTILINE
    )
    assert re.search(r"^\| `--discover`.+ [\d.]+ \(1\.7\).+ (ok|MISSED) +\|$", text, re.MULTILINE)


def test_a_case_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(["--only", "events", "sesions"])
    assert "invalid choice: 'sesions' (choose from" in capsys.readouterr().err
