"""The task of pairs: the target of a source, every token of it and its end.

Shape letters: B batch, S source time, N target time, M scored tokens of all rows, O tokens that can
be predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lmtune.datasets import PairsDataset, PairSplit, pair_batches
from lmtune.models import LanguageModel, PairBatch
from lmtune.spec.trial import TrialConfig
from lmtune.training.evaluation import Scores, ScoreSums, evaluating
from lmtune.training.generation_evaluation import score_targets
from lmtune.training.text_scores import TextScores

EVALUATION_BATCH_SIZE = 64


@dataclass(frozen=True)
class TargetBatch:
    """Pairs whose targets, with their ends, are scored."""

    pairs: PairBatch
    num_scored: int
    num_read: int

    def parts(self, count: int) -> Iterator[TargetBatch]:
        """The pairs in so many parts, each cut to its own longest pair."""
        num_pairs = len(self.pairs.source_BS)
        size = math.ceil(num_pairs / count)
        for first in range(0, num_pairs, size):
            pairs = self.pairs if count == 1 else self.pairs.part(slice(first, first + size))
            num_scored = int(pairs.target_lengths_B.sum())
            yield TargetBatch(pairs, num_scored, num_scored + int(pairs.source_lengths_B.sum()))

    def predict(self, model: LanguageModel) -> tuple[Tensor, Tensor]:
        """Logits (M, O) and the true tokens (M)."""
        return model.pair_logits(self.pairs), self.pairs.targets_M


class PairsTask:
    """Batches of pairs of like length, and every target of another split scored once."""

    def __init__(
        self, config: TrialConfig, dataset: PairsDataset, *, seed: int, device: torch.device
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.device = device
        self.batches = pair_batches(dataset.train, batch_size=config.training.batch_size, seed=seed)
        self.steps_per_pass = self.batches.batches_per_pass

    def batch(self, step: int) -> TargetBatch:
        """The pairs of a step."""
        rows = self.batches.rows(step).tolist()
        return _collated(self.dataset, self.dataset.train, rows, self.device)

    def evaluate(self, model: LanguageModel, split: str) -> Scores:
        """Score every token of every target of a split, and the targets' ends."""
        pairs = self.dataset.splits[split]
        sums = ScoreSums(self.device)
        with evaluating(model):
            for rows in _by_length(pairs, EVALUATION_BATCH_SIZE):
                sums.add(*_collated(self.dataset, pairs, rows, self.device).predict(model))
        return sums.scores(pairs.scored_bytes)

    def evaluate_generation(self, model: LanguageModel, split: str) -> TextScores:
        """Score the targets that the model writes by itself."""
        assert self.config.generation is not None
        return score_targets(
            model,
            self.dataset,
            split,
            asked=self.config.generation,
            context_length=self.config.dataset.context_length,
            device=self.device,
        )


def _by_length(split: PairSplit, batch_size: int) -> Iterator[Sequence[int]]:
    """All pairs of a split, those of like length together, so that little is padded."""
    order = np.lexsort((split.sources.lengths, split.targets.lengths))
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size].tolist()


def _collated(
    dataset: PairsDataset, split: PairSplit, rows: Sequence[int], device: torch.device
) -> TargetBatch:
    """Put pairs side by side, each target with its end behind it."""
    end = np.array([dataset.end_token])
    sources = [torch.from_numpy(split.sources[row].astype(np.int64)) for row in rows]
    targets = [
        torch.from_numpy(np.concatenate([split.targets[row], end]).astype(np.int64)) for row in rows
    ]
    source_lengths, target_lengths = map(len, sources), [*map(len, targets)]
    source_lengths_B = torch.tensor([*source_lengths])
    target_lengths_B = torch.tensor(target_lengths)
    num_scored = sum(target_lengths)
    pairs = PairBatch(
        source_BS=pad_sequence(sources, batch_first=True, padding_value=dataset.end_token).to(
            device
        ),
        source_lengths_B=source_lengths_B.to(device),
        target_BN=pad_sequence(targets, batch_first=True, padding_value=dataset.end_token).to(
            device
        ),
        target_lengths_B=target_lengths_B.to(device),
        start_token=dataset.start_token,
    )
    return TargetBatch(pairs, num_scored, num_scored + int(source_lengths_B.sum()))
