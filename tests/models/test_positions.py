"""Kinds of positions against their formulas and what they promise."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from lmtune.models.layer_stack import LayerStack
from lmtune.models.positions import alibi_slopes, make_positions, rotate
from lmtune.spec.model import GPTConfig


def make(**fields: Any) -> GPTConfig:  # noqa: ANN401 - any field's value
    shape = {"num_layers": 2, "d_model": 24, "num_heads": 3}
    return GPTConfig.model_validate({"type": "gpt", **shape, **fields})


def stack(position: str, *, is_causal: bool, context_length: int = 16) -> LayerStack:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LayerStack(
            make(position=position),
            num_layers=2,
            context_length=context_length,
            embedding_std=1.0,
            is_causal=is_causal,
        )


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("width", [24, 7])
def test_sinusoids_equal_the_formula_of_the_paper(width: int) -> None:
    config = make(position="sinusoidal", d_model=width, num_heads=1)
    added_TD = make_positions(config, 50, std=0.3).add(torch.zeros(1, 50, width), 0)[0]
    for position in (0, 1, 13, 49):
        for index in range(width):
            angle = position / 10_000 ** (2 * (index // 2) / width)
            wave = math.cos(angle) if index % 2 else math.sin(angle)
            assert added_TD[position, index].item() == pytest.approx(
                0.3 * math.sqrt(2) * wave, abs=1e-6
            )


@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_vectors_added_start_as_spread_as_tokens(position: str) -> None:
    config = make(position=position, d_model=96)
    added_TD = make_positions(config, 64, std=0.3).add(torch.zeros(1, 64, 96), 0)
    assert added_TD.square().mean().sqrt().item() == pytest.approx(0.3, rel=0.05)


def test_rotation_by_position_equals_that_of_each_pair_by_hand() -> None:
    positions = make_positions(make(position="rotary"), 9, std=1.0)
    turns_TK = positions.turns(0, 9)
    assert turns_TK is not None
    x_BHTK = random(2, 3, 9, 8)
    turned_BHTK = rotate(x_BHTK, turns_TK)
    for time in range(9):
        for pair in range(4):
            angle = time / 10_000 ** (2 * pair / 8)
            x, y = x_BHTK[:, :, time, 2 * pair], x_BHTK[:, :, time, 2 * pair + 1]
            expected = [
                x * math.cos(angle) - y * math.sin(angle),
                x * math.sin(angle) + y * math.cos(angle),
            ]
            actual = turned_BHTK[:, :, time, 2 * pair : 2 * pair + 2]
            torch.testing.assert_close(actual, torch.stack(expected, dim=-1))


@pytest.mark.parametrize("position", ["rotary", "alibi"])
@pytest.mark.parametrize("is_causal", [True, False])
def test_relative_positions_when_all_shift_stay_the_same(position: str, is_causal: bool) -> None:
    """What stands before is told by its distance: the same text later has the same vectors."""
    one, x_BTD = stack(position, is_causal=is_causal), random(2, 5, 24)
    sight, later = one._sight(0, 5), one._sight(7, 5)
    if later.mask is not None:
        later = later._replace(mask=later.mask[..., 7:])
    else:
        later = later._replace(is_causal=is_causal)
    first_BTD, later_BTD = x_BTD, x_BTD
    for layer in one.layers:
        first_BTD, later_BTD = layer(first_BTD, sight), layer(later_BTD, later)
    torch.testing.assert_close(later_BTD, first_BTD, rtol=0, atol=1e-5)


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary", "alibi", "none"])
def test_order_of_the_source_matters_to_an_encoder_unless_it_has_no_positions(
    position: str,
) -> None:
    encoder = stack(position, is_causal=False)
    x_BTD = random(1, 6, 24)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    moved_BTD = encoder(x_BTD[:, order])
    difference = (moved_BTD - encoder(x_BTD)[:, order]).abs().max()
    assert (difference > 1e-3) == (position != "none")


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary", "alibi", "none"])
def test_order_of_what_came_before_matters_to_a_decoder(position: str) -> None:
    decoder = stack(position, is_causal=True)
    x_BTD = random(1, 6, 24)
    moved_BTD = x_BTD[:, [1, 0, 2, 3, 4, 5]]
    difference = (decoder(moved_BTD) - decoder(x_BTD))[:, -1].abs().max()
    assert difference > 1e-4


def test_slopes_of_alibi_are_those_of_the_paper() -> None:
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]
    # The paper's code for 12 heads: those of 8, and every other of 16.
    assert alibi_slopes(12) == alibi_slopes(8) + alibi_slopes(16)[0:8:2]
    assert all(len(alibi_slopes(num_heads)) == num_heads for num_heads in range(1, 20))


@pytest.mark.parametrize("is_causal", [True, False])
def test_bias_of_alibi_falls_with_distance_and_hides_what_comes_after(is_causal: bool) -> None:
    mask_HTS = stack("alibi", is_causal=is_causal)._sight(0, 5).mask
    assert mask_HTS is not None
    for head, slope in enumerate(alibi_slopes(3)):
        for query in range(5):
            for key in range(5):
                is_hidden = is_causal and key > query
                expected = -math.inf if is_hidden else -slope * abs(query - key)
                assert mask_HTS[0, head, query, key].item() == pytest.approx(expected)


def test_tables_of_positions_are_no_part_of_a_checkpoint() -> None:
    for position in ("sinusoidal", "rotary", "alibi", "none"):
        names = stack(position, is_causal=True).state_dict()
        assert not any("position" in name for name in names)
    assert "positions.weight" in stack("learned", is_causal=True).state_dict()
