"""Every model, in both engines, against the API's data in plain Python."""

import re
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox import Sandbox, World
from dev.sandbox.world import DAY
from tests.analytics.models import KEYS, Expected, differences
from tests.analytics.warehouses import Warehouse, own_project

pytestmark = pytest.mark.slow

RATES = {"BRL": "0.17", "USD": "0.8537", "JPY": "0.0059"}  # none for AUD and KES
VARIABLES: dict[str, Any] = {
    "croct__schema": "shop",
    "croct__reporting_currency": "EUR",
    "croct__exchange_rates": RATES,
    "croct__timezone": "Asia/Tokyo",
}


def check(place: Warehouse, schema: str, expected: Expected) -> None:
    """Compare all models in a schema with what they should hold."""
    for model, wanted in expected.tables().items():
        assert differences(model, place.rows(model, schema), wanted) == []


def expect(world: World) -> Expected:
    return Expected.of(world, reporting_currency="EUR", exchange_rates=RATES, zone="Asia/Tokyo")


def test_every_model_after_each_load(place: Warehouse, tmp_path: Path) -> None:
    """New, late and changed records, with incremental event models; then all from scratch."""
    project = own_project(tmp_path / "own", materialized="incremental")
    pipe = place.pipe("shop")
    with Sandbox(World(visits=40, currencies=True)) as sandbox:
        sandbox.world.now += 40 * DAY  # what comes late is much later than a few days
        sandbox.world.visits(15)
        pipe.run(sandbox.config())
        place.dbt("run", schema="own", project=project, **VARIABLES)
        check(place, "own", expect(sandbox.world))

        sandbox.world.visits(10)
        sandbox.world.late_events(5)
        sandbox.world.late_orders(8)
        sandbox.world.change_users(4)
        pipe.run(sandbox.config())
        if place.engine == "duckdb":  # a model by itself finds the new events, too
            alone = ("run", "--select", "croct__page_views")
            place.dbt(*alone, schema="own", project=project, **VARIABLES)
            found = place.rows("croct__page_views", "own")
            wanted = expect(sandbox.world).tables()["croct__page_views"]
            assert differences("croct__page_views", found, wanted) == []
        said = place.dbt("build", schema="own", project=project, **VARIABLES)
        assert re.search(r"WARN \d croct__one_currency", said)  # for want of some rates
        check(place, "own", expect(sandbox.world))

        added_to = {model: place.rows(model, "own") for model in KEYS}
        place.dbt("run", "--full-refresh", schema="own", project=project, **VARIABLES)
        check(place, "own", expect(sandbox.world))
    for model, rows in added_to.items():
        assert sorted(map(str, place.rows(model, "own"))) == sorted(map(str, rows))
