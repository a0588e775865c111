"""What the SDK imports for others is not imported by an export, and is there where it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from dev.running import clean_environment
from tap_croct.deferred import _MODULES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

PACKAGES = {name.split(".")[0] for name in _MODULES} | {"fsspec"}

IMPORT = """
import json, sys
from tap_croct.deferred import deferred
with deferred():
    import tap_croct.tap
"""


def python(folder: Path, code: str) -> object:
    """Run code after the imports of the command; return the JSON that it prints."""
    command = [sys.executable, "-c", IMPORT + code]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, cwd=folder, env=clean_environment(), check=True
    )
    return json.loads(result.stdout)


def test_nothing_of_it_is_imported(tmp_path: Path) -> None:
    found = python(tmp_path, "print(json.dumps([*sys.modules]))")
    assert isinstance(found, list)
    modules = {name for name in found if name.split(".")[0] in PACKAGES}
    assert modules <= {"packaging"}  # the package itself is next to nothing


def test_names_act_as_what_they_stand_for(tmp_path: Path) -> None:
    code = """
from singer_sdk.helpers import jsonpath
from singer_sdk.helpers._batch import StorageTarget
data = {"items": [1, 2]}
real = __import__("jsonpath_ng").Child
print(json.dumps([
    [*jsonpath.extract_jsonpath("$.items[*]", data)],
    isinstance(jsonpath.parse("$.a.b"), jsonpath.Child) and not isinstance(1, jsonpath.Child),
    StorageTarget("file:///tmp").get_url("x").__str__(),
    real is not jsonpath.Child,
]))
"""
    assert python(tmp_path, code) == [[1, 2], True, "file:///tmp/x", True]


def test_names_that_are_used_while_they_are_put_off(tmp_path: Path) -> None:
    """By another thread, or by a module that is imported meanwhile."""
    code = """
with deferred():
    from joblib import cpu_count, delayed
    found = [cpu_count() > 0, callable(delayed(len))]
from joblib import Parallel
print(json.dumps([*found, Parallel.__module__.startswith("joblib")]))
"""
    assert python(tmp_path, code) == [True, True, True]


def test_batch_files(sandbox: Sandbox, tap_process: Callable[..., Output], tmp_path: Path) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": (tmp_path / "files").as_uri()},
    }
    output = tap_process(sandbox.config(batch_config=batch))
    assert output.code == 0, output.stderr
    files = [url for message in output.of("BATCH") for url in message["manifest"]]
    assert len(files) == len([*(tmp_path / "files").iterdir()]) > 0


def test_about(tap_process: Callable[..., Output]) -> None:
    output = tap_process(None, "--about")
    assert output.code == 0, output.stderr
    assert "3.10" in output.stdout
