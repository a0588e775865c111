"""Pipes from the tap into real targets, each installed in an environment of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

from dev.environments import environment
from dev.running import Output, clean_environment, run_tap, write


class Pipe:
    """A pipeline that is run again and again: the target's last state is the tap's next."""

    def __init__(
        self, folder: Path, target: str, target_config: dict[str, Any], program: str | None = None
    ) -> None:
        """Prepare a pipeline.

        Args:
            folder: For configuration and state files.
            target: Name of the target's environment.
            target_config: Its configuration.
            program: Name of its program, if it is another one.
        """
        self.folder = folder
        self.target = target
        self.target_config = target_config
        self.program = environment(target) / (program or target)
        self.state: dict[str, Any] | None = None

    def run(self, config: dict[str, Any], **options: Any) -> Output:
        """Run tap and target; return what the tap put out.

        Raises:
            AssertionError: If one of them fails.
        """
        output = run_tap(self.folder, config, state=self.state, **options)
        assert output.code == 0, output.stderr
        done = self.load(output.stdout)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        states = done.stdout.decode().strip().splitlines()
        self.state = json.loads(states[-1])
        assert self.state == output.state
        return output

    def load(self, messages: str) -> subprocess.CompletedProcess[bytes]:
        """Run the target alone; return what became of it.

        Args:
            messages: Singer messages.
        """
        return subprocess.run(
            [self.program, "--config", write(self.folder / "target.json", self.target_config)],
            input=messages.encode(),
            capture_output=True,
            cwd=self.folder,
            check=False,
            env=clean_environment(),
        )
