"""How far long work has come, told to whoever watches: a front door, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it is, and how much there is; None where nobody knows."""

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher of all the work that is done inside the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(what: str, done: int, total: int | None) -> None:
    """Say how far some work has come; the same words go on with the same work."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(what, done, total)
