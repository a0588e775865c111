"""Selection: what the catalog deselects is left out, at every depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_croct.decoding import open_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def leave_out(rows: list[dict[str, Any]], names: Deselected) -> None:
    """Remove properties from records.

    Args:
        rows: Records; they are changed. Objects are opened only where a part of them goes.
        names: What is deselected.
    """
    for name, below in names.items():
        if below is None:
            for row in rows:
                row.pop(name, None)
        else:
            leave_out(open_objects(rows, name), below)
