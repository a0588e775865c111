"""A Meltano project in a folder of its own, with the repository's `meltano.yml`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from dev.environments import ROOT, environment
from dev.running import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from dev.postgres import Postgres
    from dev.sandbox import Sandbox


class MeltanoProject:
    """A project whose tap reads a sandbox, and whose target loads into a PostgreSQL server."""

    def __init__(self, folder: Path, sandbox: Sandbox, database: Postgres) -> None:
        """Make the project's folder, without installing anything.

        Args:
            folder: The project's folder.
            sandbox: The API that the tap reads.
            database: The warehouse.
        """
        self.folder = folder
        (folder / "temporary").mkdir(parents=True, exist_ok=True)
        text = (ROOT / "meltano.yml").read_text()
        (folder / "meltano.yml").write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
        self.variables = {
            "CROCT_MELTANO": str(environment("meltano") / "meltano"),
            "MELTANO_PROJECT_ROOT": str(folder),
            "NO_COLOR": "1",
            "TMPDIR": str(folder / "temporary"),
            "TAP_CROCT_API_KEY": sandbox.switches.api_key,
            "TAP_CROCT_API_URL": sandbox.url,
            "TARGET_POSTGRES_SQLALCHEMY_URL": database.target_config["sqlalchemy_url"],
        }

    def install(self) -> None:
        """Install the tap and the target."""
        self.run("install", "tap-croct", "target-postgres")

    def share_plugins(self, other: MeltanoProject) -> None:
        """Use the plugins that another project has installed, instead of installing them."""
        (self.folder / ".meltano").mkdir()
        for kind in ("extractors", "loaders"):
            (self.folder / ".meltano" / kind).symlink_to(other.folder / ".meltano" / kind)

    def leftovers(self) -> list[str]:
        """Return the names of the temporary folders that intervals have left."""
        return [path.name for path in (self.folder / "temporary").glob("croct-interval.*")]

    def run(self, *args: str, variables: dict[str, str] | None = None) -> str:
        """Run Meltano.

        Args:
            args: Its arguments.
            variables: More of the environment.

        Returns:
            What it prints.

        Raises:
            AssertionError: If it fails.
        """
        done = subprocess.run(
            [self.variables["CROCT_MELTANO"], *args], cwd=self.folder, capture_output=True,
            env=clean_environment(**self.variables, **(variables or {})), text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said
