"""Evaluations by formula: a trial in which nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lmtune.datasets import Dataset, PairsDataset
from lmtune.errors import TrialDiverged
from lmtune.models import LossFormula
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec
from lmtune.training.schedules import learning_rate_factor

_STEP_S = 1e-3
"""What a step is said to take: the same in every run, as all other numbers are."""


def evaluations_by_formula(
    trial: TrialSpec, dataset: Dataset | PairsDataset, formula: LossFormula
) -> Iterator[Evaluation]:
    """Yield an evaluation for each epoch, at once; there is no checkpoint to go on from.

    Raises:
        TrialDiverged: the formula has no finite loss.
    """
    config = trial.config
    steps_per_epoch = config.training.steps_per_epoch or 1
    num_steps = config.training.epochs * steps_per_epoch
    tokens_per_step = config.training.batch_size * config.dataset.context_length
    for epoch in range(1, config.training.epochs + 1):
        step = epoch * steps_per_epoch
        loss = formula(config, seed=trial.seed, step=step, num_steps=num_steps)
        if not math.isfinite(loss):
            raise TrialDiverged(step - 1, loss)
        factor = learning_rate_factor(config.schedule, step - 1, num_steps)
        yield Evaluation(
            epoch=epoch,
            step=step,
            train_tokens=step * tokens_per_step,
            train_loss=loss,
            val_loss=loss,
            val_perplexity=math.exp(loss),
            val_bits_per_byte=loss / math.log(2) / dataset.bytes_per_token,
            val_accuracy=math.exp(-loss),
            learning_rate=config.optimizer.learning_rate * factor,
            elapsed_s=step * _STEP_S,
        )
