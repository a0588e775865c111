"""From a shop's visitors to a warehouse, twice: `make demo`.

Starts the sandbox, has Meltano bring its records into a DuckDB file, lets new data arrive, has it
bring those and build the dbt models, and compares the warehouse with the source row for row.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import yaml

from dev.environments import ROOT, environment
from dev.expected import STREAMS, expected_records
from dev.running import clean_environment
from dev.sandbox import Sandbox, World
from dev.warehouse import differences

if TYPE_CHECKING:
    from dev.sandbox import Request

OUTPUT = ROOT / "output" / "demo"
WAREHOUSE = OUTPUT / "warehouse.duckdb"
VISITS = 250
MORE_VISITS = 40
PAGE_SIZE = 500

FUNNEL = """
select
    sessions.country,
    count(*) as sessions,
    count(*) filter (where has_product_view) as viewed,
    count(*) filter (where has_cart) as in_cart,
    count(*) filter (where has_checkout) as checked_out,
    count(*) filter (where has_order) as ordered,
    round(100.0 * count(*) filter (where has_order) / count(*), 1) || ' %' as conversion
from analytics.croct__sessions as sessions
where not is_bot
group by country
order by sessions desc, country
"""
DAYS = """
select day, sessions, orders, round(revenue, 2) as revenue
from analytics.croct__daily
order by day
"""
VARIANTS = """
select
    experiment_name as experiment,
    coalesce(variant_name, 'Original') as variant,
    user_count as users,
    converted_users as converted,
    round(100 * conversion_rate, 1) || ' %' as rate,
    round(revenue, 2) as revenue
from analytics.croct__experiment_results
order by experiment, variant
"""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def table(query: str) -> None:
    """Print what a query finds in the warehouse."""
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        found = connection.execute(query)
        head = [column[0] for column in found.description or ()]
        rows = [[str(value) for value in row] for row in found.fetchall()]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip())


def meltano(sandbox: Sandbox, *args: str) -> None:
    """Run Meltano; show what the tap says of its streams and what dbt built, or all if it fails."""
    log = OUTPUT / "meltano.log"
    variables = clean_environment(
        TAP_CROCT_API_URL=sandbox.url,
        TAP_CROCT_API_KEY=sandbox.switches.api_key,
        TAP_CROCT_PAGE_SIZE=str(PAGE_SIZE),
        TARGET_DUCKDB_FILEPATH=str(WAREHOUSE),
        MELTANO_DATABASE_URI=f"sqlite:///{OUTPUT / 'meltano.db'}",
        MELTANO_PROJECT_ROOT=str(ROOT),
        MELTANO_SEND_ANONYMOUS_USAGE_STATS="false",
        NO_COLOR="1",
    )
    command = [str(environment("meltano") / "meltano"), *args]
    print("  $ meltano", *args, flush=True)
    with log.open("w") as file:
        code = subprocess.run(
            command, cwd=ROOT, env=variables, stdout=file, stderr=file, check=False
        ).returncode
    lines = log.read_text().splitlines()
    if code != 0:
        print("\n".join(lines))
        sys.exit(f"`meltano {' '.join(args)}` failed")
    for stream in STREAMS:
        for line in lines:
            if (done := line.find(f"{stream}: done")) >= 0:
                print("   ", line[done:])
    for line in lines:
        if (built := line.find("Finished running")) >= 0:
            print("    dbt:", line[built:])


def show_requests(requests: list[Request]) -> None:
    """Print what the API was asked for."""
    print("  What the API was asked for, page by page:")
    for request in requests:
        cursor = request.param("cursor")
        where = "from the beginning" if cursor is None else f"from cursor …{cursor[-12:]}"
        print(f"  {request.stream:<9} {where:<27} {request.items:>4} records")


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
        counts = {stream: len(sandbox.world.items(stream)) for stream in STREAMS}
        print(f"  {sandbox.url}: {json.dumps(counts)}")

        say("Installing Meltano, and with it the tap, target-duckdb and dbt")
        environment("meltano")
        meltano(sandbox, "install", "tap-croct", "target-duckdb", "dbt-duckdb")

        say("First run: everything")
        meltano(sandbox, "run", "tap-croct", "target-duckdb")
        show_requests(sandbox.requests)

        say("In the warehouse now")
        table(
            "select 'events' as stream, count(*) as rows from croct.events union all "
            "select 'sessions', count(*) from croct.sessions union all "
            "select 'users', count(*) from croct.users"
        )
        print()
        table("select eventtype, count(*) as rows from croct.events group by 1 order by 2 desc, 1")

        say(
            f"New data arrives: {MORE_VISITS} visits, 5 late events, 4 late or changed orders, "
            "3 changed users"
        )
        sandbox.world.visits(MORE_VISITS)
        sandbox.world.late_events(5)
        sandbox.world.late_orders(4)
        sandbox.world.change_users(3)
        sandbox.requests.clear()

        say("Second run: only what is new, and then the models")
        meltano(sandbox, "run", "tap-croct", "target-duckdb", "dbt-duckdb:build")
        show_requests(sandbox.requests)
        if any(request.param("cursor") is None for request in sandbox.requests):
            sys.exit("The second run asked for pages before its bookmark")

        say("The warehouse and the source, row for row")
        check(sandbox)

        say("From product view to order, by country")
        table(FUNNEL)
        say("Revenue by day")
        table(DAYS)
        say("The variants of an experiment, within 30 days")
        table(VARIANTS)
    say(f"Done. The warehouse is {WAREHOUSE.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
