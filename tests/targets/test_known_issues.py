"""The known issues of `docs/targets.md`, each as it is: a release that cures one fails its test."""

import json
import subprocess
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest
from packaging.requirements import Requirement

from dev.environments import environment
from dev.expected import STREAMS, by_key, expected_records
from dev.postgres import Postgres
from dev.running import clean_environment, run_tap, write
from dev.sandbox import Sandbox
from tests.support import duck
from tests.support.loaded import DuckDB, Jsonl, PostgresTarget, S3Jsonl
from tests.support.pipes import Pipe
from tests.support.runs import batches
from tests.support.s3 import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

PIPELINEWISE = "pipelinewise-target-postgres"
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


def csv(folder: Path, scheme: str = "{stream_name}.csv", **settings: Any) -> Pipe:
    """Return target-csv, which writes into a folder."""
    config = {"output_path": str(folder), "file_naming_scheme": scheme, **settings}
    return Pipe(folder, "target-csv", config)


def refusal(pipe: Pipe, messages: str) -> str:
    """Return what a target says that does not load the messages."""
    done = pipe.load(messages)
    assert done.returncode != 0, pipe.target
    return done.stderr.decode()


def test_flattening_in_the_target_loses_free_maps(
    sandbox: Sandbox, tmp_path: Path, database: Postgres
) -> None:
    """Silently; flattening in the tap does not."""
    level: dict[str, Any] = {"data_flattening_max_level": 3}
    targets = (
        DuckDB(tmp_path, **level),
        PostgresTarget(tmp_path, database, "flat_pw", PIPELINEWISE, **level),
    )
    assert any(session["attributes"] for session in sandbox.world.items("sessions"))
    for target in targets:
        target.run(sandbox.config())
        assert {row["attributes"] for row in target.records("sessions")} == {None}


def test_pipelinewise_postgres_stores_a_line_break_as_two_characters(
    sandbox: Sandbox, tmp_path: Path, database: Postgres
) -> None:
    user = {**sandbox.world.items("users")[0], "jobTitle": "one\ntwo"}
    sandbox.world.logs["users"].extend([user])
    for target, stored in ((PIPELINEWISE, "one\\ntwo"), ("target-postgres", "one\ntwo")):
        schema = f"breaks_{target[0]}"
        PostgresTarget(tmp_path, database, schema, target).run(sandbox.config())
        found = database.query(f"select * from {schema}.users where company is null or true")
        titles = [row.get("jobTitle", row.get("jobtitle")) for row in found]
        assert [title for title in titles if title] == [stored]


class TestFirstRecordOfABatch:
    """target-duckdb 0.8.0 has DuckDB guess whether a CSV file without a header has one."""

    TEXTS: ClassVar[dict[str, Any]] = {
        "users": {"__else__": "__NULL__", "userId": "userId", "email": "email"}
    }

    def lost(self, target: DuckDB, sandbox: Sandbox, **settings: Any) -> list[int]:
        """Return the positions of the users that are not in the warehouse."""
        target.run(sandbox.config(**settings))
        (rows,) = duck.query(Path(target.file), "select userid from croct.users")
        found = {row["userid"] for row in rows}
        wanted = [user["userId"] for user in sandbox.world.items("users")]
        return [number for number, key in enumerate(wanted) if key not in found]

    def test_a_newer_duckdb(self, sandbox: Sandbox, tmp_path: Path) -> None:
        target = DuckDB(tmp_path, environment="target-duckdb-newer", batch_size_rows=5)
        assert {number % 5 for number in self.lost(target, sandbox)} == {0}

    @pytest.mark.parametrize("column_of_times", [False, True])
    def test_only_texts(self, sandbox: Sandbox, tmp_path: Path, *, column_of_times: bool) -> None:
        target = DuckDB(tmp_path, batch_size_rows=5, add_metadata_columns=column_of_times)
        lost = self.lost(target, sandbox, stream_maps=self.TEXTS)
        assert {number % 5 for number in lost} == (set() if column_of_times else {0})


def test_postgres_does_not_change_the_type_of_a_column(
    sandbox: Sandbox, tmp_path: Path, database: Postgres
) -> None:
    """Flattened, `additionalProperties` and free maps are texts; unflattened, objects."""
    target = PostgresTarget(tmp_path, database, "retyped")
    target.run(sandbox.config())
    messages = run_tap(tmp_path, sandbox.config(**FLAT)).stdout
    assert "Altering columns is not supported" in refusal(target, messages)


class TestCsv:
    """Overwrites its files on every run, unless their names have the time."""

    @pytest.mark.parametrize(
        ("scheme", "files"), [("{stream_name}.csv", 1), ("{stream_name}-{timestamp}.csv", 2)]
    )
    def test_two_runs(self, sandbox: Sandbox, tmp_path: Path, scheme: str, files: int) -> None:
        pipe = csv(tmp_path, scheme, timestamp_timezone="UTC")
        pipe.run(sandbox.config(**FLAT))
        time.sleep(1.1)  # the time in the name has seconds
        sandbox.world.visits(3)
        pipe.run(sandbox.config(**FLAT))
        written = list(tmp_path.glob("sessions*.csv"))
        assert len(written) == files
        rows = sum(len(file.read_text(encoding="utf-8").splitlines()) - 1 for file in written)
        assert rows == (3 if files == 1 else len(sandbox.world.items("sessions")))

    def test_nested_objects_are_not_json(self, sandbox: Sandbox, tmp_path: Path) -> None:
        """They are as Python prints them, unless the tap flattens."""
        csv(tmp_path).run(sandbox.config())
        text = (tmp_path / "events.csv").read_text(encoding="utf-8")
        assert "'@type': 'orderPlaced'" in text
        assert "Decimal('" in text


def test_who_understands_batch_files(
    sandbox: Sandbox, tmp_path: Path, database: Postgres, s3: S3Server
) -> None:
    (tmp_path / "batches").mkdir()
    messages = run_tap(tmp_path, sandbox.config(**batches(tmp_path / "batches"))).stdout
    postgres = PostgresTarget(tmp_path, database, "batches")
    assert postgres.load(messages).returncode == 0
    tables = postgres.tables()
    assert csv(tmp_path).load(messages).returncode == 0
    for stream in STREAMS:
        for key, record in by_key(stream, expected_records(sandbox.world, stream)).items():
            assert {name: tables[stream][key][name] for name in record} == record
        lines = (tmp_path / f"{stream}.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) - 1 == len(sandbox.world.items(stream))
    assert list((tmp_path / "batches").iterdir())  # nobody removes them
    pipelinewise = PostgresTarget(tmp_path, database, "batches_pw", PIPELINEWISE)
    for pipe in (DuckDB(tmp_path), Jsonl(tmp_path), pipelinewise):
        refusal(pipe, messages)
    target = S3Jsonl(tmp_path, s3, "batches")
    assert target.load(messages).returncode == 0  # says "Unknown line type"
    assert target.objects() == {}


def test_the_state_when_a_run_is_cut(
    sandbox: Sandbox, tmp_path: Path, database: Postgres, s3: S3Server
) -> None:
    """What a target leaves that got everything but the end, and is killed then."""
    messages = run_tap(tmp_path, sandbox.config(page_size=100)).stdout

    def pipelinewise(schema: str, **settings: Any) -> Pipe:
        return PostgresTarget(tmp_path, database, schema, PIPELINEWISE, **settings)

    often: dict[str, Any] = {"batch_size_rows": 100}
    for target in (DuckDB(tmp_path, **often), pipelinewise("cut1", **often)):
        with started(target, messages) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["bookmarks"]
            process.kill()
    (tmp_path / "another").mkdir()
    without = [
        DuckDB(tmp_path / "another"),
        pipelinewise("cut2"),
        PostgresTarget(tmp_path, database, "cut3"),
        PostgresTarget(tmp_path, database, "cut4", **often),
        Jsonl(tmp_path),
        csv(tmp_path),
        S3Jsonl(tmp_path, s3, "cut"),
    ]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(target, messages)) for target in without]
        time.sleep(3)
        for target, process in zip(without, processes, strict=True):
            assert process.poll() is None, target.target
            process.kill()
            assert process.communicate()[0] == b"", target.target


def started(target: Pipe, messages: str) -> subprocess.Popen[bytes]:
    """Start a target that has got all messages, and waits for more."""
    config = target.folder / f"{target.target}-{len(list(target.folder.iterdir()))}.json"
    process = subprocess.Popen(
        [target.program, "--config", write(config, target.target_config)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=target.folder, env=clean_environment(),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(messages.encode())
    process.stdin.flush()
    return process


def test_targets_that_validate(sandbox: Sandbox, tmp_path: Path) -> None:
    """They stop at a value of a wrong type, unless they are told not to."""
    session = {**sandbox.world.items("sessions")[0], "referrer": 5}
    sandbox.world.logs["sessions"].extend([session])
    wrong = run_tap(tmp_path, sandbox.config(**FLAT)).stdout
    for target in (Jsonl(tmp_path), csv(tmp_path)):
        assert "5 is not of type" in refusal(target, wrong)
    assert csv(tmp_path, validate_records=False).load(wrong).returncode == 0


def test_target_jsonl_does_not_fit_into_the_environment_of_the_tap() -> None:
    """It pins versions that the tap can't work with."""
    site = next(environment("target-jsonl").parent.glob("lib/*/site-packages"))
    (target,) = metadata.distributions(name="target-jsonl", path=[str(site)])
    pins = {r.name: r for r in map(Requirement, target.requires or ())}
    needs = {r.name: r for r in map(Requirement, metadata.requires("tap-croct") or ())}
    installed = metadata.version("jsonschema")
    assert needs["jsonschema"].specifier.contains(installed)
    assert not pins["jsonschema"].specifier.contains(installed)
