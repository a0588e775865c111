"""Imports of the SDK that are put off until something of them is called.

The SDK imports them for targets, which draw on several threads, and for batch files, which can lie
in any storage. Together with what they import, they take a tenth of the time of a start, and an
export that writes messages never calls them.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MODULES = ("joblib", "packaging.specifiers", "packaging.version", "upath")


class _StandIn(ModuleType):
    """Gives, under any name, a function that calls what the real module has under it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*args, **kwargs)

        return call


@contextmanager
def deferred() -> Iterator[None]:
    """Put the imports off that come while this is entered; others get the real modules."""
    stand_ins = {name: _StandIn(name) for name in _MODULES if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
