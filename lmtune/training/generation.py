"""Let a model write: go on with prompts, or write the targets of sources.

Prompts of one length are read together; each text is what it would be by itself, but for the
rounding of logits. Shape letters: B batch, T time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmtune.models import LanguageModel
from lmtune.spec.decoding import DecodingConfig
from lmtune.training.decoding import Draws, OpenTexts, RunningTexts, write_tokens
from lmtune.training.evaluation import evaluating

Tokens = NDArray[np.integer]


def generate(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    *,
    max_new_tokens: int,
    decoding: DecodingConfig,
    context_length: int,
    end_token: int | None = None,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> list[list[int]]:
    """Go on with prompts.

    A text that outgrows what the model can look back on goes on from the last half of
    `context_length` tokens.

    Args:
        model: on `device`; in evaluation mode meanwhile.
        prompts: from one token each; of a longer one the last `context_length` tokens are read.
        max_new_tokens: for each, an end token included; from 1.
        decoding: how tokens are chosen.
        context_length: of the model.
        end_token: ends a text; None where texts have no end.
        generator: what sampling draws from; None for torch's global one of the CPU.
        device: where the model is.
        batch_size: texts at once.

    Returns:
        The tokens after each prompt, without the end token.

    Raises:
        ValueError: a prompt is empty.
    """
    writer = _Writer(model, decoding, context_length, max_new_tokens, end_token, start_token=None)
    return writer.write_all(prompts, generator, device, batch_size)


def generate_targets(
    model: LanguageModel,
    sources: Sequence[Tokens],
    *,
    start_token: int,
    end_token: int,
    max_new_tokens: int,
    decoding: DecodingConfig,
    context_length: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> list[list[int]]:
    """Write the targets of sources.

    Source, start token and target have room in `context_length` tokens, for every architecture.

    Args:
        model: on `device`; in evaluation mode meanwhile.
        sources: from one token each, to `context_length` - 1.
        start_token: what stands between source and target.
        end_token: ends a target.
        max_new_tokens: for each target, the end token included; from 1.
        decoding: how tokens are chosen.
        context_length: of the model.
        generator: what sampling draws from; None for torch's global one of the CPU.
        device: where the model is.
        batch_size: targets at once.

    Returns:
        The tokens of each target, without the end token.

    Raises:
        ValueError: a source is empty or too long.
    """
    writer = _Writer(model, decoding, context_length, max_new_tokens, end_token, start_token)
    return writer.write_all(sources, generator, device, batch_size)


@torch.inference_mode()
def stream_tokens(
    model: LanguageModel,
    prompt: Tokens,
    *,
    max_new_tokens: int,
    decoding: DecodingConfig,
    context_length: int,
    start_token: int | None = None,
    end_token: int | None = None,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[int]:
    """Write one text and yield each token as soon as it is decided.

    The tokens are those of `generate` for this prompt alone or, with a start token, those of
    `generate_targets` for this source. Beam search decides all of them at the end.

    Args:
        model: on `device`, in evaluation mode.
        prompt: see there.
        max_new_tokens: see there.
        decoding: see there.
        context_length: see there.
        start_token: of targets; None to go on with the prompt.
        end_token: see there.
        generator: see there.
        device: see there.

    Raises:
        ValueError: the prompt is empty, or a source that is too long.
    """
    writer = _Writer(model, decoding, context_length, max_new_tokens, end_token, start_token)
    writer.check([prompt])
    draws = Draws(generator, num_texts=1, num_tokens=max_new_tokens)
    ((numbers, prompts_BT),) = _batches([prompt], 1, device)
    for _, token in writer.write_batch(numbers, prompts_BT, draws):
        yield token


@dataclass(frozen=True)
class _Writer:
    """What the functions above share; `start_token` is None for running text."""

    model: LanguageModel
    decoding: DecodingConfig
    context_length: int
    max_new_tokens: int
    end_token: int | None
    start_token: int | None

    def check(self, prompts: Sequence[Tokens]) -> None:
        """Refuse what the model cannot read.

        Raises:
            ValueError: a prompt is empty, or a source too long.
        """
        for number, prompt in enumerate(prompts):
            if len(prompt) == 0:
                raise ValueError(f"text {number} is empty: there is nothing to go on from")
            if self.start_token is not None and len(prompt) >= self.context_length:
                raise ValueError(
                    f"source {number} has {len(prompt)} tokens, which leave no room for a target "
                    f"within context_length {self.context_length}"
                )

    def write_all(
        self,
        prompts: Sequence[Tokens],
        generator: torch.Generator | None,
        device: torch.device | str,
        batch_size: int,
    ) -> list[list[int]]:
        """Write the text of each prompt, in the order of the prompts."""
        self.check(prompts)
        written: list[list[int]] = [[] for _ in prompts]
        draws = Draws(generator, num_texts=len(prompts), num_tokens=self.max_new_tokens)
        with evaluating(self.model):
            for numbers, prompts_BT in _batches(prompts, batch_size, device):
                for number, token in self.write_batch(numbers, prompts_BT, draws):
                    written[number].append(token)
        return written

    def write_batch(
        self, numbers: list[int], prompts_BT: Tensor, draws: Draws
    ) -> Iterator[tuple[int, int]]:
        """Yield the number of a text and its next token, as `write_tokens` does."""
        max_new_tokens = self.max_new_tokens
        if self.start_token is None:
            texts: OpenTexts = RunningTexts(self.model, numbers, prompts_BT, self.context_length)
        else:
            # The start token needs room as well, the last token does not: nothing comes after it.
            max_new_tokens = min(max_new_tokens, self.context_length - prompts_BT.shape[1])
            opened = self.model.open_pair_stream(prompts_BT, self.start_token)
            texts = OpenTexts(self.model, numbers, opened)
        return write_tokens(
            texts,
            self.decoding,
            max_new_tokens=max_new_tokens,
            end_token=self.end_token,
            draws=draws,
        )


def _batches(
    prompts: Sequence[Tokens], batch_size: int, device: torch.device | str
) -> Iterator[tuple[list[int], Tensor]]:
    """Put prompts of one length together, shortest first: their numbers, and int64 (B, T)."""
    numbers_of: defaultdict[int, list[int]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        numbers_of[len(prompt)].append(number)
    for _, numbers in sorted(numbers_of.items()):
        for first in range(0, len(numbers), batch_size):
            some = numbers[first : first + batch_size]
            tokens = np.stack([prompts[number] for number in some]).astype(np.int64)
            yield some, torch.from_numpy(tokens).to(device)
