"""Tools that measure and compare do what they say; how fast the tap is, no test asks."""

import re
from collections.abc import Callable, Iterator

import pytest
import requests

from dev.bench import __main__ as bench
from dev.bench.pages import PATHS, served
from dev.expected import KEYS, Record, expected_records
from dev.sandbox import World
from dev.warehouse import row_differences


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as (url, _):
        yield url


def get(url: str, **params: str | None) -> requests.Response:
    return requests.get(url, params=params, timeout=60)


@pytest.mark.slow
@pytest.mark.xdist_group("bench")  # it makes its pages once
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


@pytest.mark.slow
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


# What compares warehouses with the source sees each kind of difference


def stored(record: Record) -> Record:
    return {**record, "lastModifiedTime": record["lastModifiedTime"].removesuffix("Z")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: None, None),
        (lambda rows: rows.pop(), "is missing"),
        (lambda rows: rows.append(rows[0]), "rows, "),
        (lambda rows: rows[0].update(company="another"), "company: 'another', "),
        (lambda rows: rows[0].update(added=1), "columns that no record has: ['added']"),
        (lambda rows: rows[0].update(lastModifiedTime="2026-01-01"), "lastModifiedTime: "),
    ],
)
def test_a_difference_is_a_line(change: Callable[[list[Record]], object], said: str | None) -> None:
    wanted = [{**user, "birthDate": None} for user in expected_records(World(visits=9), "users")]
    rows = list(map(stored, wanted))
    change(rows)
    lines = row_differences("users", rows, wanted)
    assert (lines == []) is (said is None)
    assert said is None or said in "\n".join(lines)
