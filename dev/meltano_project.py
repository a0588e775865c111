"""Running Meltano, and a project in a folder of its own with the repository's `meltano.yml`."""

import subprocess
from pathlib import Path

from dev.environments import ROOT, environment
from dev.running import clean_environment
from dev.sandbox import Sandbox


def meltano(folder: Path, *args: str, fails: bool = False, **variables: str) -> str:
    """Run Meltano in a folder.

    Args:
        folder: The project.
        args: Meltano's arguments.
        fails: Whether it should.
        variables: More of the environment.

    Returns:
        What it prints.

    Raises:
        AssertionError: If it fails, or does not and should.
    """
    variables = {"NO_COLOR": "1", "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false", **variables}
    done = subprocess.run(
        [environment("meltano") / "meltano", *args], cwd=folder, env=clean_environment(**variables),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert (done.returncode != 0) is fails, said
    return said


class MeltanoProject:
    """A project whose tap reads a sandbox."""

    def __init__(self, folder: Path, sandbox: Sandbox, **variables: str) -> None:
        """Make the project's folder, without installing anything.

        Args:
            folder: The project's folder.
            sandbox: The API that the tap reads.
            variables: More of the environment, such as the address of the warehouse.
        """
        self.folder = folder
        for name in ("temporary", "output"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        text = (ROOT / "meltano.yml").read_text()
        (folder / "meltano.yml").write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
        self.variables = {
            "CROCT_MELTANO": str(environment("meltano") / "meltano"),
            "MELTANO_PROJECT_ROOT": str(folder),
            "NO_COLOR": "1",
            "TMPDIR": str(folder / "temporary"),
            "TAP_CROCT_API_KEY": sandbox.switches.api_key,
            "TAP_CROCT_API_URL": sandbox.url,
            **variables,
        }

    def share_plugins(self, other: "MeltanoProject") -> None:
        """Use the plugins that another project has installed, instead of installing them."""
        (self.folder / ".meltano").mkdir()
        for kind in ("extractors", "loaders"):
            (self.folder / ".meltano" / kind).symlink_to(other.folder / ".meltano" / kind)

    def leftovers(self) -> list[str]:
        """Return the names of the temporary folders that intervals have left."""
        return [path.name for path in (self.folder / "temporary").glob("croct-interval.*")]

    def run(self, *args: str, fails: bool = False, **variables: str) -> str:
        """Run Meltano in the project, see `meltano`."""
        return meltano(self.folder, *args, fails=fails, **(self.variables | variables))
