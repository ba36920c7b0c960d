"""Recurrent models: state carried on, and cells against loops written by hand."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models import LanguageModel, RecurrentLanguageModel, build_model
from lmtune.spec.model import LSTMConfig, RNNConfig

LSTM = LSTMConfig(type="lstm", num_layers=2, hidden_size=10, embedding_dim=6)
RNN = RNNConfig(type="rnn", num_layers=2, hidden_size=10, embedding_dim=6)
TOKENS_BT = torch.tensor([[1, 5, 0, 2, 2, 6], [3, 3, 4, 1, 6, 0]])


def build(config: LSTMConfig | RNNConfig) -> RecurrentLanguageModel:
    model = build_model(config, vocab_size=7, context_length=6, seed=0)
    assert isinstance(model, RecurrentLanguageModel)
    return model


def hidden_of_layer(model: RecurrentLanguageModel, x_BTE: Tensor, layer: int) -> Tensor:
    """Outputs (B, T, G) of one layer, a step and a gate at a time. Source: torch.nn.LSTM's docs."""
    cells = model.cells
    w_ih, w_hh = getattr(cells, f"weight_ih_l{layer}"), getattr(cells, f"weight_hh_l{layer}")
    bias = getattr(cells, f"bias_ih_l{layer}") + getattr(cells, f"bias_hh_l{layer}")
    h_BG = c_BG = torch.zeros(len(x_BTE), w_hh.shape[1])
    outputs = []
    for x_BE in x_BTE.unbind(1):
        gates = x_BE @ w_ih.T + h_BG @ w_hh.T + bias
        if cells.mode == "LSTM":
            i, f, g, o = gates.chunk(4, dim=1)
            c_BG = f.sigmoid() * c_BG + i.sigmoid() * g.tanh()
            h_BG = o.sigmoid() * c_BG.tanh()
        else:
            h_BG = gates.tanh()
        outputs.append(h_BG)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("config", [LSTM, RNN], ids=["lstm", "rnn"])
def test_logits_equal_those_of_a_loop_over_steps(config: LSTMConfig | RNNConfig) -> None:
    model = build(config)
    x_BTE = model.embedding(TOKENS_BT) * model.input_scale
    for layer in range(2):
        x_BTE = hidden_of_layer(model, x_BTE, layer)
    expected_BTV = F.linear(x_BTE @ model.projection.weight.T, model.embedding.weight)
    torch.testing.assert_close(model.next_token_logits(TOKENS_BT, 6), expected_BTV)


def test_stream_over_parts_equals_one_pass(model: LanguageModel, tokens_BT: Tensor) -> None:
    if not isinstance(model, RecurrentLanguageModel):
        pytest.skip("has no state to carry")
    whole_BTV, end = model.stream_logits(tokens_BT)
    first_BTV, state = model.stream_logits(tokens_BT[:, :3])
    second_BTV, end_of_parts = model.stream_logits(tokens_BT[:, 3:], state)
    torch.testing.assert_close(torch.cat([first_BTV, second_BTV], dim=1), whole_BTV)
    torch.testing.assert_close(end_of_parts, end)
    torch.testing.assert_close(model.next_token_logits(tokens_BT, 8), whole_BTV)
    assert not torch.allclose(model.stream_logits(tokens_BT[:, 3:])[0], second_BTV)


def test_forget_gates_of_lstm_start_open_by_a_bias_of_one() -> None:
    cells = build(LSTM).cells
    for layer in range(2):
        bias = getattr(cells, f"bias_ih_l{layer}") + getattr(cells, f"bias_hh_l{layer}")
        _, forget, cell, output = bias.detach().chunk(4)
        assert torch.equal(forget, torch.ones(10))
        assert cell.abs().max() < 1
        assert output.abs().max() < 1


@pytest.mark.parametrize("hidden_size", [6, 10])
def test_projection_exists_where_widths_differ_alone(hidden_size: int) -> None:
    names = build(LSTM.model_copy(update={"hidden_size": hidden_size})).state_dict()
    assert ("projection.weight" in names) == (hidden_size != 6)


def test_dropout_with_one_layer_acts_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = build(RNN.model_copy(update={"num_layers": 1, "dropout": 0.5}))
    assert not torch.equal(
        model.next_token_logits(TOKENS_BT, 6), model.next_token_logits(TOKENS_BT, 6)
    )
