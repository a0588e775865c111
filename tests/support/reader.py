"""A reader who does what a page says, from top to bottom, in a folder of the test's own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dev.environments import REQUIREMENTS, ROOT
from dev.running import clean_environment, run_tap, write
from dev.sandbox import Sandbox
from tests.support import shim
from tests.support.documents import Step, steps
from tests.support.duck import path_with

Ask = Callable[[str], list[dict[str, Any]]]

_COPIED = ("README.md", "bin", "docs", "meltano.yml", "pyproject.toml", "sample_config.json")
_TROUBLE = (AssertionError, SyntaxError, ValueError, yaml.YAMLError, subprocess.TimeoutExpired)
_SHELL = """
set -e -o pipefail
[ ! -f "$READER_OVERRIDES/environment" ] || . "$READER_OVERRIDES/environment"
cd "$(cat "$READER_OVERRIDES/folder")"
trap 'export -p > "$READER_OVERRIDES/environment"; pwd > "$READER_OVERRIDES/folder"' EXIT
"""
"""Like typing one block after another into the same shell, but that a failing command is noticed."""


class Reader:
    """Runs commands, saves files, checks configurations and asks queries as a page has them."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        """Prepare the folder: what a clone has, and a shell.

        Args:
            folder: An empty folder.
            sandbox: The API that the commands talk to.
        """
        self.folder = folder / "clone"
        self.sandbox = sandbox
        self.ask: Ask | None = None
        """Answers a query, where the page has a database."""

        self.answers: list[list[dict[str, Any]]] = []
        """What each query found."""

        self._home = folder / "reader"
        self._shims = folder / "programs"
        for made in (self.folder, self._home, self._shims):
            made.mkdir()
        for name in _COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)
        # An editable install from this folder would be a second tap.
        meltano = self.folder / "meltano.yml"
        write(meltano, meltano.read_text().replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
        write(self._home / "folder", str(self.folder))
        self.override("tap-croct", sandbox.config())
        self._install_shims()

    def override(self, program: str, settings: dict[str, Any]) -> None:
        """Let settings win over those that the page gives a program by `--config`."""
        write(self._home / f"{program}.json", settings)

    def follow(self, step: Step) -> str:
        """Do what a step says.

        Returns:
            What went wrong; empty if nothing did.
        """
        try:
            return self._follow(step)
        except _TROUBLE as error:
            return f"{type(error).__name__}: {error}"

    def _follow(self, step: Step) -> str:
        if step.marker in {"skip", "output"} or step.language in {"", "text", "mermaid"}:
            return ""
        if step.marker == "file":
            write(self.folder / step.note, step.text)
            if step.language == "json":
                json.loads(step.text)
            return ""
        if step.marker == "catalog":
            return self._edit_catalog(step)
        checks: dict[str, Callable[[str], str]] = {
            "bash": self._run,
            "json": lambda text: self._check_settings(json.loads(text)),
            "yaml": lambda text: self._check_yaml(yaml.safe_load(text)),
            "sql": self._query,
            "python": _compile,
        }
        if step.language not in checks:
            return f"no way to run {step.language}: mark it"
        return checks[step.language](step.text)

    def _query(self, text: str) -> str:
        if self.ask is None:
            return "this page has no database"
        self.answers.append(self.ask(text))
        return "" if self.answers[-1] else "the query finds nothing"

    def _run(self, text: str) -> str:
        programs = {shim.OVERRIDES: str(self._home), shim.SHIMS: str(self._shims)}
        done = subprocess.run(
            ["bash", "-c", _SHELL + text],
            cwd=self.folder,
            env=clean_environment(
                PATH=path_with(self._shims),
                HOME=str(self._home),
                NO_COLOR="1",
                **programs,
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=900,
            text=True,
        )
        if done.returncode == 0:
            return ""
        said = (done.stdout[-1000:] + done.stderr[-2000:]).strip()
        return f"exit code {done.returncode} of:\n{text}{said}"

    def _check_settings(self, settings: object) -> str:
        """Check a configuration for the tap, in which the page leaves out what is not its topic."""
        if not isinstance(settings, dict):
            return "is not a JSON object"
        secret = {"stream_map_config": {"salt": "as the page sets it elsewhere"}}
        config = {**secret, **settings, **self.sandbox.config()}
        output = run_tap(self._home, config, "--test=schema")
        said = output.warnings if output.code == 0 else [output.stderr[-1500:]]
        return "\n".join(said)

    def _edit_catalog(self, step: Step) -> str:
        """Put entries into `catalog.json`, in place of those with the same breadcrumb."""
        file = self.folder / "catalog.json"
        catalog = json.loads(file.read_text())
        (stream,) = [s for s in catalog["streams"] if s["tap_stream_id"] == step.note]
        for entry in map(json.loads, step.text.splitlines()):
            old = [m for m in stream["metadata"] if m["breadcrumb"] == entry["breadcrumb"]]
            if len(old) != 1 or old[0]["metadata"].keys() > entry["metadata"].keys():
                return f"the catalog has {old} in place of {entry}"
            old[0]["metadata"] = entry["metadata"]
        write(file, catalog)
        return ""

    def _check_yaml(self, content: object) -> str:
        """Add lines for the tap to its entry in `meltano.yml`; other YAML only has to be it."""
        if isinstance(content, dict) and content.keys() <= {"config", "metadata"}:
            file = self.folder / "meltano.yml"
            project = yaml.safe_load(file.read_text())
            (extractor,) = project["plugins"]["extractors"]
            extractor.update(content)
            write(file, yaml.safe_dump(project, sort_keys=False))
            return self._check_settings(content.get("config", {}))
        return ""

    def _install_shims(self) -> None:
        programs = ["tap-croct", "meltano", "pip", "pip3", "python", "python3", "make", "curl"]
        targets = [file.stem for file in REQUIREMENTS.glob("target-*.txt")]
        for name in programs + targets:
            file = self._shims / name
            file.write_text(
                f'#!/bin/sh\nexec "{sys.executable}" "{Path(shim.__file__)}" "${{0##*/}}" "$@"\n'
            )
            file.chmod(0o755)
        # What `make` installs into.
        (self.folder / ".venv").mkdir()
        (self.folder / ".venv" / "bin").symlink_to(self._shims)


def follow(reader: Reader, page: str) -> None:
    """Do all that a page says.

    Args:
        reader: Who does it.
        page: Name of the page, such as `docs/duckdb.md`.

    Raises:
        AssertionError: With a line for each step that does not hold.
    """
    failures = []
    for step in steps(page):
        if step.marker == "skip":
            assert step.note, f"{step.place}: say why it can't be run"
        if said := reader.follow(step):
            failures.append(f"{step.place}: {said}")
    assert not failures, "\n\n".join(failures)


def _compile(text: str) -> str:
    compile(text, "page", "exec")
    return ""
