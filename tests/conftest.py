"""What the tests of several rooms share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.faults.figures import FIGURES, show

# A busy machine is no failure, and the same examples each time make a failure one that stays.
settings.register_profile("lmtune", deadline=None, derandomize=True, database=None)
settings.load_profile("lmtune")


@pytest.fixture(autouse=True)
def _subnormal_numbers() -> Iterator[None]:
    """Training flushes them to zero for the whole process; the tests after it may need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - xdist's, which has no types
    """Print what the tests of a worker have counted."""
    for line in getattr(node, "workeroutput", {}).get(FIGURES, ()):
        show(node.config, line)
