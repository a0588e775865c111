"""Settings as people give them, and as people break them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dev.environments import ROOT
from dev.running import Output
from dev.sandbox import Sandbox
from tests.support.fixtures import Tap
from tests.support.in_process import run_tap_in_process
from tests.support.runs import says

KEY = "secret-key-5d41402abc"
BATCHES = {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///dev/null/files"}}

HEADER = "must be a non-empty string of printable ASCII characters"
DATE = "must be a date or date-time such as 2026-01-31"
URL = "must be a URL such as https://api.croct.io/export"
COUNT = "must be an integer of at least"
SECONDS = "must be a number of seconds above 0"

WRONG_VALUES: list[tuple[str, str, list[Any]]] = [
    # the setting, how its line goes on, and wrong values of it
    ("api_key", "is required", [None]),
    ("api_key", HEADER, ["", " ", f"{KEY}\n", f"{KEY}\r\nX-Other: 1", f"{KEY}ü"]),
    ("api_key", HEADER, [[KEY], {"key": KEY}, 5]),
    ("api_url", URL, ["", 5, "https://", "api.croct.io/export", "ftp://localhost/export"]),
    ("api_url", URL, ["http://api.croct.io/export", "http://localhost.example/export"]),
    ("api_url", URL, ["https://user:pass@api.croct.io", "https://api.croct.io/export?x=1"]),
    ("api_url", URL, ["https://api.croct.io:port"]),
    ("start_date", DATE, ["", "yesterday", "2026-02-30", "2026-01-01T25:00:00Z", 20260101]),
    ("start_date", DATE, ["0001-01-01T00:00:00+10:00"]),
    ("end_date", DATE, ["soon"]),
    ("end_date", "must lie after start_date", ["2026-01-01", "2025-12-31T23:59:59Z"]),
    ("event_types", "must be a list of event types", ["pageOpened", [5]]),
    ("event_types", '"pageOpend" is not an event type; did you mean "pageO', [["pageOpend"]]),
    ("page_size", "must be an integer from 1 to 1000", [0, 1001, 1.5, "100", True]),
    ("max_records", f"{COUNT} 1", [0, "all"]),
    ("lookback_hours", f"{COUNT} 0", [-1, 1.5]),
    ("replace_nul_characters", "must be true or false", ["1"]),
    ("time_unit", "must be `auto`, `milliseconds` or `seconds`", ["ms"]),
    ("request_timeout", SECONDS, [0, -1, "60"]),
    ("max_retries", f"{COUNT} 0", [-1, "many"]),
    ("user_agent", HEADER, ["", "a\nb"]),
    ("stream_maps", "must be a JSON object", ["users"]),
    ("stream_maps", '__else__: must be "__NULL__"', [{"__else__": "yes"}]),
    ("stream_maps", "a: __source__: must be a string", [{"a": {"__source__": 5}}]),
    ("stream_maps", "sessions: must be an object of", [{"sessions": ["email"]}]),
    ("stream_maps", 'users: __else__: must be "__NULL__"', [{"users": {"__else__": 1}}]),
    ("flattening_enabled", "must be true or false", ["perhaps"]),
    ("flattening_max_depth", "must be an integer", ["deep"]),
    ("batch_config.batch_size", f"{COUNT} 1", [-1, 0, 2.5, "5", True]),
    ("batch_config.encoding", "must be", ["jsonl"]),
    ("pagesize", 'is not a setting; did you mean "page_size"', [5]),
    ("start-date", 'is not a setting; did you mean "start_date"', ["2026"]),
]

MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    # the settings, and what the lines about them begin with
    (
        {"batch_config": {"encoding": {"format": "csv"}, "storage": {"prefix": "x"}}},
        ["batch_config.encoding.format: must be `jsonl`"],
    ),
    (
        {"batch_config": {**BATCHES, "storage": {"root": "x", "params": []}}},
        ["batch_config.storage.root: cannot be written to"],
    ),
    (
        {"batch_config": {"batch_size": 5, "encoding": {"compression": "gzip"}}},
        [
            "batch_config.encoding.format: is required for batch files",
            "batch_config.storage.root: is required for batch files",
        ],
    ),
    (
        {"batch_config": {**BATCHES, "encoding": {"format": "jsonl", "level": 9}, "batchsize": 1}},
        [
            'batch_config.batchsize: is not a setting; did you mean "batch_size"',
            "batch_config.encoding.level: is not a setting",
        ],
    ),
    ({"faker_config": {"sed": 1}}, ['faker_config.sed: is not a setting; did you mean "seed"']),
    (
        {"faker_config": {"locale": ["xx"]}, "stream_maps": {"users": {"email": "fake.email()"}}},
        ["faker_config.locale: must be one that Faker has"],
    ),
    (
        {"page_size": 0, "time_unit": "s", "max_retries": -1},
        ["max_retries: must be", "page_size: must be", "time_unit: must be"],
    ),
]


def assert_mistakes(output: Output, lines: list[str]) -> None:
    errors = [line for line in output.stderr.splitlines() if "| ERROR " in line]
    assert output.last_line == errors[-1]
    for line, beginning in zip(says(errors), lines, strict=True):
        assert line.startswith(beginning)
    assert output.stdout == ""
    assert KEY not in output.stderr


@pytest.mark.parametrize(("name", "problem", "values"), WRONG_VALUES, ids=str)
def test_a_wrong_value_stops_the_run(
    sandbox: Sandbox, tap: Tap, name: str, problem: str, values: list[Any]
) -> None:
    for value in values:
        whole, _, part = name.partition(".")
        given = {whole: {**BATCHES, part: value} if part else value}
        config = sandbox.config(api_key=KEY, start_date="2026-01-01T01:00:00+01:00")
        output = tap({**config, **given}, code=1)
        assert_mistakes(output, [f"{name}: {problem}"])
    assert sandbox.requests == []


@pytest.mark.parametrize(("settings", "lines"), MISTAKES, ids=str)
def test_every_mistake_has_its_line(
    sandbox: Sandbox, tap: Tap, settings: dict[str, Any], lines: list[str]
) -> None:
    assert_mistakes(tap({**sandbox.config(api_key=KEY), **settings}, code=1), lines)
    assert sandbox.requests == []


def test_whole_numbers_with_a_fraction_of_zero_are_integers(sandbox: Sandbox, tap: Tap) -> None:
    """JSON Schema has it so, and some tools write all numbers like that."""
    time = {"replication_key": "timestamp", "replication_key_value": "2026-01-02T12:00:00Z"}
    config = sandbox.config(lookback_hours=6.0, page_size=3.0, max_records=4.0, max_retries=0.0)
    output = tap(config, state={"bookmarks": {"events": time}})
    request = sandbox.pages("events")[-1]
    assert request.param("pageSize") == "3"
    assert request.param("start") == "1767333600000"  # 06:00
    assert output.counts()["users"] == 6


def test_what_gets_a_warning(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(zzz=1, start="2026-01-01", start_date="2990-01-01"))
    unknown, other, future = says(output.warnings)
    assert unknown == 'start: is not a setting, and is ignored; did you mean "start_date"?'
    assert other == "zzz: is not a setting, and is ignored"
    assert future.startswith("start_date: lies in the future")


BROKEN_FILES = [
    (None, "broken.json cannot be read: No such file or directory\n"),
    ("", "is empty"),
    (f"{{'api_key': '{KEY}'}}", "is not valid JSON: "),
    ("[" * 100_000, "is not valid JSON: "),
    ('{"api_key": "x", "request_timeout": NaN}', "is not valid JSON: it has NaN"),
    ('{"stream_maps": {"users": {}, "users": {}}}', 'it has "users" twice in one object'),
    (f'["{KEY}"]', "must be a JSON object"),
]


@pytest.mark.parametrize(("content", "problem"), BROKEN_FILES, ids=lambda value: str(value)[:20])
def test_a_broken_configuration_file(
    tmp_path: Path, tap: Tap, content: str | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "broken.json").write_text(content)
    output = tap(None, "--config", "broken.json", TAP_CROCT_LOGLEVEL="DEBUG", code=2)
    assert "Invalid value for '--config'" in output.stderr
    assert problem in output.stderr
    assert KEY not in output.stderr


def test_a_pipe(sandbox: Sandbox, tap: Tap) -> None:
    """As from a secrets manager: `--config <(…)`, which can be read once."""
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as end:
        end.write(json.dumps(sandbox.config(page_size=7)))
        end.close()
        tap(None, "--config", f"/dev/fd/{read}")
    assert sandbox.requests[0].param("pageSize") == "7"


def test_files_and_the_environment_together(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    """Later files win, and the environment wins wherever `ENV` stands."""
    (tmp_path / "more.json").write_text('{"page_size": 8, "max_records": 8}')
    output = tap(
        sandbox.config(page_size=7),  # before `more.json`
        "--config=ENV",
        "--config=more.json",
        TAP_CROCT_MAX_RECORDS="20",
    )
    assert sandbox.requests[0].param("pageSize") == "8"
    assert output.counts()["events"] == 24


MAPS = 'TAP_CROCT_STREAM_MAPS={"users": "__NULL__"}'


DOTENV = [
    (("A=1\nset TAP_CROCT_STREAM_MAPS={}\n", None), "`.env`: line 2 cannot be read"),
    (('TAP_CROCT_STREAM_MAPS="{"users": null}"\n', None), "`.env`: line 1 cannot be read"),
    (('TAP_CROCT_STREAM_MAPS=\n{"users": "__NULL__"}\n', None), "line 2 cannot be read"),
    (('TAP_CROCT_STREAM_MAPS=\n\n# all\n{"users":"__NULL__"}\n', None), "cannot be read"),
    ((f"{MAPS}\n{MAPS[:-1]}\n", None), "line 2 sets TAP_CROCT_STREAM_MAPS again"),
    (
        (MAPS, '{"events": null}'),
        "stream_maps: `.env` and the environment (TAP_CROCT_…) set",
    ),
    ((MAPS, '{"users": "__NULL__"}'), ""),
    (
        (f"{MAPS}\nTAP_CROCT_STREAM_MAPS=\n", None),
        "line 2 sets TAP_CROCT_STREAM_MAPS again",
    ),
    ((f"{MAPS}\n{MAPS}\n'oops # TAP_CROCT_X\n", None), ""),
    ((f"{MAPS}\nTAP_CROCT_PAGE_SIZE=5\nTAP_CROCT_PAGE_SIZE=7\n", None), ""),
    (("TAP_CROCT_PAGE_SIZE=0\n", None), "page_size"),
]


class TestEnvironment:
    """`--config=ENV`, and a `.env` in the working directory."""

    def test_all_kinds(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(
            None,
            "--config=ENV",
            TAP_CROCT_API_KEY=sandbox.switches.api_key,
            TAP_CROCT_API_URL=sandbox.url,
            TAP_CROCT_PAGE_SIZE="7",
            TAP_CROCT_REQUEST_TIMEOUT="2.5",
            TAP_CROCT_EVENT_TYPES="pageOpened, tabOpened",
            TAP_CROCT_START_DATE="2026-01-01",
            TAP_CROCT_FLATTENING_ENABLED="True",
            TAP_CROCT_FLATTENING_MAX_DEPTH="1",
            TAP_CROCT_STREAM_MAPS='{"users": {"email": "__NULL__"}}',
            TAP_CROCT_END_DATE="",
        )
        request = sandbox.pages("events")[-1]
        assert request.param("pageSize") == "7"
        assert request.params["events"] == ["pageOpened", "tabOpened"]
        assert request.param("start") == "1767225600000"
        assert request.param("end") is None
        assert "payload__@type" in output.records("events")[0]
        assert "email" not in output.records("users")[0]

    def test_mistakes(self, sandbox: Sandbox, tap: Tap) -> None:
        wrong = {
            "API_KEY": (f"{KEY}\n{KEY}", f"api_key: {HEADER}"),
            "BATCH_CONFIG": ("{", "batch_config: must be a JSON object"),
            "EVENT_TYPES": ("pageOpend", 'event_types: "pageOpend" is not an event type; did you'),
            "FLATTENING_ENABLED": ("perhaps", "flattening_enabled: must be true or false"),
            "PAGE_SIZE": ("many", "page_size: must be an integer"),
            "REQUEST_TIMEOUT": ("NaN", f"request_timeout: {SECONDS}"),
            "STREAM_MAPS": ('{"users": {}, "users": {}}', "stream_maps: must be a JSON object"),
        }
        values = {f"TAP_CROCT_{name}": value for name, (value, _) in wrong.items()}
        output = tap(sandbox.config(), "--config=ENV", code=1, **values)
        assert_mistakes(output, [line for _, line in wrong.values()])
        output = tap(None, "--config=ENV", code=1, TAP_CROCT_API_KEY="")
        assert_mistakes(output, ["api_key: is required"])
        for name in ("TAP_CROCT_PAGESIZE", "TAP_CROCT__PAGE_SIZE", "tap_croct_page_size"):
            output = tap(sandbox.config(), "--config=ENV", code=1, **{name: "5"})
            hint = 'is not a setting; did you mean "TAP_CROCT_PAGE_SIZE"'
            assert_mistakes(output, [f"{name}: {hint}"])
        assert sandbox.requests == []

    @pytest.mark.parametrize(("given", "says"), DOTENV)
    def test_a_file_that_says_it_in_two_ways(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, given: tuple[str, str | None], says: str
    ) -> None:
        text, variable = given
        (tmp_path / ".env").write_text(text)
        variables = {"TAP_CROCT_STREAM_MAPS": variable} if variable else {}
        output = tap(sandbox.config(), "--config=ENV", code=1 if says else 0, **variables)
        assert says in output.last_line
        assert says or not output.records("users")

    def test_an_unknown_variable(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(
            sandbox.config(),
            "--config=ENV",
            TAP_CROCT_EVENT_TYPES='["pageOpened"]',
            TAP_CROCT_ZZZ="5",
            TAP_CROCT__SELECT="*.*",
            TAP_CROCT_STREAM_MAP_CONFIG='{"salt": "x"}',  # Meltano has this and its part
            TAP_CROCT_STREAM_MAP_CONFIG_SALT="x",
            TAP_CROCT_STREAM_MAPS_USERS_EMAIL="__NULL__",
            TAP_CROCT_LOGLEVEL="INFO",
        )
        assert sandbox.requests[0].params["events"] == ["pageOpened"]
        part, other = output.warnings
        assert "TAP_CROCT_STREAM_MAPS_USERS_EMAIL: is not a setting, and is ignored" in part
        assert other.endswith("TAP_CROCT_ZZZ: is not a setting, and is ignored")

    def test_a_dotenv_file(self, sandbox: Sandbox, tmp_path: Path, tap: Tap) -> None:
        """Also as some editors write it; white space around a value is not part of it."""
        lines = f"API_KEY={sandbox.switches.api_key} PAGE_SIZE=9 MAX_RECORDS=5".split()
        text = "".join(f"TAP_CROCT_{line}\r\n" for line in lines)
        (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf" + text.encode())
        given = {"API_URL": f" {sandbox.url}\n", "PAGE_SIZE": "11", "MAX_RECORDS": ""}
        output = tap(None, "--config=ENV", **{f"TAP_CROCT_{n}": v for n, v in given.items()})
        assert output.warnings == []
        assert sandbox.requests[0].param("pageSize") == "11"  # the environment wins
        assert output.counts()["events"] == 11  # unless a variable is empty

    def test_a_dotenv_file_of_a_folder_above(self, sandbox: Sandbox, tmp_path: Path) -> None:
        """It may be somebody else's: it must not redirect where the key is sent."""
        (tmp_path / ".env").write_text(f"TAP_CROCT_API_URL={sandbox.url}\n")
        here = tmp_path / "here"
        here.mkdir()
        config = {"api_url": "http://localhost:9", "max_retries": 0}
        output = run_tap_in_process(here, config, "--config=ENV", TAP_CROCT_API_KEY=KEY)
        assert "the connection to localhost:9 failed" in output.last_line
        assert sandbox.requests == []

    def test_the_key_is_there_but_not_asked_for(self, tap: Tap, tmp_path: Path) -> None:
        hint = "read with `--config FILE`, and from the environment with `--config=ENV`"
        assert hint in tap(None, code=1, TAP_CROCT_API_KEY=KEY).last_line
        (tmp_path / ".env").write_text(f"TAP_CROCT_API_KEY={KEY}\n")
        output = tap({}, code=1)
        assert hint in output.last_line
        assert_mistakes(output, ["api_key: is required"])
        (tmp_path / ".env").write_bytes(b"TAP_CROCT_API_KEY=\xff\xfe\n")
        assert "api_key: is required" in tap({}, code=1).last_line
        assert "`.env` in it, cannot be read" in tap(None, "--config=ENV", code=1).last_line


def test_the_sample_is_valid_as_it_stands(sandbox: Sandbox, tap: Tap) -> None:
    sample = json.loads((ROOT / "sample_config.json").read_text())
    assert sample.keys() >= {"api_key", "start_date"}
    sandbox.switches.api_key = sample["api_key"]
    output = tap({**sample, "api_url": sandbox.url})
    assert output.warnings == []
