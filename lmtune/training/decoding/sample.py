"""Sampling: a token drawn by its probability, among the likeliest alone where asked for.

Shape letters: B batch, O tokens that can be predicted, C candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lmtune.spec.decoding import SampleDecoding
from lmtune.training.decoding.draws import Draws
from lmtune.training.decoding.largest import largest
from lmtune.training.decoding.open_texts import OpenTexts
from lmtune.training.decoding.token_by_token import write_token_by_token


def write(
    texts: OpenTexts,
    config: SampleDecoding,
    *,
    max_new_tokens: int,
    end_token: int | None,
    draws: Draws,
) -> Iterator[tuple[int, int]]:
    """Draw each token by the distribution that `candidates` gives."""

    def choose(texts: OpenTexts, step: int) -> Tensor:
        tokens_BC, probabilities_BC = candidates(texts.logits_BO, config)
        chosen_B = _choose(probabilities_BC, draws.of(texts.numbers_B, step))
        tokens_B = tokens_BC.gather(1, chosen_B[:, None]).squeeze(1)
        return tokens_B.to(texts.logits_BO.device)

    return write_token_by_token(texts, choose, max_new_tokens=max_new_tokens, end_token=end_token)


def candidates(logits_BO: Tensor, config: SampleDecoding) -> tuple[Tensor, Tensor]:
    """The tokens that may be drawn, and how likely each is.

    First the logits are divided by the temperature. Then the `top_k` likeliest remain. Of those,
    with probabilities that sum to 1 again, the fewest remain that together have `top_p` of it.
    Where tokens are as likely, those with lower numbers remain.

    Computed in float64 on the CPU, so that the same logits give the same on every device.

    Returns:
        int64 tokens (B, C), and their float64 probabilities, of which each row sums to 1; 0 for one
        that is out.
    """
    logits_BO = logits_BO.cpu().double()
    # Before the division, which a small temperature would make infinite.
    logits_BO = logits_BO - logits_BO.amax(dim=-1, keepdim=True)
    num_outputs = logits_BO.shape[1]
    if config.top_k is None and config.top_p == 1:
        tokens_BC = torch.arange(num_outputs).expand_as(logits_BO)
        return tokens_BC, (logits_BO / config.temperature).softmax(dim=-1)
    logits_BC, tokens_BC = largest(logits_BO, min(config.top_k or num_outputs, num_outputs))
    probabilities_BC = (logits_BC / config.temperature).softmax(dim=-1)
    if config.top_p < 1:
        before_BC = probabilities_BC.cumsum(dim=-1) - probabilities_BC
        # The likeliest token always remains: nothing comes before it.
        probabilities_BC = probabilities_BC.masked_fill(before_BC >= config.top_p, 0)
        probabilities_BC = probabilities_BC / probabilities_BC.sum(dim=-1, keepdim=True)
    return tokens_BC, probabilities_BC


def _choose(probabilities_BC: Tensor, draws_B: Tensor) -> Tensor:
    """The first candidate up to which the probabilities sum to more than the draw."""
    sums_BC = probabilities_BC.cumsum(dim=-1)
    # Times the sum of all, which rounding may leave below 1.
    bounds_B1 = draws_B[:, None] * sums_BC[:, -1:]
    return (sums_BC <= bounds_B1).sum(dim=-1)
