"""At home in Meltano: the pipeline, and the commands that people use around it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dev import plugin
from dev.environments import ROOT
from dev.expected import STREAMS, Record, expected_records
from dev.meltano_project import MeltanoProject, meltano
from dev.sandbox import Sandbox, World
from dev.warehouse import differences
from tap_croct.tap import TapCroct
from tests.support.fixtures import Json


class Project(MeltanoProject):
    """A project that loads into a DuckDB file."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        """Set it up."""
        super().__init__(folder, sandbox, TAP_CROCT_PAGE_SIZE="100")
        self.sandbox = sandbox
        self.warehouse = folder / "output" / "warehouse.duckdb"

    def check(self) -> None:
        """Compare the warehouse with the source."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            for stream in STREAMS:
                wanted = expected_records(self.sandbox.world, stream)
                assert differences(connection, stream, wanted) == []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Sandbox(World(visits=40)) as sandbox:
        project = Project(tmp_path_factory.mktemp("project"), sandbox)
        project.run("install")
        yield project


@pytest.mark.slow
def test_the_way_through_meltano(project: Project) -> None:
    """One pipeline, and what people do with it, in order; the hub is not asked for anything."""
    sandbox = project.sandbox

    project.run("run", "tap-croct", "target-duckdb")
    project.check()

    sandbox.world.visits(10)
    sandbox.world.change_users(3)
    sandbox.requests.clear()
    project.run("run", "--full-refresh", "tap-croct", "target-duckdb")
    assert sandbox.pages("events")[0].param("cursor") is None
    project.check()

    assert "Plugin configuration is valid" in project.run("config", "test", "tap-croct")
    said = project.run("config", "test", "tap-croct", fails=True, TAP_CROCT_API_KEY="wrong")
    assert "events: 401 Unauthorized" in said

    project.run("select", "tap-croct", "events", "*")
    project.run("select", "--exclude", "tap-croct", "events", "payload.cart")
    listed = project.run("select", "tap-croct", "--list", "--all")
    assert "[excluded   ] events.payload.cart" in " ".join(listed.split("\t"))
    sandbox.requests.clear()
    project.warehouse.unlink()
    project.run("run", "--state-id-suffix=picked", "tap-croct", "target-duckdb")
    assert sandbox.pages("events")[0].param("cursor") is None
    assert {request.stream for request in sandbox.requests} == {"events"}
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        (carts,) = connection.execute(
            "select count(*) from croct.events where payload ->> '$.cart' is not null"
        ).fetchone() or (None,)
    assert carts == 0

    what_people_write(project)


def what_people_write(project: Project) -> None:
    """Selection and maps as Meltano hands them on: they work, or the run says why not."""
    file = project.folder / "meltano.yml"
    text = (ROOT / "meltano.yml").read_text()
    file.write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
    project.run("select", "tap-croct", "users", "*")
    selected = file.read_text()

    def users(change: Json, *command: str, fails: bool = False) -> tuple[list[Record], str]:
        content = yaml.safe_load(selected)
        content["plugins"]["extractors"][0].update(change)
        file.write_text(yaml.safe_dump(content))
        if command:
            project.run("config", "set", "tap-croct", *command)
        project.sandbox.requests.clear()
        said = project.run("invoke", "tap-croct", fails=fails)
        messages = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return [m["record"] for m in messages if m["type"] == "RECORD"], said

    wanted = expected_records(project.sandbox.world, "users")
    without = [{n: v for n, v in record.items() if n != "email"} for record in wanted]
    right: list[tuple[Json, tuple[str, ...], list[Record]]] = [
        ({"metadata": {"users.email": {"selected": False}}}, (), without),
        ({}, ("_metadata.users.email.selected", "false"), without),
        ({"schema": {"users": {"vip": {"type": ["boolean", "null"]}}}}, (), wanted),
    ]
    for change, command, records in right:
        assert users(change, *command)[0] == records
    # What Meltano does not find never gets into a catalog.
    _, said = users({"metadata": {"users.e-mail": {"selected": False}}})
    assert "Property `e-mail` was not found in the schema of stream `users`" in said
    email = {"type": ["string", "null"], "selected": False}
    maps = {"users": {"email": None, "firstName": "firstName"}}
    wrong: list[tuple[Json, tuple[str, ...], str]] = [
        ({"schema": {"users": {"email": email}}}, (), "is true in the metadata, false in its"),
        ({}, ("stream_maps.users.email", "null"), 'an expression (a string) or "__NULL__"'),
        ({"config": {"stream_maps": maps}}, (), "stream_maps: users.email: the environ"),
    ]
    for change, command, why in wrong:
        _, said = users(change, *command, fails=True)
        assert why in said
        assert not project.sandbox.requests


# The plugin definition brings the tap into a Meltano project with one command

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
