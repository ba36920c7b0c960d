"""Write texts whose tokens are decided one after the other, for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from lmtune.training.decoding.open_texts import OpenTexts


def write_token_by_token(
    texts: OpenTexts,
    choose: Callable[[OpenTexts, int], Tensor],
    *,
    max_new_tokens: int,
    end_token: int | None,
) -> Iterator[tuple[int, int]]:
    """Do what `write_tokens` does.

    Args:
        texts: see there.
        choose: from the texts and the number of the token, from 0, to the tokens (B), int64 on the
            device of the logits.
        max_new_tokens: see there.
        end_token: see there.
    """
    for step in range(max_new_tokens):
        tokens_B = choose(texts, step)
        if end_token is not None:
            goes_on_B = tokens_B != end_token
            if not goes_on_B.any():
                return
            if not goes_on_B.all():
                texts.select(goes_on_B.nonzero().flatten())
                tokens_B = tokens_B[goes_on_B]
        yield from zip(texts.numbers_B.tolist(), tokens_B.tolist(), strict=True)
        if step + 1 < max_new_tokens:
            texts.read(tokens_B)
