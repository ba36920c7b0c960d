"""What the tests of several rooms share."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure, and the same examples each time make a failure one that stays.
settings.register_profile("lmtune", deadline=None, derandomize=True, database=None)
settings.load_profile("lmtune")
