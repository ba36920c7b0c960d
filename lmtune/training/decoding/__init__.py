"""How tokens are chosen, one way a file, named after its `type` in the configuration.

A file has `write` with the arguments of `write_tokens` but the configuration's type. It yields
tokens as they are decided, so that a terminal can show them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from lmtune.spec.decoding import DecodingConfig
from lmtune.training.decoding.draws import Draws
from lmtune.training.decoding.open_texts import OpenTexts, RunningTexts

__all__ = ["Draws", "OpenTexts", "RunningTexts", "write_tokens"]


def write_tokens(
    texts: OpenTexts,
    config: DecodingConfig,
    *,
    max_new_tokens: int,
    end_token: int | None,
    draws: Draws,
) -> Iterator[tuple[int, int]]:
    """Go on with texts until they end, each by itself.

    Args:
        texts: with a prompt read; of no use afterwards.
        config: how to choose.
        max_new_tokens: for each text, the end token included; from 1.
        end_token: ends a text and is not yielded; None where texts have no end.
        draws: what chance decides by.

    Yields:
        The number of a text, as in `texts.numbers_B`, and its next token; the tokens of a text come
        in their order.
    """
    module = importlib.import_module(f"{__name__}.{config.type}")
    yield from module.write(
        texts, config, max_new_tokens=max_new_tokens, end_token=end_token, draws=draws
    )
