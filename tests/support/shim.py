"""Stands in `PATH` for each program that the docs call, so that commands run as they are written.

What it replaces is what belongs to a reader's own machine: where the API is, where a program is
installed, where a warehouse is.
"""

import json
import os
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

from dev.environments import REQUIREMENTS, ROOT, environment

TAP = Path(sys.executable).parent / "tap-croct"
OVERRIDES = "READER_OVERRIDES"
"""Variable with the name of a folder: `NAME.json` in it wins over a program's `--config`."""

SHIMS = "READER_SHIMS"
"""Variable with the name of the folder that this program's names are in."""


def run(program: Path, arguments: list[str], **variables: str) -> None:
    """Become another program."""
    os.execve(program, [str(program), *arguments], {**os.environ, **variables})  # noqa: S606  what a page has was typed by its reader


def configured(name: str, arguments: list[str]) -> list[str]:
    """Return arguments with a second configuration file that overrides the first."""
    override = Path(os.environ[OVERRIDES]) / f"{name}.json"
    if "--config" in arguments and override.exists():
        return [*arguments, "--config", str(override)]
    return arguments


def pip(arguments: list[str]) -> None:
    """Check that what is to be installed is what the tests' environments have.

    Exits with a message if one of them is not there in a version that suits.
    """
    if arguments[:1] != ["install"]:
        sys.exit(f"pip {arguments[:1]}: not known to the test")
    installed = [
        pin.split("==")
        for file in REQUIREMENTS.glob("*.txt")
        for pin in re.findall(r"(?m)^[\w.-]+==\S+", file.read_text())
    ]
    for argument in arguments[1:]:
        if argument == "." and (Path.cwd() / "pyproject.toml").exists():
            continue
        if argument.startswith("-") or "/" in argument:
            sys.exit(f"pip install {argument}: not known to the test")
        wanted = Requirement(argument)
        versions = [version for name, version in installed if name == wanted.name]
        if not any(wanted.specifier.contains(version) for version in versions):
            sys.exit(f"pip install {argument}: the tests have {versions or 'none'}")


def python(arguments: list[str]) -> None:
    """Run Python with DuckDB; a virtual environment gets the programs of this folder."""
    if arguments[:2] != ["-m", "venv"]:
        run(environment("duckdb") / "python", arguments)
    folder = Path(arguments[2]) / "bin"
    folder.mkdir(parents=True)
    for program in Path(os.environ[SHIMS]).iterdir():
        (folder / program.name).symlink_to(program)
    (folder / "activate").write_text("")


def api() -> dict[str, str]:
    """Return the settings that lead to the test's sandbox."""
    settings: dict[str, str] = json.loads(
        (Path(os.environ[OVERRIDES]) / "tap-croct.json").read_text()
    )
    return settings


def sandboxed(argument: str) -> str:
    """Return an argument with the test's sandbox for the one that `make sandbox` serves."""
    return argument.replace("http://127.0.0.1:4000", api()["api_url"].removesuffix("/export"))


def main() -> None:
    """Do what the name asks for that the program was called by."""
    name, arguments = sys.argv[1], sys.argv[2:]
    if name in {"pip", "pip3"}:
        pip(arguments)
    elif name in {"python", "python3"}:
        python(arguments)
    elif name == "curl":
        run(Path("/usr/bin/env"), ["curl", "--fail", *map(sandboxed, arguments)], PATH=os.defpath)
    elif name == "make":
        command = ["make", "--dry-run", "--directory", str(ROOT), *arguments]
        run(Path("/usr/bin/env"), command, PATH=os.defpath)
    else:
        variables = {f"TAP_CROCT_{setting.upper()}": value for setting, value in api().items()}
        program = TAP if name == "tap-croct" else environment(name) / name
        run(program, configured(name, arguments), **variables)


if __name__ == "__main__":
    main()
