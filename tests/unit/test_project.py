"""The project's own files: workflows, templates, hooks, the plugin definition, pages, tools."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from dev import dictionary
from dev.bench import __main__ as bench
from dev.environments import REQUIREMENTS, ROOT
from dev.expected import KEYS, STREAMS, Record, expected_records
from dev.sandbox import World
from dev.warehouse import row_differences
from tap_croct import schemas
from tap_croct.tap import TapCroct
from tests.support.documents import PROJECT, table

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


READ_BY_OTHERS = [
    *(("vendor.github-workflows", path) for path in WORKFLOWS),
    *(("custom.github-workflows-require-timeout", path) for path in WORKFLOWS),
    *(("vendor.github-issue-forms", path) for path in FORMS),
    ("vendor.github-issue-config", GITHUB / "ISSUE_TEMPLATE" / "config.yml"),
    ("vendor.dependabot", GITHUB / "dependabot.yml"),
    ("vendor.meltano", ROOT / "meltano.yml"),
]


@pytest.mark.parametrize(
    ("schema", "path"),
    READ_BY_OTHERS,
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_files_that_others_read_are_valid(schema: str, path: Path) -> None:
    result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, str(path)])
    assert result.exit_code == 0, result.output


def test_actions_and_hooks_are_pinned_by_commit() -> None:
    commits: dict[str, set[str]] = {}
    for workflow in WORKFLOWS:
        for action in re.findall(r"uses: (.+)", workflow.read_text()):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
            name, _, commit = action.partition("@")
            commits.setdefault(name, set()).add(commit)
    assert commits
    assert all(len(found) == 1 for found in commits.values()), commits
    for repository in load(ROOT / ".pre-commit-config.yaml")["repos"]:
        assert repository["repo"] == "local" or re.fullmatch(r"[0-9a-f]{40}", repository["rev"])


def test_the_image_gets_the_project_and_nothing_else() -> None:
    """No secrets, states or environments; but all that installing the tap needs."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    everything, *kept = [line for line in lines if not line.startswith("#")]
    assert everything == "*"
    project = PROJECT["project"]
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = [project["readme"], *project["license-files"], *packages, "pyproject.toml"]
    wanted = {f"!{name}" for name in (*needed, "meltano.yml", "orchestrate")}
    assert {line for line in kept if line.startswith("!")} == wanted


# What the release workflow checks before it builds anything

WITH_ADDRESS = (ROOT / "pyproject.toml").read_text() + "\n[project.urls]\n"
"""All that this repository may lack for a release is its address."""

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
VERSION = PROJECT["project"]["version"]
TAG = f"v{VERSION}"
EMPTY = f"## {VERSION} (2026-01-02)\n\n## 0.0.1 (2026-01-01)\n\n- That.\n"


RELEASES = [
    (TAG, WITH_ADDRESS, CHANGELOG, "###"),
    (TAG, WITH_ADDRESS, EMPTY.replace("## 0.0.1", "- This.\n\n## 0.0.1"), "- This."),
    (TAG, WITH_ADDRESS, EMPTY, None),
    ("v9.9.9", WITH_ADDRESS, CHANGELOG, None),
    (TAG, WITH_ADDRESS.replace("[project.urls]", "[project.other]"), CHANGELOG, None),
    (TAG, WITH_ADDRESS, CHANGELOG.replace(f"## {VERSION} (", "## 9.9.9 ("), None),
    (TAG, WITH_ADDRESS, EMPTY.replace("2026-01-02", "unreleased"), None),
]


@pytest.mark.parametrize(("tag", "project", "changelog", "notes"), RELEASES)
def test_tag_version_and_changelog_agree(
    tmp_path: Path, tag: str, project: str, changelog: str, notes: str | None
) -> None:
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "CHANGELOG.md").write_text(changelog)
    workflow = load(GITHUB / "workflows" / "release.yml")
    (step,) = [s["run"] for s in workflow["jobs"]["build"]["steps"] if "notes" in s.get("name", "")]
    done = subprocess.run(
        ["bash", "-e", "-c", step],
        cwd=tmp_path, env={"GITHUB_REF_NAME": tag}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "::error::" in done.stdout) == (
        (1, True) if notes is None else (0, False)
    )
    if notes is not None:
        written = (tmp_path / "notes.md").read_text()
        assert notes in written
        assert "\n## " not in f"\n{written}"


# Settings: the plugin definition, the page and the tap agree

KINDS = {"string": {"string", "date_iso8601", "options"}, "number": {"decimal"}}
"""What Meltano calls some types; the others have the same names."""


def test_settings_are_the_same_everywhere() -> None:
    (extractor,) = load(ROOT / "meltano.yml")["plugins"]["extractors"]
    TapCroct.append_builtin_config(TapCroct.config_jsonschema)
    schema = TapCroct.config_jsonschema
    settings = {setting["name"]: setting for setting in extractor["settings"]}
    rows = {
        name: row
        for row in table("docs/settings.md", "Settings")
        for name in re.findall(r"`(\w+)`", row["setting"])
    }
    assert list(settings) == list(schema["properties"])
    assert rows.keys() == schema["properties"].keys()
    for number, (name, prop) in enumerate(schema["properties"].items()):
        setting = settings[name]
        types = prop["type"] if isinstance(prop["type"], list) else [prop["type"]]
        (kind,) = [kind for kind in types if kind != "null"]
        assert setting["kind"] in KINDS.get(kind, {kind}), name
        assert setting.get("value") == prop.get("default"), name
        assert setting.get("sensitive", False) is prop.get("secret", False), name
        assert setting["label"] == prop["title"], name
        assert setting["description"] == prop["description"], name
        if "enum" in prop:
            assert [option["value"] for option in setting["options"]] == prop["enum"]
        if number < list(settings).index("stream_maps"):  # the page has own words for the SDK's
            assert rows[name][""] == prop["description"]
            default = str(prop.get("default", rows[name]["default"])).replace("False", "false")
            assert rows[name]["default"].strip("`") == default.strip("`")
    assert extractor["settings_group_validation"] == [schema["required"]]
    assert sorted(extractor["capabilities"]) == sorted(c.value for c in TapCroct.capabilities)


# Modules


@pytest.mark.parametrize("path", sorted((ROOT / "tap_croct").rglob("*.py")), ids=lambda p: p.stem)
def test_no_module_or_class_is_too_long(path: Path) -> None:
    """They can be read at once."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300 or path.name == "schemas.py"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < 180, node.name


# What the pages say is so: messages, links, names of files, sample rows

TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


# Messages


@cache
def texts_of_the_tap() -> tuple[str, ...]:
    """Return every literal text in the tap's source, cut at what is filled in, without backticks."""
    found = []
    for file in sorted((ROOT / "tap_croct").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(re.sub(r"%[.\d]*[sdfr]", "\0", text).replace("`", "") for text in found)


def missing(message: str) -> list[str]:
    """Return the parts of a quoted message, between its `…`, that are in no text of the tap."""
    parts = [part.strip(" .:;(),\"'") for part in message.split("…")]
    return [part for part in parts if part and not any(part in text for text in texts_of_the_tap())]


def quoted() -> Iterator[str]:
    """Yield the messages that the list items of two pages begin with."""
    for page in (TROUBLESHOOTING, OPERATIONS):
        for codes in re.findall(r"^- (`[^`]+`(?:, `[^`]+`)*):", page, re.MULTILINE):
            yield from re.findall(r"`([^`]+)`", codes)


MESSAGES = sorted(set(quoted()))


@pytest.mark.parametrize("message", MESSAGES)
def test_the_message_exists(message: str) -> None:
    assert missing(re.sub(r"^\d{3} ", "", message)) == []  # the status is the API's


def test_messages_are_found_and_missed() -> None:
    assert len(MESSAGES) > 15
    assert missing("The catalog selects no stream, and so on") != []


# Links


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if "://" not in link:
                path, _, anchor = link.partition("#")
                target = page.parent / path if path else page
                assert target.exists(), (page, link)
                assert not anchor or anchor in headings(target), (page, link)


# Files


@pytest.mark.parametrize(
    ("page", "folder", "least"), [("CONTRIBUTING", "tap_croct", 15), ("docs/reliability", ".", 6)]
)
def test_files_that_are_named_exist(page: str, folder: str, least: int) -> None:
    """The modules on the path of a record, and the tests that hold a promise."""
    text = (ROOT / f"{page}.md").read_text()
    named = {
        name
        for name in re.findall(r"`([\w/]+\.py)`", text)
        if name.startswith(("dev/", "tests/")) or "/" not in name
    }
    assert len(named) >= least
    assert [
        name for name in named if not (ROOT / folder / name).exists() and not (ROOT / name).exists()
    ] == []


# Versions


def test_the_targets_are_those_that_tests_load() -> None:
    pins = {
        line
        for file in REQUIREMENTS.glob("*.txt")
        for line in file.read_text().splitlines()
        if "==" in line
    }
    tried = {
        "==".join(row["package"].split("` ")).strip("`")
        for row in table("docs/targets.md", "Targets")
    }
    assert len(tried) == 7
    assert tried <= pins


# Sample rows


def test_the_sample_rows_are_those_of_the_demo() -> None:
    """One row of each table: texts as they are, objects pair by pair, as far as they are shown."""
    world = World(visits=250)
    for stream in STREAMS:
        (block,) = re.findall(rf"^croct\.{stream} .*\n\n((?:  .+\n)+)", README, re.MULTILINE)
        shown = dict(re.findall(r"^  (\w+) +(.+)$", block, re.MULTILINE))
        records = {record[KEYS[stream]]: record for record in expected_records(world, stream)}
        record = records[shown[KEYS[stream].lower()]]
        for column, value in {name.lower(): value for name, value in record.items()}.items():
            if isinstance(value, dict):
                for pair in re.findall(r'"[^"]+": (?:"[^"…]*"|[\d.]+)', shown.pop(column, "")):
                    assert pair in json.dumps(value)
            elif column in shown:
                assert shown.pop(column).replace(" ", "T") in {value, value.removesuffix("Z")}
        assert shown == {}


def test_the_warehouse_of_the_demo_opens(tmp_path: Path) -> None:
    """The command that the README has for it; the demo itself takes too long here."""
    warehouse = tmp_path / "output" / "demo" / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema croct")
        connection.execute("create table croct.events as select 'orderPlaced' as eventtype")
    (command,) = re.findall(r"```bash\n(\.venv/bin/python .+?)```", README, re.DOTALL)
    command = command.replace(".venv/bin/python", shlex.quote(sys.executable), 1)
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "orderPlaced" in done.stdout
    assert 'OUTPUT = ROOT / "output" / "demo"' in (ROOT / "dev" / "demo.py").read_text()


# The data dictionary says what the schemas say

DICTIONARY = dictionary.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert dictionary.page() == DICTIONARY, "docs/streams.md is out of date: run `make dictionary`"
    assert schemas.EVENT_DESCRIPTIONS.keys() == schemas.PAYLOADS.keys()


# Tools that measure and compare do what they say; how fast the tap is, no test asks


@pytest.mark.slow
def test_each_figure_has_its_limit_and_a_missed_one_is_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With 1,000 records, starting up alone is more than a third of what the template takes."""
    assert bench.main(["--only", "batch", "discovery", "--records", "1000", "--runs", "1"]) == 1
    text = capsys.readouterr().out
    assert re.search(
        r"^\| events, batch files .+ 1/[\d.]+ \(1/3\).+ MISSED \|$", text, re.MULTILINE
    )
    assert re.search(r"^\| `--discover`.+ [\d.]+ \(1\.7\).+ (ok|MISSED) +\|$", text, re.MULTILINE)


# What compares warehouses with the source sees each kind of difference


def stored(record: Record) -> Record:
    return {**record, "lastModifiedTime": record["lastModifiedTime"].removesuffix("Z")}


CHANGES = [
    (lambda rows: None, None),
    (lambda rows: rows.pop(), "is missing"),
    (lambda rows: rows[0].update(added=1), "columns that no record has: ['added']"),
    (lambda rows: rows[0].update(lastModifiedTime="2026-01-01"), "lastModifiedTime: "),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_difference_is_a_line(change: Callable[[list[Record]], object], said: str | None) -> None:
    wanted = [{**user, "birthDate": None} for user in expected_records(World(visits=9), "users")]
    rows = list(map(stored, wanted))
    change(rows)
    lines = row_differences("users", rows, wanted)
    assert (lines == []) is (said is None)
    assert said is None or said in "\n".join(lines)
