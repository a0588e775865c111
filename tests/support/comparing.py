"""How the outcomes of two runs are compared."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.support.converted import ADDITIONAL, declared, refused, settled
from tests.support.oracle import exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.oracle import Json, Outcome


def comparable(value: Any, *, texts: bool = False) -> Any:
    """Return a value that is equal to another only if kind and value of everything in it are.

    Numbers are equal by value, not by notation (1.50 is 1.5, 1e-7 is 1E-7), but an integer is
    never a fraction (1 is not 1.0), and true is not 1. The order of properties does not matter.

    Args:
        value: Decoded JSON.
        texts: Whether texts that hold JSON are compared as the JSON that they hold: escapes and
            notation of numbers are the encoder's choice.
    """
    if isinstance(value, dict):
        return {name: comparable(child, texts=texts) for name, child in value.items()}
    if isinstance(value, list):
        return [comparable(child, texts=texts) for child in value]
    if isinstance(value, Decimal):
        return ("fraction", value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ("integer", value)
    if texts and isinstance(value, str) and value[:1] in {"{", "["}:
        with contextlib.suppress(ValueError):
            return comparable(exactly(value), texts=True)
    return value


def differences(config: Mapping[str, Any], reference: Outcome, tap: Outcome) -> list[str]:
    """Return how the tap's output differs from the reference's, a line for each difference.

    Known and meant differences are taken out by `settled`.

    Args:
        config: The settings of both runs.
        reference: What the reference gave.
        tap: What the tap gave.
    """
    if refused(tap.error):
        return ["refused, and yet there is output"] if tap.schemas or tap.records else []
    found = [*_errors(reference, tap)]
    found += [f"records of {name} without its SCHEMA" for name in sorted(tap.without_schema)]
    if dict(reference.schemas) != dict(tap.schemas) and not (reference.error or tap.error):
        found += [
            f"SCHEMA of {name}:\n  reference {reference.schemas.get(name)}\n  tap       {tap.schemas.get(name)}"
            for name in {*reference.schemas, *tap.schemas}
            if reference.schemas.get(name) != tap.schemas.get(name)
        ]
    batch = config.get("batch_config")
    if batch and tap.largest_file > batch["batch_size"]:
        found.append(f"a batch file of {tap.largest_file} records")
    if not (batch or reference.error or tap.error) and reference.versioned != tap.versioned:
        found.append(f"versions: reference {reference.versioned}, tap {tap.versioned}")
    flattened = bool(config.get("flattening_enabled") and config["flattening_max_depth"])
    for name in sorted({*reference.records, *tap.records}):
        wanted = [
            _settled(record, reference, name, flattened) for record in reference.records[name]
        ]
        got = [_comparable_record(record, flattened) for record in tap.records[name]]
        if reference.error or tap.error:  # how much was out before it is a matter of pages
            length = min(len(wanted), len(got))
            wanted, got = wanted[:length], got[:length]
        found += _records(name, wanted, got)
    return found


def _settled(record: Json, reference: Outcome, name: str, flattened: bool) -> Json:  # noqa: FBT001
    columns = reference.schemas[name][-1]["schema"]["properties"]
    record = settled(record, columns) if flattened else declared(record, columns)
    return _comparable_record(record, flattened)


def _comparable_record(record: Json, flattened: bool) -> Json:  # noqa: FBT001
    """Return a record to compare; flattened, objects and lists in it have to be texts."""
    result: Json = {}
    for name, value in record.items():
        if name == ADDITIONAL and value is None:  # the same as being missing
            continue
        if flattened and isinstance(value, str):
            result[name] = ("text", comparable(value, texts=True))
        else:
            result[name] = comparable(value)
    return result


def _errors(reference: Outcome, tap: Outcome) -> Iterator[str]:
    if (reference.error is None) != (tap.error is None):
        yield f"error: reference {reference.error!r}, tap {tap.error!r}"


def _records(name: str, wanted: list[Any], got: list[Any]) -> Iterator[str]:
    if len(wanted) != len(got):
        yield f"{name}: {len(wanted)} records of the reference, {len(got)} of the tap"
    for number, (one, other) in enumerate(zip(wanted, got, strict=False)):
        if one != other:
            lines = [
                f"  {key}: reference {one.get(key, 'missing')!r}, tap {other.get(key, 'missing')!r}"
                for key in {**one, **other}
                if one.get(key, ...) != other.get(key, ...)
            ]
            yield "\n".join([f"{name}, record {number}:", *lines])
