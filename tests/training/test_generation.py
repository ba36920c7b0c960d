"""Generation against texts written one at a time, token by token, without a cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lmtune.spec.decoding import BeamDecoding, DecodingConfig, GreedyDecoding, SampleDecoding
from lmtune.training.generation import generate, generate_targets, stream_tokens
from tests.training.recalling_model import (
    END_TOKEN,
    START_TOKEN,
    Reader,
    RecallingModel,
    greedy_by_hand,
)

GREEDY = GreedyDecoding(type="greedy")
DECODINGS: list[DecodingConfig] = [
    GREEDY,
    SampleDecoding(type="sample", temperature=1.5),
    SampleDecoding(type="sample", top_k=3, top_p=0.9),
    BeamDecoding(type="beam", beam_size=3),
]
LENGTHS = [3, 1, 2, 3, 9, 1, 3, 8, 3]


def prompts_of(lengths: Sequence[int] = LENGTHS) -> list[NDArray[np.integer]]:
    generator = np.random.default_rng(0)
    return [generator.integers(1, 5, size=length).astype(np.uint16) for length in lengths]


@pytest.fixture(params=DECODINGS, ids=lambda config: config.type)
def decoding(request: pytest.FixtureRequest) -> DecodingConfig:
    config: DecodingConfig = request.param
    return config


@pytest.mark.parametrize("end_token", [END_TOKEN, None])
@pytest.mark.parametrize("room", [None, 8])
def test_generate_when_greedy_writes_what_single_texts_are(
    end_token: int | None, room: int | None
) -> None:
    """Prompts of all lengths, texts that outgrow the room; the longest prompt does at once."""
    model = RecallingModel(room=room)
    written = generate(
        model,
        prompts_of(),
        max_new_tokens=15,
        decoding=GREEDY,
        context_length=8,
        end_token=end_token,
    )
    for prompt, text in zip(prompts_of(), written, strict=True):
        # A model without bounds never forgets, but of the prompt it is given no more either.
        reader = Reader(prompt.tolist()[-8:], context_length=room)
        assert text == greedy_by_hand(reader, 15, end_token)
    assert max(map(len, written)) > 8 or end_token is not None


def test_generate_when_prompts_are_as_long_reads_them_together_and_drops_what_ended() -> None:
    model = RecallingModel()
    written = generate(
        model,
        prompts_of([2] * 7),
        max_new_tokens=10,
        decoding=GREEDY,
        context_length=8,
        end_token=END_TOKEN,
        batch_size=4,
    )
    expected = []
    for batch in (written[:4], written[4:]):
        still_there = [sum(len(text) >= n for text in batch) for n in range(10)]
        expected += [count for count in still_there if count > 0]
    assert model.num_rows == expected


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_generate_when_batches_differ_writes_the_same(
    decoding: DecodingConfig, batch_size: int
) -> None:
    def write(prompts: list[NDArray[np.integer]], batch_size: int) -> list[list[int]]:
        return generate(
            RecallingModel(room=8),
            prompts,
            max_new_tokens=12,
            decoding=decoding,
            context_length=8,
            end_token=END_TOKEN,
            generator=torch.Generator().manual_seed(3),
            batch_size=batch_size,
        )

    assert write(prompts_of(), batch_size) == write(prompts_of(), 5)


def test_generate_when_seeded_is_reproducible_and_differs_by_seed() -> None:
    def write(seed: int) -> list[list[int]]:
        return generate(
            RecallingModel(),
            prompts_of(),
            max_new_tokens=12,
            decoding=DECODINGS[1],
            context_length=8,
            generator=torch.Generator().manual_seed(seed),
        )

    assert write(1) == write(1)
    assert write(1) != write(2)


@pytest.mark.parametrize("decoding", [GREEDY, DECODINGS[3]], ids=["greedy", "beam"])
def test_generate_without_chance_leaves_the_generators_as_they_were(
    decoding: DecodingConfig,
) -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state(), torch.get_rng_state()
    for given in (generator, None):
        generate(
            RecallingModel(),
            prompts_of(),
            max_new_tokens=3,
            decoding=decoding,
            context_length=8,
            generator=given,
        )
    assert torch.equal(generator.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_generate_leaves_the_model_in_training_mode() -> None:
    model = RecallingModel().train()
    generate(model, prompts_of([2]), max_new_tokens=3, decoding=GREEDY, context_length=8)
    assert model.training


def test_generate_without_prompts_writes_nothing() -> None:
    model = RecallingModel()
    assert generate(model, [], max_new_tokens=3, decoding=GREEDY, context_length=8) == []


def test_generate_when_a_prompt_is_empty_says_which() -> None:
    with pytest.raises(ValueError, match="text 1 is empty"):
        generate(
            RecallingModel(),
            prompts_of([2, 0]),
            max_new_tokens=3,
            decoding=GREEDY,
            context_length=8,
        )


def targets(
    model: RecallingModel, lengths: Sequence[int], decoding: DecodingConfig, context_length: int
) -> list[list[int]]:
    return generate_targets(
        model,
        prompts_of(lengths),
        start_token=START_TOKEN,
        end_token=END_TOKEN,
        max_new_tokens=15,
        decoding=decoding,
        context_length=context_length,
        generator=torch.Generator().manual_seed(3),
    )


@pytest.mark.parametrize("has_room", [True, False])
def test_generate_targets_when_greedy_writes_what_single_targets_are(has_room: bool) -> None:
    """Those that would not fit are cut off, whether or not the model could go on."""
    written = targets(RecallingModel(room=10 if has_room else None), LENGTHS, GREEDY, 10)
    for source, text in zip(prompts_of(), written, strict=True):
        reader = Reader([*source.tolist(), START_TOKEN])
        assert text == greedy_by_hand(reader, 10 - len(source), END_TOKEN)


def test_generate_targets_of_any_decoding_never_outgrow_the_context(
    decoding: DecodingConfig,
) -> None:
    lengths = list(range(1, 10)) * 4
    written = targets(RecallingModel(room=10), lengths, decoding, 10)
    assert all(n + len(text) <= 10 for n, text in zip(lengths, written, strict=True))
    assert any(n + len(text) == 10 for n, text in zip(lengths, written, strict=True))
    assert END_TOKEN not in {token for text in written for token in text}


def test_generate_targets_when_a_source_is_too_long_says_which() -> None:
    with pytest.raises(ValueError, match=r"source 1 has 8 tokens.*context_length 8"):
        targets(RecallingModel(), [7, 8], GREEDY, 8)


def streamed(
    model: RecallingModel, length: int, decoding: DecodingConfig, start_token: int | None
) -> Iterator[int]:
    return stream_tokens(
        model.eval(),
        prompts_of([length])[0],
        max_new_tokens=12,
        decoding=decoding,
        context_length=10,
        start_token=start_token,
        end_token=END_TOKEN,
        generator=torch.Generator().manual_seed(3),
    )


@pytest.mark.parametrize("length", [1, 5, 9])
def test_stream_tokens_yields_what_is_generated(decoding: DecodingConfig, length: int) -> None:
    expected = generate(
        RecallingModel(room=10),
        prompts_of([length]),
        max_new_tokens=12,
        decoding=decoding,
        context_length=10,
        end_token=END_TOKEN,
        generator=torch.Generator().manual_seed(3),
    )
    assert list(streamed(RecallingModel(room=10), length, decoding, None)) == expected[0]


@pytest.mark.parametrize("length", [1, 5, 9])
def test_stream_tokens_with_a_start_token_yields_the_target(
    decoding: DecodingConfig, length: int
) -> None:
    model = RecallingModel(room=10)
    expected = generate_targets(
        model,
        prompts_of([length]),
        start_token=START_TOKEN,
        end_token=END_TOKEN,
        max_new_tokens=12,
        decoding=decoding,
        context_length=10,
        generator=torch.Generator().manual_seed(3),
    )
    assert list(streamed(model, length, decoding, START_TOKEN)) == expected[0]


def test_stream_tokens_yields_each_token_before_the_next_is_computed() -> None:
    model = RecallingModel()
    tokens = stream_tokens(
        model.eval(), prompts_of([2])[0], max_new_tokens=3, decoding=GREEDY, context_length=8
    )
    for num_calls in (1, 2, 3):
        next(tokens)
        assert len(model.num_rows) == num_calls
        assert not torch.is_inference_mode_enabled(), "the consumer may want gradients"
    assert list(tokens) == []
