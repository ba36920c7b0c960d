"""Layers that read whole sequences, against torch's modules and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.cells import read_by_layers
from lmtune.models.gru import GatedLayer
from lmtune.models.rnn import TanhLayer


@dataclass(frozen=True)
class Kind:
    """A layer and the torch module that it does the work of."""

    layer: type[Function]
    module: Callable[..., nn.RNNBase]


KINDS = {"rnn": Kind(TanhLayer, nn.RNN), "gru": Kind(GatedLayer, nn.GRU)}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def make_cells(kind: Kind, *, dropout: float = 0.0) -> nn.RNNBase:
    """Two layers, from 3 values a step to 4."""
    torch.manual_seed(0)
    return kind.module(3, 4, 2, dropout=dropout)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def read(
    kind: Kind, cells: nn.RNNBase, x_TBE: Tensor, h_LBG: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What the module does, by the layers."""
    w_ih, _, b_ih, _ = cells.all_weights[0]
    return read_by_layers(cells, kind.layer, F.linear(x_TBE, w_ih, b_ih), h_LBG)


def gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """Of a sum with a weight of its own for every output."""
    total = sum((output * random(*output.shape, seed=5)).sum() for output in outputs)
    assert isinstance(total, Tensor)
    return list(torch.autograd.grad(total, inputs))


@pytest.mark.parametrize("time", [1, 2, 5])
def test_gradients_of_a_layer_equal_finite_differences(kind: Kind, time: int) -> None:
    _, w_hh, _, b_hh = make_cells(kind).double().all_weights[0]
    inputs_TBF, h_BG = random(time, 2, len(b_hh)).double(), random(2, 4, seed=2).double()
    inputs = [inputs_TBF.requires_grad_(), h_BG.requires_grad_(), w_hh, b_hh]
    assert torch.autograd.gradcheck(kind.layer.apply, inputs)


@pytest.mark.parametrize("time", [1, 6])
@pytest.mark.parametrize("has_state", [False, True], ids=["from_zeros", "from_a_state"])
def test_outputs_and_gradients_equal_those_of_torch(kind: Kind, time: int, has_state: bool) -> None:
    cells = make_cells(kind)
    x_TBE = random(time, 3, 3).requires_grad_()
    h_LBG = random(2, 3, 4, seed=2).requires_grad_() if has_state else None
    inputs = [x_TBE, *cells.parameters(), *([] if h_LBG is None else [h_LBG])]
    ours, theirs = read(kind, cells, x_TBE, h_LBG), cells(x_TBE, h_LBG)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(ours, inputs), gradients(theirs, inputs))


def test_gradient_that_is_not_contiguous_gives_the_same(kind: Kind) -> None:
    cells = make_cells(kind)
    x_TBE = random(5, 3, 3)
    weight_BTG = random(3, 5, 4, seed=2)

    def gradient(weight_TBG: Tensor) -> list[Tensor]:
        hidden_TBG, _ = read(kind, cells, x_TBE)
        return list(torch.autograd.grad(hidden_TBG, list(cells.parameters()), weight_TBG))

    torch.testing.assert_close(
        gradient(weight_BTG.transpose(0, 1)),
        gradient(weight_BTG.transpose(0, 1).contiguous()),
        rtol=0,
        atol=0,
    )


def test_gradient_that_is_given_stays_as_it_was(kind: Kind) -> None:
    cells = make_cells(kind)
    hidden_TBG, _ = read(kind, cells, random(5, 3, 3))
    given = random(5, 3, 4, seed=2)
    hidden_TBG.backward(given)  # type: ignore[no-untyped-call]
    assert torch.equal(given, random(5, 3, 4, seed=2))


def test_gradient_of_a_gradient_is_refused(kind: Kind) -> None:
    cells = make_cells(kind)
    x_TBE = random(2, 1, 3).requires_grad_()
    hidden_TBG, _ = read(kind, cells, x_TBE)
    (gradient,) = torch.autograd.grad(hidden_TBG.square().sum(), x_TBE, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def test_dropout_draws_the_masks_of_torch_between_layers_alone(kind: Kind) -> None:
    cells = make_cells(kind, dropout=0.5)
    x_TBE = random(6, 3, 3)
    torch.manual_seed(3)
    hidden_TBG, _ = read(kind, cells, x_TBE)
    torch.manual_seed(3)
    torch.testing.assert_close(hidden_TBG, cells(x_TBE)[0])
    plain_TBG, _ = read(kind, cells.eval(), x_TBE)
    assert not torch.allclose(plain_TBG, hidden_TBG)
    torch.testing.assert_close(plain_TBG, make_cells(kind)(x_TBE)[0])


def test_repeated_pass_gives_the_same_bits(kind: Kind) -> None:
    cells = make_cells(kind)
    x_TBE = random(6, 3, 3)

    def run() -> list[Tensor]:
        outputs = read(kind, cells, x_TBE)
        return [*outputs, *gradients(outputs, list(cells.parameters()))]

    assert all(map(torch.equal, run(), run()))


def test_state_when_a_later_step_or_another_row_changes_is_the_same_to_the_bit(
    kind: Kind,
) -> None:
    cells = make_cells(kind)
    x_TBE = random(6, 3, 3)
    before_TBG, _ = read(kind, cells, x_TBE)
    changed_TBE = x_TBE.clone()
    changed_TBE[4, 1] += 1
    after_TBG, _ = read(kind, cells, changed_TBE)
    is_same_TB = (after_TBG == before_TBG).all(dim=2)
    expected_TB = torch.ones(6, 3, dtype=torch.bool)
    expected_TB[4:, 1] = False
    assert torch.equal(is_same_TB, expected_TB)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_pass_without_gradients_gives_the_same_bits(
    kind: Kind, mode: type[torch.no_grad] | type[torch.inference_mode]
) -> None:
    cells = make_cells(kind)
    expected = read(kind, cells, random(6, 3, 3))
    with mode():
        found = read(kind, cells, random(6, 3, 3))
    assert not found[0].requires_grad
    assert all(map(torch.equal, found, expected))


def test_pass_under_autocast_is_in_bf16_with_gradients_in_fp32(kind: Kind) -> None:
    cells = make_cells(kind)
    x_TBE = random(6, 3, 3).requires_grad_()
    inputs = [x_TBE, *cells.parameters()]
    exact = gradients(read(kind, cells, x_TBE), inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = read(kind, cells, x_TBE, random(2, 3, 4) * 0)
    assert {output.dtype for output in outputs} == {torch.bfloat16}
    found = gradients(outputs, inputs)
    assert {gradient.dtype for gradient in found} == {torch.float32}
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.1)
