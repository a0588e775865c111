"""The known issues of `docs/targets.md`, each as it is: a release that cures one fails its test."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from packaging.requirements import Requirement

from dev.environments import environment
from dev.expected import STREAMS, by_key, expected_records
from dev.running import clean_environment, run_tap, write
from tests.support import duck
from tests.support.batches import batches
from tests.support.loaded import DuckDB, Jsonl, PostgresTarget, S3Jsonl
from tests.support.pipes import Pipe

if TYPE_CHECKING:
    from dev.postgres import Postgres
    from dev.running import Output
    from dev.sandbox import Sandbox
    from tests.support.s3 import S3Server

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

PIPELINEWISE = "pipelinewise-target-postgres"
FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


def csv(folder: Path, scheme: str = "{stream_name}.csv", **settings: Any) -> Pipe:
    """Return target-csv, which writes into a folder."""
    config = {"output_path": str(folder), "file_naming_scheme": scheme, **settings}
    return Pipe(folder, "target-csv", config)


@pytest.fixture
def messages(sandbox: Sandbox, tmp_path: Path) -> str:
    return run_tap(tmp_path, sandbox.config(page_size=100)).stdout


class TestFlatteningInTheTarget:
    """`data_flattening_max_level` loses free maps, silently; flattening in the tap does not."""

    def test_duckdb(self, sandbox: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "tap").mkdir()
        in_target = DuckDB(tmp_path, data_flattening_max_level=3)
        in_target.run(sandbox.config())
        in_tap = DuckDB(tmp_path / "tap")
        in_tap.run(sandbox.config(**FLAT))
        query = "select sessionid, attributes from croct.sessions"
        attributes = {s["sessionId"]: s["attributes"] for s in sandbox.world.items("sessions")}
        assert set(dict(in_target.query(query)).values()) == {None}
        assert {k: json.loads(v) for k, v in in_tap.query(query)} == attributes

    def test_pipelinewise_postgres(
        self, sandbox: Sandbox, tmp_path: Path, database: Postgres
    ) -> None:
        target = PostgresTarget(
            tmp_path, database, "flat_pw", PIPELINEWISE, data_flattening_max_level=3
        )
        target.run(sandbox.config())
        found = database.query("select attributes from flat_pw.sessions")
        assert {row["attributes"] for row in found} == {None}


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
    done = target.load(run_tap(tmp_path, sandbox.config(**FLAT)).stdout)
    assert done.returncode != 0
    assert "Altering columns is not supported" in done.stderr.decode()


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


class TestBatchFiles:
    """Who understands BATCH messages."""

    @pytest.fixture
    def output(self, sandbox: Sandbox, tmp_path: Path) -> Output:
        (tmp_path / "batches").mkdir()
        return run_tap(tmp_path, sandbox.config(**batches(tmp_path / "batches")))

    def test_postgres(
        self, output: Output, sandbox: Sandbox, tmp_path: Path, database: Postgres
    ) -> None:
        target = PostgresTarget(tmp_path, database, "batches")
        assert target.load(output.stdout).returncode == 0
        tables = target.tables()
        for stream in STREAMS:
            for key, record in by_key(stream, expected_records(sandbox.world, stream)).items():
                assert {name: tables[stream][key][name] for name in record} == record
        assert list((tmp_path / "batches").iterdir())  # nobody removes them

    def test_csv(self, output: Output, sandbox: Sandbox, tmp_path: Path) -> None:
        assert csv(tmp_path).load(output.stdout).returncode == 0
        for stream in STREAMS:
            lines = (tmp_path / f"{stream}.csv").read_text(encoding="utf-8").splitlines()
            assert len(lines) - 1 == len(sandbox.world.items(stream))
        assert list((tmp_path / "batches").iterdir())

    def test_the_others(
        self, output: Output, tmp_path: Path, database: Postgres, s3: S3Server
    ) -> None:
        pipelinewise = PostgresTarget(tmp_path, database, "batches_pw", PIPELINEWISE)
        for pipe in (DuckDB(tmp_path), Jsonl(tmp_path), pipelinewise):
            assert pipe.load(output.stdout).returncode != 0, pipe.target
        target = S3Jsonl(tmp_path, s3, "batches")
        done = target.load(output.stdout)
        assert done.returncode == 0  # says "Unknown line type", and loses everything
        assert target.objects() == {}


class TestStateWhenARunIsCut:
    """What state a target leaves that got everything but the end, and is killed then."""

    def test_it(self, messages: str, tmp_path: Path, database: Postgres, s3: S3Server) -> None:
        folders = [tmp_path / str(number) for number in range(9)]
        for folder in folders:
            folder.mkdir()
        often: dict[str, Any] = {"batch_size_rows": 100}
        with_state: list[Pipe] = [
            DuckDB(folders[0], **often),
            PostgresTarget(folders[1], database, "cut1", PIPELINEWISE, **often),
        ]
        without: list[Pipe] = [
            DuckDB(folders[2]),
            PostgresTarget(folders[3], database, "cut2", PIPELINEWISE),
            PostgresTarget(folders[4], database, "cut3"),
            PostgresTarget(folders[5], database, "cut4", **often),
            Jsonl(folders[6]),
            csv(folders[7]),
            S3Jsonl(folders[8], s3, "cut"),
        ]
        for target in with_state:
            with started(target, messages) as process:
                assert process.stdout is not None
                assert json.loads(process.stdout.readline())["bookmarks"]
                process.kill()
        with ExitStack() as stack:
            processes = [stack.enter_context(started(target, messages)) for target in without]
            time.sleep(3)
            for target, process in zip(without, processes, strict=True):
                assert process.poll() is None, target.target
                process.kill()
                assert process.communicate()[0] == b"", target.target


def started(target: Pipe, messages: str) -> subprocess.Popen[bytes]:
    """Start a target that has got all messages, and waits for more."""
    process = subprocess.Popen(
        [target.program, "--config", write(target.folder / "target.json", target.target_config)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=target.folder, env=clean_environment(),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(messages.encode())
    process.stdin.flush()
    return process


class TestWrongTypes:
    """A target that validates stops at a value of a wrong type, unless it is told not to."""

    @pytest.fixture
    def wrong(self, sandbox: Sandbox, tmp_path: Path) -> str:
        session = {**sandbox.world.items("sessions")[0], "referrer": 5}
        sandbox.world.logs["sessions"].extend([session])
        return run_tap(tmp_path, sandbox.config(**FLAT)).stdout

    def test_it(self, wrong: str, tmp_path: Path) -> None:
        targets: tuple[Pipe, ...] = (Jsonl(tmp_path), csv(tmp_path))
        for target in targets:
            done = target.load(wrong)
            assert done.returncode != 0
            assert "5 is not of type" in done.stderr.decode()
        assert csv(tmp_path, validate_records=False).load(wrong).returncode == 0


@pytest.mark.parametrize("quote", ["", '"'])
def test_window_is_a_reserved_word(
    sandbox: Sandbox, tmp_path: Path, database: Postgres, quote: str
) -> None:
    query = f"select {quote}window{quote} from croct.sessions limit 1"
    target = DuckDB(tmp_path)
    target.run(sandbox.config(max_records=1, page_size=1))
    if quote:
        assert target.query(query)
        assert database.query(query.replace("croct.sessions", '(select 1 as "window") as t'))
    else:
        with pytest.raises(Exception, match="syntax error"):
            target.query(query)
        with pytest.raises(AssertionError, match="syntax error"):
            database.query(query)


def test_target_jsonl_does_not_fit_into_the_environment_of_the_tap() -> None:
    """It pins versions that the tap can't work with."""
    site = next(environment("target-jsonl").parent.glob("lib/*/site-packages"))
    (target,) = metadata.distributions(name="target-jsonl", path=[str(site)])
    pins = {r.name: r for r in map(Requirement, target.requires or ())}
    needs = {r.name: r for r in map(Requirement, metadata.requires("tap-croct") or ())}
    installed = metadata.version("jsonschema")
    assert needs["jsonschema"].specifier.contains(installed)
    assert not pins["jsonschema"].specifier.contains(installed)
