"""The plugin definition brings the tap into a Meltano project with one command."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import plugin
from dev.environments import ROOT
from dev.meltano_project import meltano
from tap_croct.tap import TapCroct

DEFINITION = plugin.DEFINITION.relative_to(ROOT)


def test_the_definition_is_the_entry_of_meltano_yml() -> None:
    """And a test of Meltano holds that entry equal to the settings."""
    (entry,) = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["extractors"]
    definition = yaml.safe_load((ROOT / DEFINITION).read_text())
    assert definition == {**entry, "pip_url": "../tap-croct"}
    assert next(iter(definition)) == "name"
    assert plugin.definition() == plugin.DEFINITION.read_text(), "out of date: run `make plugin`"


@pytest.mark.slow
def test_it_is_added_from_a_clone_beside_the_project(tmp_path: Path) -> None:
    """With the commands that the README has."""
    (tmp_path / "tap-croct").symlink_to(ROOT)
    meltano(tmp_path, "init", "my-project")
    project = tmp_path / "my-project"
    add = ["add", "--from-ref", str(Path("..") / "tap-croct" / DEFINITION), "tap-croct"]
    meltano(project, *add)
    plugins: dict[str, Any] = yaml.safe_load((project / "meltano.yml").read_text())["plugins"]
    (extractor,) = plugins["extractors"]
    assert extractor == yaml.safe_load((ROOT / DEFINITION).read_text())
    assert f"{TapCroct.name} v{TapCroct.plugin_version}," in meltano(
        project, "invoke", "tap-croct", "--version"
    )
    key = ["config", "set", "tap-croct", "api_key", "your-api-key"]
    commands = "".join(f"meltano {' '.join(command)}\n" for command in (add, key))
    assert f"```bash\n{commands}```" in (ROOT / "README.md").read_text()
    meltano(project, *key)
    assert "your-api-key" in (project / ".env").read_text()
    assert "your-api-key" not in (project / "meltano.yml").read_text()
    listed = meltano(project, "config", "list", "--all", "tap-croct")
    for name in TapCroct.config_jsonschema["properties"]:
        assert f"TAP_CROCT_{name.upper()}" in listed
