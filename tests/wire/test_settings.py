"""Settings as people give them, and as people break them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from dev.environments import ROOT
from dev.running import TAP, clean_environment
from tests.support.in_process import run_tap_in_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]

KEY = "secret-key-5d41402abc"
HEADER = "must be a non-empty string of printable ASCII characters"
DATE = "must be a date or date-time such as 2026-01-31"
URL = "must be a URL such as https://api.croct.io/export"
BATCHES = {
    "encoding": {"format": "jsonl", "compression": "gzip"},
    "storage": {"root": "file:///dev/null/files"},
}

MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    # the settings, and what the lines about them begin with
    ({"api_key": None}, ["api_key: is required"]),
    ({"api_key": ""}, [f"api_key: {HEADER}"]),
    ({"api_key": " "}, [f"api_key: {HEADER}"]),
    ({"api_key": f"{KEY}\n"}, [f"api_key: {HEADER}"]),
    ({"api_key": f"{KEY}\r\nX-Other: 1"}, [f"api_key: {HEADER}"]),
    ({"api_key": f"{KEY}ü"}, [f"api_key: {HEADER}"]),
    ({"api_key": [KEY]}, [f"api_key: {HEADER}"]),
    ({"api_key": {"key": KEY}}, [f"api_key: {HEADER}"]),
    ({"api_key": 5}, [f"api_key: {HEADER}"]),
    ({"api_url": "http://api.croct.io/export"}, [f"api_url: {URL}"]),
    ({"api_url": "http://localhost.example/export"}, [f"api_url: {URL}"]),
    ({"api_url": "ftp://localhost/export"}, [f"api_url: {URL}"]),
    ({"api_url": "api.croct.io/export"}, [f"api_url: {URL}"]),
    ({"api_url": "https://"}, [f"api_url: {URL}"]),
    ({"api_url": "https://user:pass@api.croct.io"}, [f"api_url: {URL}"]),
    ({"api_url": "https://api.croct.io/export?x=1"}, [f"api_url: {URL}"]),
    ({"api_url": "https://api.croct.io:port"}, [f"api_url: {URL}"]),
    ({"api_url": ""}, [f"api_url: {URL}"]),
    ({"api_url": 5}, [f"api_url: {URL}"]),
    ({"start_date": "yesterday"}, [f"start_date: {DATE}"]),
    ({"start_date": "2026-02-30"}, [f"start_date: {DATE}"]),
    ({"start_date": "2026-01-01T25:00:00Z"}, [f"start_date: {DATE}"]),
    ({"start_date": ""}, [f"start_date: {DATE}"]),
    ({"start_date": 20260101}, [f"start_date: {DATE}"]),
    ({"start_date": "0001-01-01T00:00:00+10:00"}, [f"start_date: {DATE}"]),
    ({"end_date": "soon"}, [f"end_date: {DATE}"]),
    (
        {"start_date": "2026-01-02", "end_date": "2026-01-01"},
        ["end_date: must lie after start_date"],
    ),
    (
        {"start_date": "2026-01-01T01:00:00+01:00", "end_date": "2026-01-01"},
        ["end_date: must lie after start_date"],
    ),
    (
        {"event_types": ["pageOpend", "productviewed", "tabOpened", "xyz"]},
        [
            'event_types: "pageOpend" is not an event type; did you mean "pageOpened"',
            'event_types: "productviewed" is not an event type; did you mean "productViewed"',
            'event_types: "xyz" is not an event type',
        ],
    ),
    ({"event_types": "pageOpened"}, ["event_types: must be a list of event types"]),
    ({"event_types": [5]}, ["event_types: must be a list of event types"]),
    ({"page_size": 0}, ["page_size: must be an integer from 1 to 1000"]),
    ({"page_size": 1001}, ["page_size: must be an integer from 1 to 1000"]),
    ({"page_size": 1.5}, ["page_size: must be an integer from 1 to 1000"]),
    ({"page_size": "100"}, ["page_size: must be an integer from 1 to 1000"]),
    ({"page_size": True}, ["page_size: must be an integer from 1 to 1000"]),
    ({"max_records": 0}, ["max_records: must be an integer of at least 1"]),
    ({"max_records": "all"}, ["max_records: must be an integer of at least 1"]),
    ({"lookback_hours": -1}, ["lookback_hours: must be an integer of at least 0"]),
    ({"lookback_hours": 1.5}, ["lookback_hours: must be an integer of at least 0"]),
    ({"replace_nul_characters": "1"}, ["replace_nul_characters: must be true or false"]),
    ({"time_unit": "ms"}, ["time_unit: must be `auto`, `milliseconds` or `seconds`"]),
    ({"request_timeout": 0}, ["request_timeout: must be a number of seconds above 0"]),
    ({"request_timeout": -1}, ["request_timeout: must be a number of seconds above 0"]),
    ({"request_timeout": "60"}, ["request_timeout: must be a number of seconds above 0"]),
    ({"max_retries": -1}, ["max_retries: must be an integer of at least 0"]),
    ({"max_retries": "many"}, ["max_retries: must be an integer of at least 0"]),
    ({"user_agent": ""}, [f"user_agent: {HEADER}"]),
    ({"user_agent": "a\nb"}, [f"user_agent: {HEADER}"]),
    ({"stream_maps": "users"}, ["stream_maps: must be a JSON object"]),
    ({"stream_maps": {"__else__": "yes"}}, ["stream_maps: __else__: must be "__NULL__""]),
    ({"stream_maps": {"users": ["email"]}}, ["stream_maps: users: must be an object of"]),
    (
        {"stream_maps": {"users": {"email": 5, "__else__": 1, "__key_properties__": "x"}}},
        [
            "stream_maps: users: email: must be an expression (a string) or "__NULL__"",
            "stream_maps: users: __else__: must be "__NULL__"",
            "stream_maps: users: __key_properties__: must be a list of properties, or null",
        ],
    ),
    ({"stream_maps": {"a": {"__source__": 5}}}, ["stream_maps: a: __source__: must be a string"]),
    ({"flattening_enabled": "perhaps"}, ["flattening_enabled: must be true or false"]),
    ({"flattening_max_depth": "deep"}, ["flattening_max_depth: must be an integer"]),
    (
        {"batch_config": {"encoding": {"format": "csv"}}},
        ["batch_config.encoding.format: must be `jsonl`"],
    ),
    (
        {"batch_config": {"batch_size": 5, "encoding": {"compression": "gzip"}}},
        [
            "batch_config.encoding.format: is required for batch files",
            "batch_config.storage.root: is required for batch files",
        ],
    ),
    *(
        (
            {"batch_config": {**BATCHES, "batch_size": size}},
            ["batch_config.batch_size: must be an integer of at least 1"],
        )
        for size in (-1, 0, 2.5, "5", True)
    ),
    (
        {
            "batch_config": {
                "encoding": {**BATCHES["encoding"], "level": 9},
                "storage": {**BATCHES["storage"], "prefx": "croct-"},
                "batchsize": 100,
            }
        },
        [
            'batch_config.batchsize: is not a setting; did you mean "batch_size"',
            "batch_config.encoding.level: is not a setting",
            'batch_config.storage.prefx: is not a setting; did you mean "prefix"',
        ],
    ),
    (
        {"page_size": 0, "time_unit": "s", "max_retries": -1},
        ["max_retries: must be", "page_size: must be", "time_unit: must be"],
    ),
]


def mistakes(output: Output) -> list[str]:
    lines = [
        line.split(" | ", 3)[-1].strip() for line in output.stderr.splitlines() if "ERROR" in line
    ]
    return [line for line in lines if line != "Config validation failed"]


def assert_mistakes(output: Output, lines: list[str]) -> None:
    found = mistakes(output)
    assert len(found) == len(lines), output.stderr
    for line, beginning in zip(found, lines, strict=True):
        assert line.startswith(beginning)
    assert output.code not in {0, None}
    assert output.stdout == ""
    assert "Traceback" not in output.stderr
    assert KEY not in output.stderr


@pytest.mark.parametrize(("settings", "lines"), MISTAKES, ids=str)
def test_a_wrong_setting_stops_the_run(
    sandbox: Sandbox, tap: Tap, settings: dict[str, Any], lines: list[str]
) -> None:
    output = tap({**sandbox.config(api_key=KEY), **settings})
    assert_mistakes(output, lines)
    assert sandbox.requests == []


def test_whole_numbers_with_a_fraction_of_zero_are_integers(sandbox: Sandbox, tap: Tap) -> None:
    """JSON Schema has it so, and some tools write all numbers like that."""
    time = {"replication_key": "timestamp", "replication_key_value": "2026-01-02T12:00:00Z"}
    output = tap(
        sandbox.config(
            lookback_hours=6.0,
            page_size=7.0,
            max_records=10.0,
            max_retries=0.0,
            flattening_enabled=True,
            flattening_max_depth=1.0,
            flattening_max_key_length=100.0,
        ),
        state={"bookmarks": {"events": time}},
    )
    assert output.code == 0, output.stderr
    request = sandbox.pages("events")[-1]
    assert request.param("pageSize") == "7"
    assert request.param("start") == "1767333600000"  # 06:00
    assert output.counts()["users"] == 14


@pytest.mark.parametrize("option", ["--test", "--test=schema"])
def test_it_stops_a_test_as_well(tap: Tap, option: str) -> None:
    assert_mistakes(tap({"api_key": [KEY]}, option), [f"api_key: {HEADER}"])


def test_an_unknown_setting_gets_a_warning(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(zzz=1, start="2026-01-01"))
    assert output.code == 0
    assert output.warnings[0].endswith(
        'start: is not a setting, and is ignored; did you mean "start_date"?'
    )
    assert output.warnings[1].endswith("zzz: is not a setting, and is ignored")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pagesize", "page_size"),
        ("apikey", "api_key"),
        ("start-date", "start_date"),
        ("max_record", "max_records"),
        ("stream_map", "stream_maps"),
        ("flattening_enable", "flattening_enabled"),
    ],
)
def test_a_misspelt_setting_stops_the_run(
    sandbox: Sandbox, tap: Tap, name: str, meant: str
) -> None:
    output = tap(sandbox.config(**{name: "2026-01-01"}))
    assert output.code == 1
    assert f'{name}: is not a setting; did you mean "{meant}"' in output.last_line
    assert output.stdout == ""
    assert sandbox.requests == []


def test_a_start_in_the_future_gets_a_warning(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(start_date="2990-01-01"))
    assert output.code == 0
    assert any("start_date: lies in the future" in line for line in output.warnings)
    assert not any("start_date" in w for w in tap(sandbox.config(start_date="2020")).warnings)


def test_the_list_of_all_event_types(tap: Tap) -> None:
    """The message about an unknown one says where it is."""
    about = json.loads(tap(None, "--about", "--format=json").stdout)
    assert len(about["settings"]["properties"]["event_types"]["items"]["enum"]) == 26


def test_the_mistakes_come_last(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(page_size=0))
    assert "page_size: must be" in output.last_line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "broken.json cannot be read: No such file or directory\n"),
        ("", "is empty"),
        ("{", "is not valid JSON: "),
        ("[" * 100_000, "is not valid JSON: "),
        ('{"api_key": "x", "request_timeout": NaN}', "is not valid JSON: it has NaN"),
        ("[1]", "must be a JSON object"),
        ('"x"', "must be a JSON object"),
    ],
)
def test_a_broken_configuration_file(
    tmp_path: Path, tap: Tap, content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "broken.json").write_text(content)
    output = tap(None, "--config", "broken.json")
    assert output.code == 2
    assert "Invalid value for '--config'" in output.stderr
    assert says in output.stderr
    assert "Traceback" not in output.stderr


class TestFilesThatCanBeReadOnce:
    """As from a secrets manager: `--config <(…)`, or standard input."""

    def test_a_pipe(self, sandbox: Sandbox, tmp_path: Path) -> None:
        read, write = os.pipe()
        with os.fdopen(write, "w") as end:
            end.write(json.dumps(sandbox.config(page_size=7)))
        done = subprocess.run(
            [*TAP, "--config", f"/dev/fd/{read}"],
            capture_output=True,
            check=False,
            pass_fds=[read],
            env=clean_environment(PYTHONPATH=str(ROOT)),
            cwd=tmp_path,
        )
        os.close(read)
        assert done.returncode == 0, done.stderr
        assert sandbox.requests[0].param("pageSize") == "7"

    @pytest.mark.parametrize("name", ["/dev/stdin"])
    @pytest.mark.parametrize("option", [[], ["--test"]])
    def test_standard_input(
        self, sandbox: Sandbox, tmp_path: Path, name: str, option: list[str]
    ) -> None:
        done = subprocess.run(
            [*TAP, *option, "--config", name],
            input=json.dumps(sandbox.config()).encode(),
            capture_output=True,
            check=False,
            env=clean_environment(PYTHONPATH=str(ROOT)),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert sandbox.requests

    def test_files_and_the_environment_together(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        """Later files win, and the environment wins wherever `ENV` stands."""
        (tmp_path / "more.json").write_text('{"page_size": 8, "max_records": 8}')
        output = tap(
            sandbox.config(page_size=7),  # before `more.json`
            "--config=ENV",
            "--config=more.json",
            TAP_CROCT_MAX_RECORDS="20",
        )
        assert output.code == 0, output.stderr
        assert sandbox.requests[0].param("pageSize") == "8"
        assert output.counts()["events"] == 24


class TestEnvironment:
    """`--config=ENV`, and a `.env` in the working directory."""

    def test_all_kinds(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(
            None,
            "--config=ENV",
            TAP_CROCT_API_KEY=sandbox.switches.api_key,
            TAP_CROCT_API_URL=sandbox.url,
            TAP_CROCT_PAGE_SIZE="7",
            TAP_CROCT_MAX_RECORDS="10",
            TAP_CROCT_REQUEST_TIMEOUT="2.5",
            TAP_CROCT_EVENT_TYPES='["pageOpened", "tabOpened"]',
            TAP_CROCT_START_DATE="2026-01-01",
            TAP_CROCT_TIME_UNIT="milliseconds",
            TAP_CROCT_FLATTENING_ENABLED="True",
            TAP_CROCT_FLATTENING_MAX_DEPTH="1",
            TAP_CROCT_STREAM_MAPS='{"users": {"email": "__NULL__"}}',
            TAP_CROCT_END_DATE="",
        )
        assert output.code == 0, output.stderr
        request = sandbox.requests[0]
        assert request.param("pageSize") == "7"
        assert request.params["events"] == ["pageOpened", "tabOpened"]
        assert request.param("start") == "1767225600000"
        assert request.param("end") is None
        assert output.counts()["events"] == 14
        assert "payload__@type" in output.records("events")[0]
        assert "email" not in output.records("users")[0]

    def test_a_list_with_commas(self, sandbox: Sandbox, tap: Tap) -> None:
        tap(sandbox.config(), "--config=ENV", TAP_CROCT_EVENT_TYPES="pageOpened, tabOpened")
        assert sandbox.requests[0].params["events"] == ["pageOpened", "tabOpened"]

    def test_mistakes(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(
            sandbox.config(api_key=KEY),
            "--config=ENV",
            TAP_CROCT_PAGE_SIZE="many",
            TAP_CROCT_REQUEST_TIMEOUT="soon",
            TAP_CROCT_FLATTENING_ENABLED="perhaps",
            TAP_CROCT_EVENT_TYPES="pageOpend",
            TAP_CROCT_STREAM_MAPS="{",
        )
        assert_mistakes(
            output,
            [
                'event_types: "pageOpend" is not an event type; did you mean "pageOpened"',
                "flattening_enabled: must be true or false",
                "page_size: must be an integer",
                "request_timeout: must be a number",
                "stream_maps: must be a JSON object",
            ],
        )
        assert sandbox.requests == []

    def test_not_a_number(self, tap: Tap) -> None:
        output = tap(None, "--config=ENV", TAP_CROCT_API_KEY=KEY, TAP_CROCT_REQUEST_TIMEOUT="NaN")
        assert_mistakes(output, ["request_timeout: must be a number of seconds above 0"])

    def test_the_key_alone(self, tap: Tap) -> None:
        assert_mistakes(tap(None, "--config=ENV", TAP_CROCT_API_KEY=""), ["api_key: is required"])

    def test_a_dotenv_file(self, sandbox: Sandbox, tmp_path: Path, tap: Tap) -> None:
        (tmp_path / ".env").write_text(
            f"TAP_CROCT_API_KEY={sandbox.switches.api_key}\n"
            f"TAP_CROCT_API_URL={sandbox.url}\nTAP_CROCT_PAGE_SIZE=9\nTAP_CROCT_MAX_RECORDS=5\n"
        )
        output = tap(None, "--config=ENV", TAP_CROCT_PAGE_SIZE="11", TAP_CROCT_MAX_RECORDS="")
        assert output.code == 0, output.stderr
        assert sandbox.requests[0].param("pageSize") == "11"  # the environment wins
        assert output.counts()["events"] == 11  # unless a variable is empty

    def test_a_dotenv_file_of_a_folder_above(self, sandbox: Sandbox, tmp_path: Path) -> None:
        """It may be somebody else's: it must not redirect where the key is sent."""
        (tmp_path / ".env").write_text(f"TAP_CROCT_API_URL={sandbox.url}\n")
        (tmp_path / "here").mkdir()
        output = run_tap_in_process(
            tmp_path / "here",
            None,
            "--config=ENV",
            TAP_CROCT_API_KEY=KEY,
            TAP_CROCT_API_URL="",
            TAP_CROCT_PAGE_SIZE="0",
        )
        assert output.code == 1
        run_tap_in_process(
            tmp_path / "here",
            {"api_url": "http://localhost:9", "max_retries": 0},
            "--config=ENV",
            TAP_CROCT_API_KEY=KEY,
        )
        assert sandbox.requests == []

    def test_a_dotenv_file_that_is_not_text(self, tap: Tap, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"TAP_CROCT_API_KEY=\xff\xfe\n")
        output = tap(None, "--config=ENV")
        assert output.code == 1
        assert f"{tmp_path / '.env'} cannot be read" in output.last_line
        assert "Traceback" not in output.stderr

    def test_a_misspelt_variable(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(sandbox.config(), "--config=ENV", TAP_CROCT_PAGESIZE="5")
        assert output.code == 1
        assert 'TAP_CROCT_PAGESIZE: is not a setting; did you mean "TAP_CROCT_PAGE_SIZE"' in (
            output.last_line
        )
        assert sandbox.requests == []

    def test_an_unknown_variable(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(
            sandbox.config(),
            "--config=ENV",
            TAP_CROCT_ZZZ="5",
            TAP_CROCT__SELECT="*.*",
            TAP_CROCT_BATCH_CONFIG_ENCODING="{}",
            TAP_CROCT_LOGLEVEL="INFO",
        )
        assert output.code == 0
        (warning,) = output.warnings
        assert warning.endswith("TAP_CROCT_ZZZ: is not a setting, and is ignored")

    @pytest.mark.parametrize("where", ["the environment", ".env"])
    def test_the_key_is_there_but_not_asked_for(self, tap: Tap, tmp_path: Path, where: str) -> None:
        variables = {"TAP_CROCT_API_KEY": KEY} if where == "the environment" else {}
        if not variables:
            (tmp_path / ".env").write_text(f"TAP_CROCT_API_KEY={KEY}\n")
        output = tap({"page_size": 5}, **variables)
        says = ["api_key: is required", "`--config FILE`", "`--config=ENV`"]
        assert output.code == 1
        assert all(text in output.stderr for text in says)
        assert KEY not in output.stderr
        (tmp_path / ".env").write_bytes(b"\xff")
        assert "api_key: is required" in tap({}).last_line

    def test_not_asked_for(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("TAP_CROCT_PAGE_SIZE=0\n")
        assert tap(sandbox.config(), TAP_CROCT_PAGE_SIZE="0").code == 0


def test_the_sample_is_valid_as_it_stands(sandbox: Sandbox, tap: Tap) -> None:
    sample = json.loads((ROOT / "sample_config.json").read_text())
    assert sample.keys() >= {"api_key", "start_date"}
    key = sandbox.switches.api_key = sample["api_key"]
    assert key
    output = tap({**sample, "api_url": sandbox.url})
    assert output.code == 0
    assert output.warnings == []
