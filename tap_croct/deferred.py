"""Imports of the SDK that are put off until something of them is called.

The SDK imports them for targets, for batch files in any storage, for paths in responses, for
retries and for `--about`; requests, to guess the encoding of a text. Together with what they
import in turn, they take a fifth of the time of a start. An export that writes messages calls none
of them, unless a request has to be retried.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES = (
    "backoff",
    "charset_normalizer",
    "importlib_metadata",
    "joblib",
    "jsonpath_ng",
    "jsonpath_ng.ext",
    "packaging.specifiers",
    "packaging.version",
    "upath",
)


class _Deferred(type):
    """The type of a name in a stand-in: calls and `isinstance` go to what it stands for."""

    module: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._real()(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls._real())

    def _real(cls) -> Any:
        if isinstance(sys.modules.get(cls.module), _StandIn):  # called while it stands in
            del sys.modules[cls.module]
        return getattr(import_module(cls.module), cls.__name__)


class _StandIn(ModuleType):
    """Stands in for a module: has whatever name is imported from it."""

    def __getattr__(self, name: str) -> _Deferred | str:
        if name == "__version__":  # which requests checks
            return version(self.__name__)
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        return _Deferred(name, (), {"module": self.__name__})


@contextmanager
def deferred() -> Iterator[None]:
    """Put the imports off that come while this is entered; later ones get the real modules."""
    stand_ins = {name: _StandIn(name) for name in _MODULES if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
