"""Tune looks its trainable up once: it asks Ray's store for it about ten times a trial.

That is a seventh of the driver's time where trials are short, for an answer that never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from ray.tune import registry as tune_registry


@contextmanager
def looked_up_once() -> Iterator[None]:
    """Remember what is registered with Tune while the block runs; nothing may be registered."""
    registry = getattr(tune_registry, "_global_registry", None)  # not part of Ray's interface
    if registry is None:
        yield
        return
    registry.contains, registry.get = cache(registry.contains), cache(registry.get)
    try:
        yield
    finally:
        del registry.contains, registry.get  # those of its class are left
