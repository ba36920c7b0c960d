"""Score a model on a whole split: each token once, from the same context for every architecture.

Shape letters: B batch, T time, N scored positions, M scored tokens of all rows, O tokens that can
be predicted; `tokens_BT1` has T + 1 tokens a row, the inputs and the token after the last.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.datasets import Split, evaluation_blocks
from lmtune.models import LanguageModel, RecurrentLanguageModel

TokenArray = NDArray[np.unsignedinteger]

STREAM_TOKENS = 1024
"""Tokens that a recurrent model reads in one call where it keeps its state; does not matter."""


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a split, teacher-forced.

    Attributes:
        loss: nats a token, over all tokens of the split but the first; of pairs, over all targets.
        bits_per_byte: bits a UTF-8 byte of the same text: comparable across tokenizers.
        accuracy: share of those tokens that the model held for the likeliest.
        num_tokens: how many they are.
    """

    loss: float
    bits_per_byte: float
    accuracy: float
    num_tokens: int

    @property
    def perplexity(self) -> float:
        """Exponential of the loss; infinite where a float cannot hold it."""
        return math.inf if self.loss > math.log(sys.float_info.max) else math.exp(self.loss)


def evaluate(
    model: LanguageModel,
    split: Split,
    *,
    context_length: int,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    carry_state: bool = False,
) -> Scores:
    """Score every token of a split but the first, which nothing comes before.

    Losses are summed in float64; the result does not depend on the batch size.

    Args:
        model: on `device`; in evaluation mode meanwhile.
        split: tokens and the bytes that they stand for.
        context_length: tokens that a prediction looks back on at most; see `evaluation_blocks`.
        device: where the model is.
        batch_size: windows at once.
        carry_state: read the split from start to end in one go instead, with a recurrent model
            that keeps its state: a longer context than `context_length`.
    """
    tokens = split.tokens
    sums = ScoreSums(torch.device(device))
    with evaluating(model):
        if carry_state:
            assert isinstance(model, RecurrentLanguageModel)
            _score_stream(model, tokens, sums)
        else:
            for windows, num_targets in _batches(tokens, context_length, batch_size):
                tokens_BT1 = sums.move(windows)
                logits_BNO = model.next_token_logits(tokens_BT1[:, :-1], num_targets)
                sums.add(logits_BNO.flatten(0, 1), tokens_BT1[:, -num_targets:].flatten())
    return sums.scores(split.scored_bytes)


@contextmanager
def evaluating(model: LanguageModel) -> Iterator[None]:
    """Put a model into evaluation mode, without gradients, and back."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


class ScoreSums:
    """Totals over all that was scored, kept on the device: fetching them would wait for it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.nats = torch.zeros((), dtype=torch.float64, device=device)
        self.hits = torch.zeros((), dtype=torch.int64, device=device)
        self.num_tokens = 0

    def move(self, windows: TokenArray) -> Tensor:
        """Token windows of any integer type as int64 on the device."""
        return torch.from_numpy(windows.astype(np.int64)).to(self.device)

    def add(self, logits_MO: Tensor, targets_M: Tensor) -> None:
        """Score the targets by the logits before them."""
        logits_MO = logits_MO.float()
        self.nats += F.cross_entropy(logits_MO, targets_M, reduction="none").double().sum()
        self.hits += (logits_MO.argmax(dim=-1) == targets_M).sum()
        self.num_tokens += targets_M.numel()

    def scores(self, scored_bytes: int) -> Scores:
        """The totals as rates."""
        nats = self.nats.item()
        return Scores(
            loss=nats / self.num_tokens,
            bits_per_byte=nats / math.log(2) / scored_bytes,
            accuracy=self.hits.item() / self.num_tokens,
            num_tokens=self.num_tokens,
        )


def _batches(
    tokens: TokenArray, context_length: int, batch_size: int
) -> Iterator[tuple[TokenArray, int]]:
    """Put blocks of one shape together: windows (B, T + 1), and how many targets each has."""
    blocks = evaluation_blocks(len(tokens), context_length)
    for (num_inputs, num_targets), group in groupby(
        blocks, key=lambda block: (block.num_inputs, block.num_targets)
    ):
        starts = [block.start for block in group]
        windows = sliding_window_view(np.asarray(tokens), num_inputs + 1)
        for first in range(0, len(starts), batch_size):
            yield windows[starts[first : first + batch_size]], num_targets


def _score_stream(model: RecurrentLanguageModel, tokens: TokenArray, sums: ScoreSums) -> None:
    state = None
    for start in range(0, len(tokens) - 1, STREAM_TOKENS):
        tokens_1T1 = sums.move(tokens[None, start : start + STREAM_TOKENS + 1])
        logits_1TO, state = model.stream_logits(tokens_1T1[:, :-1], state)
        sums.add(logits_1TO.flatten(0, 1), tokens_1T1[:, 1:].flatten())
