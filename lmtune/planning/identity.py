"""Whether a plan still is the plan of a sweep; without torch, as it is asked before anything."""

from __future__ import annotations

import hashlib
import json

from lmtune.datasets import PreparedDatasets
from lmtune.machine import available_cpus
from lmtune.spec.sweep import SweepSpec


def content_hash(sweep: SweepSpec, prepared: PreparedDatasets) -> str:
    """A hash of what trials, their number and their cost follow from.

    Args:
        sweep: as understood.
        prepared: the data of all variants.
    """
    content = {
        "sweep": sweep.model_dump(
            mode="json",
            exclude={"question": True, "tracking": True, "overrides": True, "budget": {"time_s"}},
        ),
        "data": [prepared.get(variant.config.dataset).fingerprint for variant in sweep.variants],
        "cpus": available_cpus(),
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
