"""A language model without weights, and what it writes by definition, one text at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lmtune.models import LanguageModel, PairBatch, Stream
from lmtune.training.decoding.open_texts import OpenTexts

END_TOKEN = 0
START_TOKEN = 99


@cache
def logits_after(tokens: tuple[int, ...], num_outputs: int) -> Tensor:
    """Random logits that each token decides; one in four texts ends here, more or less."""
    generator = torch.Generator().manual_seed(zlib.crc32(repr(tokens).encode()))
    logits = torch.randn(num_outputs, generator=generator) * 2
    logits[END_TOKEN] += 1
    return logits


@dataclass
class RecallingStream(Stream):
    """All tokens of each row."""

    texts: list[tuple[int, ...]]
    num_free: int | None

    def select(self, rows_B: Tensor) -> RecallingStream:
        return RecallingStream([self.texts[row] for row in rows_B.tolist()], self.num_free)


class RecallingModel(LanguageModel):
    """Its logits depend on every token that its stream holds: one too few or too many shows.

    Attributes:
        num_rows: of each call, in order.
    """

    def __init__(self, num_outputs: int = 5, room: int | None = None) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.room = room
        self.num_rows: list[int] = []

    def targets_per_window(self, context_length: int) -> int:
        raise NotImplementedError

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        raise NotImplementedError

    def pair_logits(self, pairs: PairBatch) -> Tensor:
        raise NotImplementedError

    def open_stream(self, prompt_BT: Tensor) -> tuple[Tensor, Stream]:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        num_free = None if self.room is None else self.room - prompt_BT.shape[1]
        return self._answer([tuple(text) for text in prompt_BT.tolist()], num_free)

    def open_pair_stream(self, source_BS: Tensor, start_token: int) -> tuple[Tensor, Stream]:
        assert start_token == START_TOKEN
        start_B1 = torch.full_like(source_BS[:, :1], start_token)
        return self.open_stream(torch.cat([source_BS, start_B1], dim=1))

    def step(self, tokens_B: Tensor, stream: Stream) -> tuple[Tensor, Stream]:
        assert isinstance(stream, RecallingStream)
        assert stream.num_free != 0
        texts = [
            (*text, token) for text, token in zip(stream.texts, tokens_B.tolist(), strict=True)
        ]
        return self._answer(texts, None if stream.num_free is None else stream.num_free - 1)

    def _answer(
        self, texts: list[tuple[int, ...]], num_free: int | None
    ) -> tuple[Tensor, RecallingStream]:
        assert num_free is None or num_free >= 0
        self.num_rows.append(len(texts))
        logits = torch.stack([logits_after(text, self.num_outputs) for text in texts])
        return logits, RecallingStream(texts, num_free)


class Reader:
    """One text, read by the rules: what is seen of it, and the logits of what comes next."""

    def __init__(
        self, prompt: Sequence[int], num_outputs: int = 5, context_length: int | None = None
    ) -> None:
        self.seen = tuple(prompt if context_length is None else prompt[-context_length:])
        self.text = tuple(prompt)
        self.num_outputs = num_outputs
        self.context_length = context_length

    def logits(self) -> Tensor:
        return logits_after(self.seen, self.num_outputs)

    def read(self, token: int) -> Reader:
        after = Reader((*self.text, token), self.num_outputs, self.context_length)
        after.seen = (*self.seen, token)
        if self.context_length is not None and len(self.seen) == self.context_length:
            after.seen = after.text[-(self.context_length // 2) :]
        return after


def greedy_by_hand(reader: Reader, max_new_tokens: int, end_token: int | None) -> list[int]:
    written: list[int] = []
    while len(written) < max_new_tokens:
        token = int(reader.logits().argmax())
        if token == end_token:
            break
        written.append(token)
        reader = reader.read(token)
    return written


def all_texts(
    reader: Reader, max_new_tokens: int, end_token: int | None
) -> Iterator[tuple[list[int], float, int]]:
    """Each text that can be written, its log-probability, and its number of tokens with the end."""
    log_probabilities = reader.logits().double().log_softmax(dim=0).tolist()
    for token, log_probability in enumerate(log_probabilities):
        if token == end_token:
            yield [], log_probability, 1
        elif max_new_tokens == 1:
            yield [token], log_probability, 1
        else:
            rest = all_texts(reader.read(token), max_new_tokens - 1, end_token)
            for text, more, num_tokens in rest:
                yield [token, *text], log_probability + more, num_tokens + 1


def score(log_probability: float, num_tokens: int, alpha: float) -> float:
    """Wu et al. 2016, eq. 14."""
    penalty: float = (5 + num_tokens) ** alpha / (5 + 1) ** alpha
    return log_probability / penalty


def best_text(
    reader: Reader, max_new_tokens: int, end_token: int | None, alpha: float
) -> list[int]:
    texts = all_texts(reader, max_new_tokens, end_token)
    return max(texts, key=lambda each: score(each[1], each[2], alpha))[0]


def log_probability_of(reader: Reader, text: list[int], max_new_tokens: int) -> float:
    """That the text is written, and ends where it could go on."""
    total = 0.0
    tokens = text if len(text) == max_new_tokens else [*text, END_TOKEN]
    for token in tokens:
        total += reader.logits().double().log_softmax(dim=0)[token].item()
        reader = reader.read(token)
    return total


def open_texts(logits: Sequence[Sequence[float]]) -> OpenTexts:
    """Texts about whose next token so much is known."""
    stream = RecallingStream([() for _ in logits], None)
    return OpenTexts(RecallingModel(), range(len(logits)), (torch.tensor(logits), stream))
