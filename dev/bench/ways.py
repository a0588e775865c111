"""The ways that records can go, each measured beside the SDK's template and target-duckdb."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dev.bench import measuring
from dev.environments import ROOT
from dev.running import TAP, clean_environment, write

if TYPE_CHECKING:
    from pathlib import Path

FLATTENED = {"flattening_enabled": True, "flattening_max_depth": 3}
PERSONAL: dict[str, Any] = {
    "email": "sha256(email) if email else None",
    "externalUserId": "sha256(externalUserId) if externalUserId else None",
    **dict.fromkeys(("firstName", "lastName", "birthDate", "alternateEmail", "phone")),
    **dict.fromkeys(("alternatePhone", "address", "avatar", "customAttributes")),
}


@dataclass(frozen=True)
class Way:
    """A way, and what it should cost at most."""

    title: str
    stream: str
    reach: int
    """How many times less than the template."""

    config: dict[str, Any] = field(default_factory=dict)
    deselected: tuple[str, ...] = ()
    """Path of a property."""

    target: bool = True
    """Whether target-duckdb takes its output."""


WAYS = {
    "events": Way("events as they come", "events", 15),
    "sessions": Way("sessions as they come", "sessions", 15),
    "users": Way("users as they come", "users", 12),
    "cart": Way("events, `payload.cart` deselected", "events", 6, {}, ("payload", "cart")),
    "flattened-events": Way("events, flattened to depth 3", "events", 6, FLATTENED),
    "flattened-sessions": Way("sessions, flattened to depth 3", "sessions", 6, FLATTENED),
    "hashed": Way(
        "users, personal data hashed and dropped by a stream map",
        "users",
        4,
        {"stream_maps": {"users": PERSONAL}},
    ),
    "added": Way(
        "events, a column added by a stream map",
        "events",
        4,
        {"stream_maps": {"events": {"page": "payload.get('url')"}}},
    ),
    "filter": Way(
        "events, filtered by a stream map",
        "events",
        4,
        {"stream_maps": {"events": {"__filter__": "eventType != 'pageOpened'"}}},
    ),
    "batch": Way(
        "events, batch files (jsonl, gzip)",
        "events",
        4,
        {"batch_config": {"encoding": {"format": "jsonl", "compression": "gzip"}}},
        target=False,  # it knows no BATCH messages
    ),
}


@dataclass
class Sizes:
    """How much is measured, how often."""

    records: int
    runs: int
    template_runs: int
    target_records: int


def catalog(program: list[str], folder: Path, config: str, way: Way) -> Path:
    """Return a file with a program's catalog, in which all but one property is selected."""
    found = subprocess.run(
        [*program, "--config", config, "--discover"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=clean_environment(),
        check=True,
    )
    result = json.loads(found.stdout)
    breadcrumb = [part for name in way.deselected for part in ("properties", name)]
    for entry in result["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["tap_stream_id"] == way.stream
            elif metadata["breadcrumb"] == breadcrumb:
                metadata["metadata"]["selected"] = False
    file = folder / f"catalog-{program[-1]}.json"
    write(file, result)
    return file


def commands(base: str, way: Way, records: int, folder: Path) -> dict[str, list[str]]:
    """Return the commands of the tap and of the template for a way.

    Args:
        base: URL of the server.
        way: The way.
        records: How many records there are.
        folder: For files.
    """
    config = measuring.settings(base, way.stream, records) | way.config
    if "batch_config" in config:
        storage = {"root": (folder / "batches").as_uri()}
        config["batch_config"] = {**config["batch_config"], "storage": storage}
    file = write(folder / f"config-{records}.json", config)
    result = {}
    for name, program in (("tap", TAP), ("template", measuring.TEMPLATE)):
        result[name] = [*program, "--config", file]
        if way.deselected:
            result[name] += ["--catalog", str(catalog(program, folder, file, way))]
    return result


def measured(base: str, way: Way, sizes: Sizes, folder: Path) -> list[str]:
    """Measure a way; return its row of the table.

    Args:
        base: URL of the server.
        way: The way.
        sizes: How much is measured.
        folder: For files.
    """
    runs = {"tap": sizes.runs, "template": sizes.template_runs}
    cpu = measuring.best(commands(base, way, sizes.records, folder), runs, folder / "batches")
    rate = sizes.records / cpu["tap"]
    row = [
        way.title,
        f"{cpu['tap']:.2f}",
        f"{cpu['template']:.2f}",
        f"1/{cpu['template'] / cpu['tap']:.1f}",
        f"1/{way.reach}",
        f"{rate:,.0f}",
    ]
    if not way.target:
        return [*row, "", ""]
    tap = commands(base, way, sizes.target_records, folder)["tap"]
    taken = sizes.target_records / measuring.target_seconds(folder, tap)
    return [*row, f"{taken:,.0f}", f"{rate / taken:.1f}"]
