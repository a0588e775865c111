"""The benchmark measures what it says; how fast the tap is, no test asks."""

import re
from collections.abc import Iterator

import pytest
import requests

from dev.bench import __main__ as bench
from dev.bench.pages import PATHS, served
from dev.expected import KEYS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bench")]  # it makes its pages once


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as (url, _):
        yield url


def get(url: str, **params: str | None) -> requests.Response:
    return requests.get(url, params=params, timeout=60)


@pytest.mark.parametrize(("path", "stream"), PATHS.items())
def test_each_record_has_a_key_of_its_own_and_other_streams_have_none(
    url: str, path: str, stream: str
) -> None:
    seen: set[str] = set()
    cursor: str | None = None
    for count in (1000, 1000, 1000, 0):
        page = get(f"{url}/{stream}/3000/0/{path}", cursor=cursor).json()
        assert len(page["items"]) == count
        seen.update(item[KEYS[stream]] for item in page["items"])
        cursor = page["nextCursor"]
    assert len(seen) == 3000
    for other in PATHS.keys() - {path}:
        assert get(f"{url}/{stream}/3000/0/{other}").json()["items"] == []


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
