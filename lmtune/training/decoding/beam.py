"""Beam search: the likeliest text among several that are kept side by side.

Shape letters: P texts that are searched for, K beams of each, T tokens written, O tokens that can
be predicted, C candidates to go on with. Rows of the model are P x K, the beams of a text together.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lmtune.spec.decoding import BeamDecoding
from lmtune.training.decoding.draws import Draws
from lmtune.training.decoding.largest import largest
from lmtune.training.decoding.open_texts import OpenTexts


def write(
    texts: OpenTexts,
    config: BeamDecoding,
    *,
    max_new_tokens: int,
    end_token: int | None,
    draws: Draws,
) -> Iterator[tuple[int, int]]:
    """Search for the text with the highest score, and yield it when it is found.

    The score is the log-probability over ((5 + n) / 6)^alpha, n counting the tokens and the end
    token. A text that reaches `max_new_tokens` without an end competes as it is. The search for a
    text ends when as many ends as beams were found, or none of its beams can get past the best.

    With one beam it is greedy decoding.

    Source: Wu et al. 2016, eq. 14. Differs: no coverage penalty, and no pruning but by rank.
    """
    search = _Search(texts, config, max_new_tokens=max_new_tokens, end_token=end_token)
    while search.num_open > 0:
        yield from search.step()


class _Search:
    """Beam searches that go on step by step; those that end leave.

    Attributes:
        scores_PK: float64 log-probability of each beam, best first; -inf where there is none.
        written_PKT: int64 tokens of each beam.
        num_open: texts whose search has not ended.
        num_ended_P: ends found.
        best_scores_P: of the best text that ended, with the length penalty; -inf before the first.
        best: the text itself, by its number.
    """

    def __init__(
        self,
        texts: OpenTexts,
        config: BeamDecoding,
        *,
        max_new_tokens: int,
        end_token: int | None,
    ) -> None:
        num_texts, num_beams = len(texts), config.beam_size
        device = texts.logits_BO.device
        texts.select(torch.arange(num_texts, device=device).repeat_interleave(num_beams))
        self.num_open = num_texts
        self.texts = texts
        self.config = config
        self.max_new_tokens = max_new_tokens
        # No token has the number -1.
        self.end_token = -1 if end_token is None else end_token
        self.scores_PK = torch.full(
            (num_texts, num_beams), -torch.inf, dtype=torch.float64, device=device
        )
        self.scores_PK[:, 0] = 0
        self.written_PKT = torch.empty(num_texts, num_beams, 0, dtype=torch.int64, device=device)
        self.num_ended_P = torch.zeros(num_texts, dtype=torch.int64, device=device)
        self.best_scores_P = torch.full_like(self.scores_PK[:, 0], -torch.inf)
        self.best: dict[int, list[int]] = {}

    def step(self) -> Iterator[tuple[int, int]]:
        """Make each beam one token longer; yields the texts whose search has ended."""
        scores_PC, beams_PC, tokens_PC = self._candidates()
        is_end_PC = tokens_PC == self.end_token
        self._note_ends(scores_PC, beams_PC, is_end_PC)
        # The first beams of those that do not end; no more than K of 2 K candidates can end.
        order_PK = is_end_PC.int().argsort(dim=1, stable=True)[:, : self.config.beam_size]
        self.scores_PK = scores_PC.masked_fill(is_end_PC, -torch.inf).gather(1, order_PK)
        beams_PK, tokens_PK = beams_PC.gather(1, order_PK), tokens_PC.gather(1, order_PK)
        self.written_PKT = torch.cat(
            [_beams(self.written_PKT, beams_PK), tokens_PK[:, :, None]], dim=2
        )
        is_done_P = self._is_done()
        if self.written_PKT.shape[2] == self.max_new_tokens:
            self._note_unfinished(~is_done_P)
            is_done_P = torch.ones_like(is_done_P)
        numbers = self.texts.numbers_B[:: self.config.beam_size].tolist()
        for number, is_done in zip(numbers, is_done_P.tolist(), strict=True):
            if is_done:
                yield from ((number, token) for token in self.best[number])
        self._go_on(~is_done_P, beams_PK)

    def _candidates(self) -> tuple[Tensor, Tensor, Tensor]:
        """The best 2 K ways (all, if fewer) to go on: scores, from which beam, with which token."""
        num_texts, num_beams = self.scores_PK.shape
        logits_BO = self.texts.logits_BO.double()
        num_outputs = logits_BO.shape[1]
        log_probabilities = logits_BO.log_softmax(dim=-1).view(num_texts, num_beams, num_outputs)
        scores = (self.scores_PK[:, :, None] + log_probabilities).flatten(1)
        scores_PC, places_PC = largest(scores, min(2 * num_beams, scores.shape[1]))
        return scores_PC, places_PC // num_outputs, places_PC % num_outputs

    def _note_ends(self, scores_PC: Tensor, beams_PC: Tensor, is_end_PC: Tensor) -> None:
        """Take in texts that end, if they are among the best K candidates."""
        num_beams = self.config.beam_size
        is_found_PK = (is_end_PC & scores_PC.isfinite())[:, :num_beams]
        self.num_ended_P += is_found_PK.sum(dim=1)
        # All of this step are as long, so the first is the best of them.
        first_P1 = is_found_PK.int().argmax(dim=1, keepdim=True)
        self._note(
            scores_PC.gather(1, first_P1)[:, 0],
            beams_PC.gather(1, first_P1),
            is_found_PK.any(dim=1),
            num_tokens=self.written_PKT.shape[2] + 1,
        )

    def _note_unfinished(self, is_meant_P: Tensor) -> None:
        """Take in the best beam of texts that may not become longer."""
        self._note(
            self.scores_PK[:, 0],
            torch.zeros_like(self.num_ended_P)[:, None],
            is_meant_P & self.scores_PK[:, 0].isfinite(),
            num_tokens=self.max_new_tokens,
        )

    def _note(
        self, scores_P: Tensor, beams_P1: Tensor, is_meant_P: Tensor, *, num_tokens: int
    ) -> None:
        """Keep what one beam has written, where it is meant and better than what was found."""
        scores_P = scores_P / self._length_penalty(num_tokens)
        is_better_P = is_meant_P & (scores_P > self.best_scores_P)
        self.best_scores_P = torch.where(is_better_P, scores_P, self.best_scores_P)
        written_PT = _beams(self.written_PKT, beams_P1)[:, 0]
        numbers = self.texts.numbers_B[:: self.config.beam_size].tolist()
        for row in is_better_P.nonzero().flatten().tolist():
            self.best[numbers[row]] = written_PT[row].tolist()

    def _is_done(self) -> Tensor:
        """Where nothing better can come: a longer text is less likely, at most penalised less."""
        most_P = self.scores_PK[:, 0] / self._length_penalty(self.max_new_tokens)
        return (self.num_ended_P >= self.config.beam_size) | (self.best_scores_P >= most_P)

    def _length_penalty(self, num_tokens: int) -> float:
        penalty: float = ((5 + num_tokens) / 6) ** self.config.length_penalty
        return penalty

    def _go_on(self, is_open_P: Tensor, beams_PK: Tensor) -> None:
        """Read the new tokens of the searches that have not ended."""
        rows_P = is_open_P.nonzero().flatten()
        self.num_open = len(rows_P)
        if self.num_open > 0:
            first_P1 = rows_P[:, None] * self.config.beam_size
            self.texts.select((first_P1 + beams_PK[rows_P]).flatten())
            self.scores_PK = self.scores_PK[rows_P]
            self.written_PKT = self.written_PKT[rows_P]
            self.num_ended_P = self.num_ended_P[rows_P]
            self.best_scores_P = self.best_scores_P[rows_P]
            self.texts.read(self.written_PKT[:, :, -1].flatten())


def _beams(written_PKT: Tensor, beams_PN: Tensor) -> Tensor:
    """What the given beams have written, (P, N, T)."""
    rows_P1 = torch.arange(len(written_PKT), device=written_PKT.device)[:, None]
    return written_PKT[rows_P1, beams_PN]
