"""The package: it installs, holds only what it should, and has one version."""

import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from dev.environments import ROOT
from dev.running import clean_environment
from tap_croct.tap import TapCroct
from tests.support.documents import PROJECT


def pip(python: Path | str, *args: str) -> None:
    subprocess.run([python, "-m", "pip", "--quiet", *args], check=True, capture_output=True)


def test_one_version() -> None:
    version = PROJECT["project"]["version"]
    assert metadata.version("tap-croct") == version
    assert f"## {version} " in (ROOT / "CHANGELOG.md").read_text()
    assert TapCroct.plugin_version == version


@pytest.mark.slow
def test_it_installs(tmp_path: Path) -> None:
    """From a wheel, which holds the package alone, and from the repository, as it is committed."""
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "tap_croct").rglob("*.py")}
    assert names == modules | {"tap_croct/py.typed"}
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    programs = tmp_path / "env" / "bin"
    again = ["--no-deps", "--force-reinstall"]
    for options in ([str(wheel)], [*again, f"git+file://{ROOT}"]):
        pip(programs / "python", "install", *options)
        done = subprocess.run(
            [programs / "tap-croct", "--discover"],
            check=True, capture_output=True, cwd=tmp_path, env=clean_environment(),
        )  # fmt: skip
        assert b'"tap_stream_id":"users"' in done.stdout
