"""`bin/nightly.sh` in a folder of its own, night after night."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dev.environments import ROOT
from dev.expected import STREAMS
from dev.running import clean_environment, write
from dev.sandbox import Sandbox
from tests.support.duck import path_with

SCRIPT = ROOT / "bin" / "nightly.sh"


class Nights:
    """Runs of the script, with the same configuration and state."""

    def __init__(
        self, folder: Path, sandbox: Sandbox, target: tuple[str, ...], *programs: Path
    ) -> None:
        """Prepare the folder.

        Args:
            folder: For configuration, state and what is loaded.
            sandbox: The source.
            target: The target, with its options.
            programs: Folders of more programs.
        """
        self.folder = folder
        self.sandbox = sandbox
        self.target = target
        self.programs = (folder / "tools", *programs, Path(sys.executable).parent)
        (folder / "tools").mkdir()
        self.configure()

    def configure(self, **settings: Any) -> None:
        write(self.folder / "config.json", self.sandbox.config(page_size=100) | settings)

    def fake(self, program: str, text: str) -> Path:
        """Put a program before the real one."""
        file = self.folder / "tools" / program
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
        return file

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a night in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [SCRIPT, *(arguments or self.target)],
            cwd=self.folder,
            env=clean_environment(PATH=path_with(*self.programs)),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> int:
        """Run a night; return the exit code."""
        night = self.start(*arguments)
        night.communicate(timeout=120)
        return night.returncode

    @property
    def state(self) -> Any:
        return json.loads((self.folder / "state.json").read_text())

    def cursors(self) -> dict[str, str]:
        """Return the cursor of each stream in the state."""
        return {stream: self.state["bookmarks"][stream]["cursor"] for stream in STREAMS}

    def first_cursors(self) -> dict[str, str | None]:
        """Return the cursor of each stream's first request."""
        return {stream: self.sandbox.pages(stream)[0].param("cursor") for stream in STREAMS}
