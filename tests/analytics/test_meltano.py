"""`meltano run tap-croct … dbt-…:build`, as it stands in a clone."""

import subprocess
from pathlib import Path

import pytest

from dev.environments import ROOT, TOOLS, environment
from dev.running import clean_environment
from dev.sandbox import Sandbox
from tests.analytics.models import Expected, differences
from tests.analytics.warehouses import Warehouse

TARGETS = {"duckdb": "target-duckdb", "postgres": "target-postgres"}


@pytest.mark.slow
@pytest.mark.xdist_group("dbt through Meltano")  # one at a time: they install in the same folder
def test_load_and_build(sandbox: Sandbox, place: Warehouse, tmp_path: Path) -> None:
    project = TOOLS / "dbt-through-meltano"  # with its plugins, which take long to install
    project.mkdir(parents=True, exist_ok=True)
    if not (project / "transform").exists():
        (project / "transform").symlink_to(ROOT / "transform")
    text = (ROOT / "meltano.yml").read_text()
    (project / "meltano.yml").write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
    variables = {
        "TAP_CROCT_API_URL": sandbox.url,
        "TAP_CROCT_API_KEY": sandbox.switches.api_key,
        "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / 'meltano.db'}",
        "CROCT_ANALYTICS_SCHEMA": "through_meltano",
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        **place.variables(),
    }
    if place.engine == "postgres":
        # A socket has no place among the parts of an address that the loader puts together.
        place.execute("drop schema if exists croct cascade")
        variables["TARGET_POSTGRES_SQLALCHEMY_URL"] = place.address

    def meltano(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [environment("meltano") / "meltano", *args],
            cwd=project, env=clean_environment(**variables), capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    target, dbt = TARGETS[place.engine], f"dbt-{place.engine}"
    done = meltano("run", "tap-croct", target, f"{dbt}:build")
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = Expected.of(sandbox.world).tables()["croct__daily"]
    assert differences("croct__daily", place.rows("croct__daily", "through_meltano"), wanted) == []

    if place.engine == "postgres":
        return
    place.execute("drop table croct.users cascade")
    place.execute("create table croct.users as select null as userid")
    done = meltano("run", f"{dbt}:full-refresh")
    assert done.returncode == 1
    assert "not_null_stg_croct__users_user_id" in done.stdout + done.stderr
