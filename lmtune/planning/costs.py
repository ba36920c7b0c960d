"""Which shapes are worth a probe, and what the trials of a variant cost by what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lmtune.planning.measured import Measured
from lmtune.planning.typical import TypicalTrial
from lmtune.spec.plan import Cost

_SHAPES_A_VARIANT = 3


def shapes_to_probe(variants: Iterable[Sequence[TypicalTrial]]) -> dict[str, TypicalTrial]:
    """A trial of each shape that is to be measured, by shape.

    Args:
        variants: the typical trials of each; of many shapes the cheapest, the middle and the most
            expensive are taken, and the others read between them.
    """
    chosen = {}
    for trials in variants:
        shapes = list({trial.shape: trial for trial in sorted(trials, key=_work)}.values())
        last = len(shapes) - 1
        for number in range(_SHAPES_A_VARIANT):
            trial = shapes[round(last * number / (_SHAPES_A_VARIANT - 1))]
            chosen[trial.shape] = trial
    return chosen


def cost_of(trials: Sequence[TypicalTrial], measured: Mapping[str, Measured]) -> Cost:
    """What a trial of a variant costs: the mean over its typical trials, the largest memory.

    Args:
        trials: typical of the variant.
        measured: by shape, those of the variant that `shapes_to_probe` chose among them.
    """
    known = {trial.shape: trial for trial in sorted(trials, key=_work) if trial.shape in measured}
    works = [_work(trial) for trial in known.values()]
    points = [measured[shape] for shape in known]

    def between(trial: TypicalTrial, name: str) -> float:
        if trial.shape in measured:
            return float(getattr(measured[trial.shape], name))
        return float(np.interp(_work(trial), works, [getattr(each, name) for each in points]))

    epochs_s, trials_s = [], []
    for trial in trials:
        training = trial.config.training
        generation_s = between(trial, "generation_s")
        asked = trial.config.generation
        each_epoch = asked is not None and asked.when == "every_epoch"
        epoch_s = (
            trial.steps_per_epoch * between(trial, "step_s")
            + between(trial, "evaluation_s")
            + between(trial, "save_s")
            + (generation_s if each_epoch else 0.0)
        )
        epochs_s.append(epoch_s)
        once_s = between(trial, "build_s") + (0.0 if each_epoch else generation_s)
        trials_s.append(training.epochs * epoch_s + once_s)
    return Cost(
        epoch_s=float(np.mean(epochs_s)),
        trial_s=float(np.mean(trials_s)),
        memory_mib=max(each.memory_mib for each in points),
        gpu_memory_mib=max(each.gpu_memory_mib for each in points),
        checkpoint_mib=float(np.mean([between(trial, "checkpoint_mib") for trial in trials])),
    )


def _work(trial: TypicalTrial) -> float:
    """What the cost of a shape is read by, between shapes that were measured."""
    return trial.flops_per_step
