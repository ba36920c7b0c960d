"""Greedy decoding: the likeliest token each time."""

from __future__ import annotations

from collections.abc import Iterator

from lmtune.spec.decoding import GreedyDecoding
from lmtune.training.decoding.draws import Draws
from lmtune.training.decoding.open_texts import OpenTexts
from lmtune.training.decoding.token_by_token import write_token_by_token


def write(
    texts: OpenTexts,
    config: GreedyDecoding,
    *,
    max_new_tokens: int,
    end_token: int | None,
    draws: Draws,
) -> Iterator[tuple[int, int]]:
    """Choose the token with the largest logit; of equals, that with the lowest number."""
    return write_token_by_token(
        texts,
        lambda texts, _: texts.logits_BO.argmax(dim=-1),
        max_new_tokens=max_new_tokens,
        end_token=end_token,
    )
