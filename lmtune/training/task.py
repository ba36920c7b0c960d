"""What a model is trained to do: which tokens it reads and which of them it is to predict.

Shape letters: M scored tokens of all rows, O tokens that can be predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from lmtune.datasets import Dataset, PairsDataset
from lmtune.models import LanguageModel
from lmtune.spec.trial import TrialConfig
from lmtune.training.evaluation import Scores
from lmtune.training.pairs_task import PairsTask
from lmtune.training.text_scores import TextScores
from lmtune.training.text_task import TextTask


class Batch(Protocol):
    """What one optimizer step learns from, or a part of it."""

    @property
    def num_scored(self) -> int:
        """Tokens to be predicted."""
        ...

    @property
    def num_read(self) -> int:
        """Tokens read, those that are only context among them."""
        ...

    def parts(self, count: int) -> Iterator[Batch]:
        """The batch in so many parts of about as many rows; one after the other."""
        ...

    def predict(self, model: LanguageModel) -> tuple[Tensor, Tensor]:
        """Logits (M, O) of the tokens to be predicted, and the int64 tokens themselves, (M)."""
        ...


class Task(Protocol):
    """An endless stream of batches, and how a model is judged.

    Attributes:
        steps_per_pass: batches in a pass over the training split.
    """

    steps_per_pass: int

    def batch(self, step: int) -> Batch:
        """The batch of a step, which depends on the task's arguments and on `step` alone."""
        ...

    def evaluate(self, model: LanguageModel, split: str) -> Scores:
        """Score a split, in fp32 whatever the precision of training is."""
        ...

    def evaluate_generation(self, model: LanguageModel, split: str) -> TextScores:
        """Score the model's own text, as the configuration asks for."""
        ...


def make_task(
    config: TrialConfig, dataset: Dataset | PairsDataset, *, seed: int, device: torch.device
) -> Task:
    """The task that a dataset stands for.

    Args:
        config: of the trial.
        dataset: prepared from the configuration's section.
        seed: of the order of the data.
        device: where the model is.
    """
    if isinstance(dataset, PairsDataset):
        return PairsTask(config, dataset, seed=seed, device=device)
    return TextTask(config, dataset, seed=seed, device=device)
