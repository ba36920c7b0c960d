"""Beam search against greedy decoding and against looking at every text there is."""

from __future__ import annotations

import numpy as np
import pytest

from lmtune.spec.decoding import BeamDecoding, GreedyDecoding
from lmtune.training.decoding import Draws, write_tokens
from lmtune.training.generation import generate, generate_targets
from tests.training.recalling_model import (
    END_TOKEN,
    START_TOKEN,
    Reader,
    RecallingModel,
    best_text,
    greedy_by_hand,
    log_probability_of,
    open_texts,
    score,
)

ALPHAS = [0.0, 0.6, 2.5]
SOURCES = [np.array([a, b]) for a in range(1, 6) for b in range(1, 6)]


def beam(beam_size: int, alpha: float) -> BeamDecoding:
    return BeamDecoding(type="beam", beam_size=beam_size, length_penalty=alpha)


def search(config: BeamDecoding, *, num_outputs: int, max_new_tokens: int) -> list[list[int]]:
    return generate_targets(
        RecallingModel(num_outputs),
        SOURCES,
        start_token=START_TOKEN,
        end_token=END_TOKEN,
        max_new_tokens=max_new_tokens,
        decoding=config,
        context_length=32,
    )


def readers(num_outputs: int) -> list[Reader]:
    return [Reader([*source.tolist(), START_TOKEN], num_outputs) for source in SOURCES]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_beam_search_with_one_beam_is_greedy(alpha: float) -> None:
    written = search(beam(1, alpha), num_outputs=5, max_new_tokens=4)
    assert written == [greedy_by_hand(reader, 4, END_TOKEN) for reader in readers(5)]
    assert {len(text) for text in written} >= {0, 1, 4}, "some end, some are cut off"


def beam_by_hand(reader: Reader, max_new_tokens: int, beam_size: int, alpha: float) -> list[int]:
    """Step by step, until as many have ended as there are beams."""
    beams: list[tuple[float, list[int], Reader]] = [(0.0, [], reader)]
    ended: list[tuple[float, list[int]]] = []
    for num_tokens in range(1, max_new_tokens + 1):
        longer = [
            (total + more, text, token, before)
            for total, text, before in beams
            for token, more in enumerate(before.logits().double().log_softmax(dim=0).tolist())
        ]
        longer.sort(key=lambda each: -each[0])
        for total, text, token, _ in longer[:beam_size]:
            if token == END_TOKEN:
                ended.append((score(total, num_tokens, alpha), text))
        if len(ended) >= beam_size:
            break
        going_on = [each for each in longer if each[2] != END_TOKEN][:beam_size]
        beams = [
            (total, [*text, token], before.read(token)) for total, text, token, before in going_on
        ]
    else:
        ended += [(score(total, max_new_tokens, alpha), text) for total, text, _ in beams]
    return max(ended, key=lambda each: each[0])[1]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beam_size", [1, 2, 3, 8])
def test_beam_search_of_any_size_follows_the_plain_procedure(beam_size: int, alpha: float) -> None:
    """The search itself stops earlier, where nothing better can come."""
    written = search(beam(beam_size, alpha), num_outputs=5, max_new_tokens=6)
    assert written == [beam_by_hand(reader, 6, beam_size, alpha) for reader in readers(5)]


def test_beam_search_with_one_beam_where_all_is_equal_is_greedy() -> None:
    draws = Draws(None, num_texts=1, num_tokens=1)
    for end_token in (0, 3):
        for config in (beam(1, 0.6), GreedyDecoding(type="greedy")):
            tokens = write_tokens(
                open_texts([[0.0, 0.0, 0.0, 0.0]]),
                config,
                max_new_tokens=1,
                end_token=end_token,
                draws=draws,
            )
            assert list(tokens) == ([] if end_token == 0 else [(0, 0)])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_beam_search_with_beams_for_all_finds_the_best_of_all_texts(alpha: float) -> None:
    """40 texts of up to 3 tokens can end, and 27 beams hold all that can go on."""
    written = search(beam(64, alpha), num_outputs=4, max_new_tokens=4)
    expected = [best_text(reader, 4, END_TOKEN, alpha) for reader in readers(4)]
    assert written == expected
    greedy = [greedy_by_hand(reader, 4, END_TOKEN) for reader in readers(4)]
    assert written != greedy, "or the search was for nothing"


def test_beam_search_without_length_penalty_with_enough_beams_is_never_below_greedy() -> None:
    written = search(beam(16, 0.0), num_outputs=5, max_new_tokens=6)
    for reader, text in zip(readers(5), written, strict=True):
        greedy = greedy_by_hand(reader, 6, END_TOKEN)
        found = log_probability_of(reader, text, 6)
        assert found >= log_probability_of(reader, greedy, 6) - 1e-9


def test_beam_search_with_a_greater_penalty_exponent_writes_longer_texts() -> None:
    lengths = [
        sum(map(len, search(beam(8, alpha), num_outputs=5, max_new_tokens=8))) for alpha in ALPHAS
    ]
    assert lengths[0] < lengths[1] < lengths[2]


def test_beam_search_of_running_text_without_end_finds_the_best_of_all_texts() -> None:
    """Through the point where the model is full and goes on from half of its context."""
    prompts = [np.array([a, 1, 2]) for a in range(6)]
    written = generate(
        RecallingModel(3, room=4),
        prompts,
        max_new_tokens=4,
        decoding=beam(64, 0.6),
        context_length=4,
    )
    for prompt, text in zip(prompts, written, strict=True):
        assert text == best_text(Reader(prompt.tolist(), 3, context_length=4), 4, None, 0.6)


def test_beam_search_of_many_texts_goes_on_with_those_that_are_not_found_yet() -> None:
    model = RecallingModel(5)
    generate(
        model,
        SOURCES,
        max_new_tokens=8,
        decoding=beam(2, 0.6),
        context_length=32,
        end_token=END_TOKEN,
    )
    assert model.num_rows[0] == len(SOURCES)
    assert all(n % 2 == 0 for n in model.num_rows[1:])
    assert model.num_rows[1:] == sorted(model.num_rows[1:], reverse=True)
    assert model.num_rows[-1] < model.num_rows[1]
