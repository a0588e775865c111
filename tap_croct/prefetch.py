"""One page ahead: the next page is fetched while one is written."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")


def one_ahead(pages: Iterator[_T], tick: Callable[[], float]) -> Iterator[_T]:
    """Yield pages, the next one being fetched while one is used.

    A thread fetches them: a daemon, because a run that ends must not wait for an answer. An error
    is raised when its page's turn comes. A page belongs to the caller once it is yielded.

    Args:
        pages: An iterator that fetches a page when it is asked for the next.
        tick: Called when the wait for a page begins, and again whenever it has lasted for the
            seconds that `tick` returned.

    Yields:
        What the iterator yields. The page after is asked for when one is yielded, not before.
    """
    asked: SimpleQueue[bool] = SimpleQueue()
    fetched: SimpleQueue[tuple[_T | None, BaseException | None]] = SimpleQueue()

    def fetch() -> None:
        while asked.get():
            try:
                fetched.put((next(pages, None), None))
            except BaseException as error:  # noqa: BLE001 - all, to raise them in the main thread
                fetched.put((None, error))

    def wait() -> tuple[_T | None, BaseException | None]:
        while True:
            try:
                return fetched.get(timeout=tick())
            except Empty:
                continue

    threading.Thread(target=fetch, daemon=True).start()
    asked.put(True)
    try:
        while True:
            page, error = wait()
            if error is not None:
                raise error
            if page is None:
                return
            asked.put(True)
            yield page
    finally:
        asked.put(False)
