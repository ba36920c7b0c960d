"""Which tokens may be drawn, how likely each is, and that they are drawn as likely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtune.spec.decoding import SampleDecoding
from lmtune.training.decoding import Draws, write_tokens
from lmtune.training.decoding.largest import largest
from lmtune.training.decoding.sample import candidates
from tests.training.recalling_model import open_texts


def probabilities(logits: list[float], **options: object) -> list[float]:
    """Of each token, by `candidates`."""
    config = SampleDecoding.model_validate({"type": "sample", **options})
    tokens_BC, probabilities_BC = candidates(torch.tensor([logits]), config)
    found = np.zeros(len(logits))
    np.add.at(found, tokens_BC[0].numpy(), probabilities_BC[0].numpy())
    return [float(each) for each in found]


def by_hand(
    logits: list[float], temperature: float, top_k: int | None, top_p: float
) -> list[float]:
    weights = {token: np.exp(logit / temperature) for token, logit in enumerate(logits)}
    kept = sorted(weights, key=lambda token: (-logits[token], token))[:top_k]
    total = sum(weights[token] for token in kept)
    nucleus: list[int] = []
    for token in kept:
        if sum(weights[each] for each in nucleus) / total >= top_p:
            break
        nucleus.append(token)
    total = sum(weights[token] for token in nucleus)
    return [weights[token] / total if token in nucleus else 0.0 for token in weights]


@given(
    logits=st.lists(st.integers(-6, 6).map(lambda n: n / 2), min_size=1, max_size=7),
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
    top_k=st.one_of(st.none(), st.integers(1, 9)),
    top_p=st.sampled_from([0.013, 0.31, 0.57, 0.83, 1.0]),
)
def test_candidates_of_any_logits_are_those_by_definition(
    logits: list[float], temperature: float, top_k: int | None, top_p: float
) -> None:
    """Logits that are often equal, so that ties at every bound are met."""
    found = probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    np.testing.assert_allclose(found, by_hand(logits, temperature, top_k, top_p), atol=1e-12)


def test_candidates_when_the_nucleus_is_met_exactly_has_no_further_token() -> None:
    logits = np.log([0.25, 0.5, 0.125, 0.125]).tolist()
    found = probabilities(logits, top_p=0.5)
    assert found == [0, 1, 0, 0]
    np.testing.assert_allclose(probabilities(logits, top_p=0.6), [1 / 3, 2 / 3, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("temperature", [1e-300, 1e-30, 1e30])
def test_candidates_at_extreme_temperatures_are_numbers(temperature: float) -> None:
    found = probabilities([1e4, -1e4, 1e4 - 1], temperature=temperature, top_k=3, top_p=0.9999)
    expected = [1, 0, 0] if temperature < 1 else [1 / 3] * 3
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(
            st.lists(
                st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=width, max_size=width
            ),
            min_size=1,
            max_size=4,
        )
    ),
    st.data(),
)
def test_largest_of_any_rows_is_a_stable_sort(rows: list[list[float]], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(rows[0])))
    values_BC, places_BC = largest(torch.tensor(rows), count)
    for row, values, places in zip(rows, values_BC.tolist(), places_BC.tolist(), strict=True):
        expected = sorted(range(len(row)), key=lambda place: -row[place])[:count]
        assert places == expected
        assert values == [row[place] for place in expected]


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.7}], ids=str)
def test_sampling_of_many_texts_draws_each_token_as_often_as_it_is_likely(
    options: dict[str, float],
) -> None:
    logits = [0.0, 1.0, -1.0, 2.0, 0.5]
    num_texts = 20_000
    config = SampleDecoding.model_validate({"type": "sample", "temperature": 1.3, **options})
    draws = Draws(torch.Generator().manual_seed(0), num_texts=num_texts, num_tokens=1)
    written = write_tokens(
        open_texts([logits] * num_texts), config, max_new_tokens=1, end_token=None, draws=draws
    )
    shares = np.bincount([token for _, token in written], minlength=5) / num_texts
    expected = np.array(probabilities(logits, temperature=1.3, **options))
    # Four standard deviations of a share.
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected / num_texts)).all()


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
def test_sampling_at_the_ends_of_the_draws_takes_tokens_that_are_possible(draw: float) -> None:
    class Fixed(Draws):
        def of(self, numbers_B: torch.Tensor, step: int) -> torch.Tensor:
            return torch.full(numbers_B.shape, draw, dtype=torch.float64)

    logits = [-np.inf, 0.1, 0.2, 0.3, -np.inf]
    for options in ({}, {"top_k": 4}, {"top_p": 0.5}):
        config = SampleDecoding.model_validate({"type": "sample", **options})
        texts = open_texts([logits])
        draws = Fixed(None, num_texts=1, num_tokens=1)
        ((_, token),) = write_tokens(texts, config, max_new_tokens=1, end_token=None, draws=draws)
        assert token in (1, 2, 3)
