"""From a shop's visitors to a warehouse, twice: `make demo`.

Starts the sandbox, has Meltano bring its records into a DuckDB file, lets new data arrive, has it
bring those and build the dbt models, and compares the warehouse with the source row for row.
"""

import re
import shutil
import sys

import duckdb
import yaml

from dev.environments import ROOT
from dev.expected import STREAMS, expected_records
from dev.meltano_project import meltano
from dev.sandbox import Sandbox, World
from dev.warehouse import differences

OUTPUT = ROOT / "output" / "demo"
WAREHOUSE = OUTPUT / "warehouse.duckdb"
VISITS = 250
MORE_VISITS = 40

QUESTIONS = re.compile(r"^([^\n]+)[?:]\n\n```sql\n(.+?)```", re.DOTALL | re.MULTILINE)
"""What `docs/analytics.md` asks of the models, and how."""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def table(query: str) -> None:
    """Print what a query finds in the warehouse."""
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        print(connection.sql(query))


def run_meltano(sandbox: Sandbox, *args: str) -> None:
    """Run Meltano; show what the tap says of its streams and what dbt built, or all if it fails."""
    print("  $ meltano", *args, flush=True)
    try:
        said = meltano(
            ROOT,
            *args,
            TAP_CROCT_API_URL=sandbox.url,
            TAP_CROCT_API_KEY=sandbox.switches.api_key,
            TAP_CROCT_PAGE_SIZE="500",
            TARGET_DUCKDB_FILEPATH=str(WAREHOUSE),
            MELTANO_DATABASE_URI=f"sqlite:///{OUTPUT / 'meltano.db'}",
            MELTANO_PROJECT_ROOT=str(ROOT),
        )
    except AssertionError as failure:
        sys.exit(f"{failure}\n`meltano {' '.join(args)}` failed: see docs/troubleshooting.md")
    for line in re.findall(r"\w+: (?:starts|resumes|done).*|Finished running.*", said):
        print("   ", line)


def check(sandbox: Sandbox) -> None:
    """Compare the warehouse with the source, every row and every value.

    Exits with a message if they differ.
    """
    total = 0
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        for stream in STREAMS:
            records = expected_records(sandbox.world, stream)
            found = differences(connection, stream, records)
            if found:
                sys.exit(f"{stream}: the warehouse differs from the source:\n" + "\n".join(found))
            print(f"  {stream:<9} {len(records):>6,} rows, all values equal")
            total += len(records)
    print(f"  {total:,} rows in the warehouse, {total:,} in the source, no difference")


def check_project() -> None:
    """Exit with a message if `meltano.yml` changes what the tap exports: the comparison would fail."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (tap,) = [
        plugin for plugin in project["plugins"]["extractors"] if plugin["name"] == "tap-croct"
    ]
    if changed := sorted({"config", "metadata", "schema", "select"} & tap.keys()):
        sys.exit(
            f"meltano.yml has `{'`, `'.join(changed)}` for tap-croct, but the demo expects everything, "
            "unchanged. Run it in another clone, or put your meltano.yml aside meanwhile."
        )


def main() -> None:
    check_project()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    say("Starting the sandbox: a shop whose visitors browse, fill carts and order")
    with Sandbox(World(visits=VISITS)) as sandbox:
        print(f"  {sandbox.url}")

        say("Installing Meltano, and with it the tap, target-duckdb and dbt")
        run_meltano(sandbox, "install", "tap-croct", "target-duckdb", "dbt-duckdb")

        say("First run: everything")
        run_meltano(sandbox, "run", "tap-croct", "target-duckdb")

        say("In the warehouse now")
        counted = [f"select '{s}' as stream, count(*) as rows from croct.{s}" for s in STREAMS]
        table(" union all ".join(counted))
        table("select eventtype, count(*) as rows from croct.events group by 1 order by 2 desc, 1")

        say(f"New data: {MORE_VISITS} visits; besides, late events and orders, and changed users")
        sandbox.world.go_on(MORE_VISITS)
        sandbox.requests.clear()

        say("Second run: only what is new, and then the models")
        run_meltano(sandbox, "run", "tap-croct", "target-duckdb", "dbt-duckdb:build")
        if any(request.param("cursor") is None for request in sandbox.requests):
            sys.exit("The second run asked for pages before its bookmark")

        say("The warehouse and the source, row for row")
        check(sandbox)

        page = (ROOT / "docs" / "analytics.md").read_text(encoding="utf-8")
        for question, query in QUESTIONS.findall(page):
            say(question)
            table(query)
    say(f"Done. The warehouse is {WAREHOUSE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
