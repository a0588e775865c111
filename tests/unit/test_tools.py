"""Tools that measure and compare do what they say; how fast the tap is, no test asks."""

import re
from collections.abc import Callable

import pytest

from dev.bench import __main__ as bench
from dev.expected import Record, expected_records
from dev.sandbox import World
from dev.warehouse import row_differences


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


CHANGES = [
    (lambda rows: None, None),
    (lambda rows: rows.pop(), "is missing"),
    (lambda rows: rows.append(rows[0]), "rows, "),
    (lambda rows: rows[0].update(company="another"), "company: 'another', "),
    (lambda rows: rows[0].update(added=1), "columns that no record has: ['added']"),
    (lambda rows: rows[0].update(lastModifiedTime="2026-01-01"), "lastModifiedTime: "),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_difference_is_a_line(change: Callable[[list[Record]], object], said: str | None) -> None:
    wanted = [{**user, "birthDate": None} for user in expected_records(World(visits=9), "users")]
    rows = list(map(stored, wanted))
    change(rows)
    lines = row_differences("users", rows, wanted)
    assert (lines == []) is (said is None)
    assert said is None or said in "\n".join(lines)
