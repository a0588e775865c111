"""Selection: what the catalog deselects is left out, at every depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from tap_croct.decoding import open_objects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Deselected = dict[str, "Deselected | None"]
"""Names of properties that are left out (None), and of objects of which a part is."""


def deselected(mask: Mapping[tuple[str, ...], bool]) -> Deselected:
    """Return what a selection leaves out.

    Args:
        mask: Whether each breadcrumb of the catalog is selected, as the SDK resolves it.
    """
    found: Deselected = {}
    # From the top down: what lies below a property that is left out is left out with it.
    for breadcrumb in sorted((b for b, selected in mask.items() if b and not selected), key=len):
        if set(breadcrumb[::2]) == {"properties"}:
            _leave_out(found, breadcrumb[1::2])
    return found


def _leave_out(tree: Deselected, path: tuple[str, ...]) -> None:
    *parents, name = path
    for parent in parents:
        below = tree.setdefault(parent, {})
        if below is None:
            return
        tree = below
    tree[name] = None


def leave_out(items: Sequence[Any], names: Deselected) -> None:
    """Remove properties from items.

    Args:
        items: Structs; they are changed. Objects are opened only where a part of them goes.
        names: What is deselected, by attribute.
    """
    for name, below in names.items():
        if below is None:
            for item in items:
                setattr(item, name, UNSET)
            continue
        holders = [item for item in items if getattr(item, name) is not UNSET]
        values = [getattr(item, name) for item in holders]
        for item, value in zip(holders, _without(values, below), strict=True):
            if value is not None:
                setattr(item, name, value)


def _without(values: list[Any], names: Deselected) -> list[dict[str, Any] | None]:
    """Return objects without what is deselected; None for anything but an object."""
    found = open_objects(values)
    objects: list[dict[str, Any]] = [value for value in found if value is not None]
    for name, below in names.items():
        if below is None:
            for value in objects:
                value.pop(name, None)
            continue
        holders = [value for value in objects if name in value]
        nested = _without([value[name] for value in holders], below)
        for value, part in zip(holders, nested, strict=True):
            if part is not None:
                value[name] = part
    return found
