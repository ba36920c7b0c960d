"""What makes two searches the same search: the name of a study follows from it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lmtune.spec.search import Method
from lmtune.spec.sweep import Metric, Variant

_NO_NUMBERS = ("checkpoint_every",)
"""Fields of `training` that change no number."""


def study_name(
    variant: Variant, *, method: Method | None, seed: int, metric: Metric, data_fingerprint: str
) -> str:
    """The name of a variant's study: another question, or other data, is another study.

    Args:
        variant: what is searched, and around what.
        method: how values are proposed.
        seed: of the sampler.
        metric: what the study minimizes or maximizes.
        data_fingerprint: of the data of the variant's own configuration.
    """
    question = {
        "variant": _numbers_of(variant),
        "method": method,
        "seed": seed,
        "metric": metric.model_dump(mode="json"),
        "data_fingerprint": data_fingerprint,
    }
    digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:8]
    return f"{variant.name} {digest}"


def _numbers_of(variant: Variant) -> dict[str, Any]:
    content: dict[str, Any] = variant.model_dump(mode="json")
    for section in (content["config"]["training"], content["given"].get("training", {})):
        for field in _NO_NUMBERS:
            section.pop(field, None)
    return content
