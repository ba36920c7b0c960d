"""The task of running text: the next token, in windows.

Shape letters: B batch, T time, N scored positions, M scored tokens of all rows, O tokens that can
be predicted; `tokens_BT1` has T + 1 tokens a row, the inputs and the token after the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lmtune.datasets import Dataset, training_windows
from lmtune.models import LanguageModel, num_targets
from lmtune.spec.model import RecurrentConfig
from lmtune.spec.trial import TrialConfig
from lmtune.training.evaluation import Scores, evaluate
from lmtune.training.generation_evaluation import score_continuations
from lmtune.training.text_scores import TextScores


@dataclass(frozen=True)
class WindowBatch:
    """Windows of a running text, whose last `num_targets` tokens are scored."""

    tokens_BT1: Tensor
    num_targets: int

    @property
    def num_scored(self) -> int:
        """Tokens to be predicted."""
        return self.tokens_BT1.shape[0] * self.num_targets

    @property
    def num_read(self) -> int:
        """Tokens of all windows."""
        return self.tokens_BT1.shape[0] * (self.tokens_BT1.shape[1] - 1)

    def parts(self, count: int) -> Iterator[WindowBatch]:
        """The windows in so many parts."""
        for part_BT1 in self.tokens_BT1.chunk(count):
            yield WindowBatch(part_BT1, self.num_targets)

    def predict(self, model: LanguageModel) -> tuple[Tensor, Tensor]:
        """Logits (M, O) and the true tokens (M)."""
        logits_BNO = model.next_token_logits(self.tokens_BT1[:, :-1], self.num_targets)
        targets_BN = self.tokens_BT1[:, -self.num_targets :]
        return logits_BNO.flatten(0, 1), targets_BN.flatten()


class TextTask:
    """Windows of the training split, and every token of another split scored once."""

    def __init__(
        self, config: TrialConfig, dataset: Dataset, *, seed: int, device: torch.device
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.device = device
        self.batch_size = config.training.batch_size
        context_length = config.dataset.context_length
        self.num_targets = num_targets(config.model, context_length)
        self.windows = training_windows(
            dataset.train.tokens, context_length=context_length, seed=seed
        )
        self.steps_per_pass = max(1, self.windows.windows_per_pass // self.batch_size)

    def batch(self, step: int) -> WindowBatch:
        """The windows of a step."""
        windows = self.windows.batch(step * self.batch_size, self.batch_size)
        return WindowBatch(torch.from_numpy(windows).to(self.device), self.num_targets)

    def evaluate(self, model: LanguageModel, split: str) -> Scores:
        """Score every token of a split but the first."""
        config = self.config.model
        return evaluate(
            model,
            self.dataset.splits[split],
            context_length=self.config.dataset.context_length,
            device=self.device,
            carry_state=isinstance(config, RecurrentConfig) and config.carry_state,
        )

    def evaluate_generation(self, model: LanguageModel, split: str) -> TextScores:
        """Score greedy or other continuations of prompts that are spread over the split."""
        assert self.config.generation is not None
        return score_continuations(
            model,
            self.dataset,
            split,
            asked=self.config.generation,
            context_length=self.config.dataset.context_length,
            device=self.device,
        )
