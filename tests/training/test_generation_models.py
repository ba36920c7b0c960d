"""Generation by the real architectures equals reading each text anew for every token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmtune.models import LanguageModel, PairBatch, build_model
from lmtune.spec.decoding import BeamDecoding, DecodingConfig, GreedyDecoding, SampleDecoding
from lmtune.training.generation import generate, generate_targets
from tests.models.conftest import (
    CASES,
    NUM_OUTPUTS,
    START_TOKEN,
    VOCAB_SIZE,
    case_id,
    make_config,
    small_dimensions,
)

CONTEXT_LENGTH = 16
END_TOKEN = NUM_OUTPUTS - 1
GREEDY = GreedyDecoding(type="greedy")
SAMPLE = SampleDecoding(type="sample")


GPU = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)


@pytest.fixture(params=["cpu", GPU])
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=CASES, ids=case_id)
def case(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    name_and_options: tuple[str, dict[str, object]] = request.param
    return name_and_options


def build(case: tuple[str, dict[str, object]], num_outputs: int) -> LanguageModel:
    """With larger weights than at the start, so that texts vary."""
    name, options = case
    model = build_model(
        make_config(name, **small_dimensions(name), **options),
        vocab_size=VOCAB_SIZE,
        num_outputs=num_outputs,
        context_length=CONTEXT_LENGTH,
        seed=0,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(3)
    return model.eval()


def prompts_of(lengths: list[int]) -> list[NDArray[np.integer]]:
    generator = np.random.default_rng(0)
    return [generator.integers(VOCAB_SIZE, size=length) for length in lengths]


@torch.no_grad()
def target_logits(model: LanguageModel, source: Tensor, target: list[int]) -> Tensor:
    """Of the token after a target's beginning."""
    device = next(model.parameters()).device
    pairs = PairBatch(
        source_BS=source[None].to(device),
        source_lengths_B=torch.tensor([len(source)], device=device),
        target_BN=torch.tensor([[*target, END_TOKEN]], device=device),
        target_lengths_B=torch.tensor([len(target) + 1], device=device),
        start_token=START_TOKEN,
    )
    return model.pair_logits(pairs)[-1].cpu()


def draws(num_texts: int, num_tokens: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num_texts, num_tokens, generator=generator, dtype=torch.float64)


def assert_drawn(token: int, logits: Tensor, draw: Tensor) -> None:
    """The draw falls into the token's share of [0, 1), but for rounding."""
    bounds = logits.double().softmax(dim=0).cumsum(dim=0)
    assert draw <= bounds[token] + 1e-4
    assert token == 0 or draw >= bounds[token - 1] - 1e-4


def test_generate_of_any_model_draws_by_what_it_says_of_the_whole_text(
    case: tuple[str, dict[str, object]], device: str
) -> None:
    model = build(case, VOCAB_SIZE).to(device)
    prompts = prompts_of([3, 9, 3, 1])
    written = generate(
        model,
        prompts,
        max_new_tokens=5,
        decoding=SAMPLE,
        context_length=CONTEXT_LENGTH,
        generator=torch.Generator().manual_seed(0),
        device=device,
    )
    for prompt, text, numbers in zip(prompts, written, draws(4, 5), strict=True):
        for count, (token, draw) in enumerate(zip(text, numbers, strict=True)):
            so_far = torch.tensor([[*prompt.tolist(), *text[:count]]], device=device)
            with torch.no_grad():
                logits = model.next_token_logits(so_far, count + 1)[0, -1].cpu()
            assert_drawn(token, logits, draw)


def test_generate_targets_of_any_model_draws_by_what_it_says_of_the_whole_pair(
    case: tuple[str, dict[str, object]], device: str
) -> None:
    model = build(case, NUM_OUTPUTS).to(device)
    sources = prompts_of([3, 9, 3, 1, 15])
    written = generate_targets(
        model,
        sources,
        start_token=START_TOKEN,
        end_token=END_TOKEN,
        max_new_tokens=5,
        decoding=SAMPLE,
        context_length=CONTEXT_LENGTH,
        generator=torch.Generator().manual_seed(0),
        device=device,
    )
    for source, text, numbers in zip(sources, written, draws(5, 5), strict=True):
        room = min(5, CONTEXT_LENGTH - len(source))
        tokens = text if len(text) == room else [*text, END_TOKEN]
        for count, (token, draw) in enumerate(zip(tokens, numbers, strict=False)):
            assert_drawn(token, target_logits(model, torch.from_numpy(source), text[:count]), draw)


@pytest.mark.parametrize(
    "decoding",
    [
        GREEDY,
        SampleDecoding(type="sample", top_k=5),
        BeamDecoding(type="beam", beam_size=3),
    ],
    ids=lambda config: config.type,
)
@pytest.mark.parametrize("name", ["gpt", "transformer", "rnn", "lstm", "gru"])
def test_generate_of_any_model_when_a_text_outgrows_it_goes_on(
    name: str, decoding: DecodingConfig
) -> None:
    written = generate(
        build((name, {}), VOCAB_SIZE),
        prompts_of([5, CONTEXT_LENGTH, CONTEXT_LENGTH + 5]),
        max_new_tokens=3 * CONTEXT_LENGTH,
        decoding=decoding,
        context_length=CONTEXT_LENGTH,
        generator=torch.Generator().manual_seed(0),
    )
    assert [len(text) for text in written] == [3 * CONTEXT_LENGTH] * 3


@pytest.mark.parametrize("name", ["gpt", "transformer", "rnn", "lstm", "gru"])
def test_beam_search_of_any_model_finds_targets_that_are_as_likely_as_greedy_ones(
    name: str,
) -> None:
    model = build((name, {}), NUM_OUTPUTS)
    sources = prompts_of([2, 5, 5, 7, 9])

    def write(decoding: DecodingConfig) -> list[list[int]]:
        return generate_targets(
            model,
            sources,
            start_token=START_TOKEN,
            end_token=END_TOKEN,
            max_new_tokens=4,
            decoding=decoding,
            context_length=CONTEXT_LENGTH,
        )

    def log_probability(source: Tensor, text: list[int]) -> float:
        tokens = text if len(text) == 4 else [*text, END_TOKEN]
        return sum(
            target_logits(model, source, text[:count]).double().log_softmax(dim=0)[token].item()
            for count, token in enumerate(tokens)
        )

    one_beam = BeamDecoding(type="beam", beam_size=1)
    all_beams = BeamDecoding(type="beam", beam_size=64, length_penalty=0)
    greedy = write(GREEDY)
    assert write(one_beam) == greedy
    for source, found, first in zip(sources, write(all_beams), greedy, strict=True):
        source_S = torch.from_numpy(source)
        assert log_probability(source_S, found) >= log_probability(source_S, first) - 1e-4
