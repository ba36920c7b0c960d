"""How much room a sweep's checkpoints will take, against what is free, before anything starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from lmtune.datasets import PreparedDatasets
from lmtune.disk import size_of, size_text
from lmtune.errors import DataError, Problem, ResourceError, SpecError
from lmtune.machine import available_cpus
from lmtune.records import ExperimentFolder
from lmtune.spec.sweep import Keep, SweepSpec, Variant
from lmtune.terminal import planned_trials
from lmtune.training import trial_facts
from lmtune.tuning.keeping import KEPT

_BYTES = 4
_LAST, _BEST = 3, 1
"""Numbers for each weight: an optimizer keeps two more at most, and only `last/` holds them."""

_UNDER_WAY = 3 * _LAST + 2 * _BEST
"""The same for a trial under way: the last, the one before, and the one being written."""

_SMALLER = Keep(checkpoints="best", top_k=3)


def check_disk(
    sweep: SweepSpec, prepared: PreparedDatasets, folder: ExperimentFolder, spec: Path
) -> None:
    """Refuse a sweep whose checkpoints will not fit.

    Args:
        sweep: as understood.
        prepared: the data of all variants.
        folder: where they will be.
        spec: the sweep file, for the message.

    Raises:
        ResourceError: there is not enough room.
    """
    weights = {each.name: _most_weights(each, prepared) for each in sweep.variants}
    there = size_of(folder.path / "trials")
    existing = next(path for path in (folder.path, *folder.path.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    needed = _bytes(sweep, sweep.keep, weights)
    if needed <= free + there:
        return
    smaller = _bytes(sweep, _SMALLER, weights)
    less = ""
    if smaller < needed:
        less = f", or add `keep: {{checkpoints: best, top_k: 3}}`, which takes {size_text(smaller)}"
    have = f" ({size_text(there)} of it are there)" if there else ""
    raise ResourceError(
        Problem(
            f"{spec}: keep",
            f"the checkpoints of this sweep come to about {size_text(needed)}{have}, and "
            f"{size_text(free)} are free in {folder.path}",
            "room for all of them",
            f"free {size_text(needed - free - there)}{less}",
        )
    )


def _bytes(sweep: SweepSpec, keep: Keep, weights: dict[str, int]) -> int:
    """Bytes at most, by the numbers of weights of the variants' largest models."""
    kept = sum({"last": _LAST, "best": _BEST}[kind] for kind in KEPT[keep.checkpoints])
    trials = sorted(
        (weights[each.name] for each in sweep.variants for _ in range(_num_trials(sweep, each))),
        reverse=True,
    )
    at_once = sweep.resources.max_concurrent or available_cpus() // sweep.resources.cpu or 1
    running = sum(trials[:at_once]) * _UNDER_WAY
    return _BYTES * (running + kept * sum(trials[: keep.top_k]))


def _num_trials(sweep: SweepSpec, variant: Variant) -> int:
    return sum(planned_trials(sweep, variant).values())


def _most_weights(variant: Variant, prepared: PreparedDatasets) -> int:
    """Of the largest model that the variant may come to, as far as single values say."""
    return max(_weights(variant, prepared))


def _weights(variant: Variant, prepared: PreparedDatasets) -> Iterator[int]:
    yield trial_facts(variant.config, prepared.get(variant.config.dataset)).num_parameters
    for path, distribution in variant.parameters.items():
        if not path.startswith(("model.", "dataset.")):
            continue
        for value in distribution.corners():
            try:
                config = variant.trial_config({path: value})
                dataset = prepared.get(config.dataset)
            except (SpecError, DataError):  # this value goes with others alone
                continue
            yield trial_facts(config, dataset).num_parameters
