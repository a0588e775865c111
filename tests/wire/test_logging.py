"""What people read: whatever the API answers, and however logging is configured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.running import write
from dev.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]

SILENT: dict[str, dict[str, Any]] = {
    # no `disable_existing_loggers: false` in any of them: every logger is silenced
    "handlers": {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"level": "INFO", "handlers": ["console"]},
    },
    "nothing": {"version": 1},
    "critical": {"version": 1, "root": {"level": "CRITICAL"}},
    "null": {
        "version": 1,
        "handlers": {"console": {"class": "logging.NullHandler"}},
        "root": {"level": "INFO", "handlers": ["console"]},
    },
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("mistake", ["setting", "answer", "state", "map"])
def test_the_explanation_comes_last(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str, mistake: str
) -> None:
    file = write(tmp_path / "logging.json", SILENT[name])
    settings: dict[str, Any] = {}
    state = None
    if mistake == "setting":
        settings, says = {"page_size": 0}, "page_size: must be an integer"
    elif mistake == "map":
        settings, says = {"stream_maps": {"user": None}}, 'did you mean "users"?'
    elif mistake == "state":
        state, says = "{", "is not valid JSON"
    else:
        sandbox.faults = [Fault(status=401, times=-1)]
        says = "Check `api_key`"
    output = tap(sandbox.config(**settings), state=state, SINGER_SDK_LOG_CONFIG=file)
    assert output.code == 1
    assert says in output.last_line
    assert "Config validation failed" not in output.stderr
    assert "An unhandled error occurred" not in output.stderr


@pytest.mark.parametrize("name", ["handlers", "nothing"])
def test_a_run_is_logged_as_ever(sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "logging.json", SILENT[name])
    output = tap(sandbox.config(), SINGER_SDK_LOG_CONFIG=file)
    assert output.code == 0
    assert "events: done" in output.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [("version: [", "logging.json"), ("version: 5", "logging.json"), ("5", "logging.json")],
)
def test_a_broken_logging_configuration(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, content: str, says: str
) -> None:
    file = write(tmp_path / "logging.json", content)
    output = tap(sandbox.config(), SINGER_SDK_LOG_CONFIG=file)
    assert output.code == 1
    assert "The log cannot be configured" in output.last_line
    assert says in output.last_line
    assert sandbox.requests == []


def test_a_broken_level(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="LOUD")
    assert output.code == 1
    assert "TAP_CROCT_LOGLEVEL" in output.last_line


def test_empty_variables_count_as_not_set(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(
        sandbox.config(),
        SINGER_SDK_LOG_CONFIG="",
        TAP_CROCT_LOGLEVEL="",
        REQUESTS_CA_BUNDLE="",
    )
    assert output.code == 0, output.stderr
    assert "events: done" in output.stderr


def test_no_misleading_lines(sandbox: Sandbox, tap: Tap) -> None:
    """The SDK says these; where it no longer does, the filter can go."""
    output = tap(sandbox.config(), TAP_CROCT_LOGLEVEL="DEBUG")
    assert "Skipping parse of env var settings" not in output.stderr
    assert "Selection metadata omitted" not in output.stderr
    sandbox.faults = [Fault(status=401, times=-1)]
    output = tap(sandbox.config())
    assert "unhandled" not in output.stderr
    assert output.stderr.count("| ERROR ") == 1


HOSTILE = "\x1b[31m\u202e\u2028\x85\n2026-01-01 | ERROR | forged"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=401, times=-1, body=json.dumps({"title": HOSTILE, "type": HOSTILE}).encode()),
        Fault(status=418, times=-1, body=json.dumps({"title": [HOSTILE], "detail": {}}).encode()),
        Fault(status=503, times=-1, body=json.dumps({"title": HOSTILE * 5000}).encode()),
        Fault(status=503, times=-1, body=b'{"title":' * 100_000),
        Fault(
            status=302, times=-1, headers={"Location": "https://x.example/\x9b\x85" + "y" * 9999}
        ),
        Fault(status=429, times=-1, headers={"Retry-After": "9" * 400}),
        Fault(status=429, times=-1, headers={"Retry-After": "Mon, 99 Feb 2026 10:00:00 GMT"}),
        Fault(status=200, times=-1, body=json.dumps({"items": HOSTILE}).encode()),
        Fault(status=200, times=-1, body=json.dumps({HOSTILE: {HOSTILE: 5}}).encode()),
    ],
    ids=range(9),
)
def test_what_the_api_says_is_cleaned(sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
    sandbox.faults = [fault]
    output = tap(sandbox.config(max_retries=0))
    assert output.code == 1
    assert output.last_line.isprintable()
    assert len(output.last_line) < 2000
    assert "events: " in output.last_line
    for line in output.stderr.splitlines():
        assert line.isprintable()
        assert not line.startswith("2026-01-01 | ERROR | forged")
    assert "Error:" not in output.last_line  # no bare exception of Python


class TestTheHost:
    """Every connection error and every 404 says which host was asked."""

    @pytest.mark.parametrize("body", [None, b"<html>nothing here</html>"])
    def test_a_404(self, sandbox: Sandbox, tap: Tap, body: bytes | None) -> None:
        sandbox.faults = [Fault(status=404, times=-1, body=body)]
        output = tap(sandbox.config(max_retries=0))
        assert f"404 Not Found at {sandbox.url.split('/')[2]}" in output.last_line
        assert "Check `api_url`" in output.last_line

    @pytest.mark.parametrize(
        "fault", [Fault("reset", times=-1), Fault("truncate", times=-1)], ids=["reset", "truncate"]
    )
    def test_a_connection_that_breaks(self, sandbox: Sandbox, tap: Tap, fault: Fault) -> None:
        sandbox.faults = [fault]
        output = tap(sandbox.config(max_retries=1, request_timeout=2))
        host = sandbox.url.split("/")[2]
        (retry,) = [line for line in output.warnings if "retry 1 of 1" in line]
        assert host in retry
        assert host in output.last_line


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_bundle_of_certificates_that_cannot_be_used(
    tap: Tap, tmp_path: Path, variable: str, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    config = {"api_key": "some-key", "api_url": "HTTPS://localhost:9", "max_retries": 0}
    output = tap(config, **{"REQUESTS_CA_BUNDLE": "", variable: str(bundle)})
    assert output.code == 1
    assert f"{variable} names {bundle}, which cannot be used" in output.last_line
    assert "Traceback" not in output.stderr


def test_a_scheme_in_capitals(tap: Tap, sandbox: Sandbox) -> None:
    """A proxy of the environment is used for `HTTPS://` as for `https://`, and not for `HTTP://`."""
    proxy = sandbox.url.removesuffix("/export")
    config = {"api_key": "some-key", "api_url": "HTTPS://croct.example", "max_retries": 0}
    output = tap(config, HTTPS_PROXY=proxy, NO_PROXY="")
    assert "to croct.example through the proxy of the environment failed" in output.last_line
    output = tap(
        sandbox.config(api_url=sandbox.url.replace("http:", "HTTP:")),
        HTTP_PROXY="http://localhost:9",
    )
    assert output.code == 0


def test_many_unknown_names(start: Callable[..., Sandbox], tap: Tap) -> None:
    sandbox = start(visits=3)
    user = sandbox.world.items("users")[0]
    user.update({f"new{number:04}\n\x1b{'x' * 500}": 1 for number in range(5000)})
    output = tap(sandbox.config())
    assert output.code == 0
    (warning,) = output.warnings
    assert r"new0000\n\x1bxxx" in warning
    assert warning.endswith("and 4,950 more")
    assert len(warning) < 10_000
