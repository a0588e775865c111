"""The bench measures what it says; how fast the tap is, no test asks."""

from __future__ import annotations

import json

import pytest

from dev.bench import __main__ as bench
from dev.bench.pages import PATHS, answer
from dev.bench.ways import WAYS, Way

BODIES = {
    stream: [b'{"items":[{"id":"0badcafe-%d"}]' % page for page in range(2)] for stream in PATHS
}


def page(path: bytes) -> dict[str, object]:
    """Return the page that the server gives."""
    response, _ = answer(b"GET " + path + b" HTTP/1.1\r\n", BODIES)
    head, body = response.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Content-Length: %d" % len(body) in head
    found: dict[str, object] = json.loads(body)
    return found


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_each_record_has_a_key_of_its_own(way: Way) -> None:
    stream = way.stream.encode()
    base = b"/%s/3000/0" % stream + PATHS[stream]
    assert page(base) == {"items": [{"id": "00000000-0"}], "nextCursor": "1"}
    assert page(base + b"cursor=1") == {"items": [{"id": "00000001-1"}], "nextCursor": "2"}
    assert page(base + b"cursor=2") == {"items": [{"id": "00000002-0"}], "nextCursor": "3"}
    assert page(base + b"cursor=3") == {"items": [], "nextCursor": "3"}
    assert page(base + b"cursor=3&x=1") == {"items": [], "nextCursor": "3"}


def test_an_export_of_one_stream_has_none_of_the_others() -> None:
    assert page(b"/users/3000/0/events?pageSize=1") == {"items": [], "nextCursor": "1"}


def test_latency() -> None:
    assert answer(b"GET /users/3000/0.25/user?x HTTP/1.1\r\n", BODIES)[1] == 0.25


def test_an_unknown_path_is_not_measured_as_an_empty_export() -> None:
    assert answer(b"GET /user?x HTTP/1.1\r\n", BODIES)[0].startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        ("", [*WAYS, *bench.REST]),
        ("sessions,flattened", ["sessions", "flattened-events", "flattened-sessions"]),
        ("memory", ["memory"]),
    ],
)
def test_rows(names: str, rows: list[str]) -> None:
    assert bench.chosen(names) == rows


def test_a_row_that_there_is_not() -> None:
    with pytest.raises(SystemExit, match="no row sesions; there are events, sessions"):
        bench.chosen("sesions")


def test_the_tables_replace_those_of_the_page() -> None:
    page = bench.PAGE_WITH_TABLE.read_text(encoding="utf-8")
    once = bench.filled(page, bench.table(("", "a"), [["row", "1"]]))
    assert "|     | a |\n| --- | - |\n| row | 1 |\n" in once
    twice = bench.filled(once, "other")
    assert "| row |" not in twice
    assert twice.startswith(page[: page.index(bench.BEGIN)])
    assert twice.endswith(page[page.index(bench.END) :])
