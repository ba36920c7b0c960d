"""Recurrent models: cells against loops by hand, streams, pairs, the parts that are options."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models import RecurrentLanguageModel, build_model
from lmtune.models.pairs import PairBatch
from lmtune.models.recurrent import RecurrentStream
from lmtune.spec.model import AnyModelConfig, RecurrentConfig

VOCAB_SIZE = 7
NUM_OUTPUTS = 5
START_TOKEN = 5
TOKENS_BT = torch.tensor([[1, 5, 0, 2, 2, 6], [3, 3, 4, 1, 6, 0]])
PAIRS = PairBatch(
    source_BS=torch.tensor([[1, 2, 6], [3, 0, 0], [4, 6, 0]]),
    source_lengths_B=torch.tensor([3, 1, 2]),
    target_BN=torch.tensor([[0, 4, 0, 0], [2, 3, 1, 4], [4, 0, 0, 0]]),
    target_lengths_B=torch.tensor([2, 4, 1]),
    start_token=START_TOKEN,
)


@pytest.fixture(params=["rnn", "lstm", "gru"])
def model_type(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def make_config(model_type: str, **values: Any) -> RecurrentConfig:  # noqa: ANN401 - any field
    adapter: TypeAdapter[AnyModelConfig] = TypeAdapter(AnyModelConfig)
    sizes = {"num_layers": 2, "hidden_size": 10, "embedding_dim": 6}
    config = adapter.validate_python({"type": model_type, **sizes, **values})
    assert isinstance(config, RecurrentConfig)
    return config


def build(
    model_type: str,
    num_outputs: int = VOCAB_SIZE,
    **values: Any,  # noqa: ANN401 - any field
) -> RecurrentLanguageModel:
    model = build_model(
        make_config(model_type, **values),  # type: ignore[arg-type] # of one of the types
        vocab_size=VOCAB_SIZE,
        num_outputs=num_outputs,
        context_length=8,
        seed=0,
    )
    assert isinstance(model, RecurrentLanguageModel)
    return model


def hidden_of_layer(model: RecurrentLanguageModel, x_BTE: Tensor, layer: int) -> Tensor:
    """Outputs (B, T, G) of one layer, a step and a gate at a time. Source: torch.nn's docs."""
    w_ih, w_hh, b_ih, b_hh = model.cells.all_weights[layer]
    h_BG = c_BG = torch.zeros(len(x_BTE), w_hh.shape[1])
    outputs = []
    for x_BE in x_BTE.unbind(1):
        read, recalled = x_BE @ w_ih.T + b_ih, h_BG @ w_hh.T + b_hh
        if model.cells.mode == "LSTM":
            i, f, g, o = (read + recalled).chunk(4, dim=1)
            c_BG = f.sigmoid() * c_BG + i.sigmoid() * g.tanh()
            h_BG = o.sigmoid() * c_BG.tanh()
        elif model.cells.mode == "GRU":
            (r, z, n), (r_h, z_h, n_h) = read.chunk(3, dim=1), recalled.chunk(3, dim=1)
            z = (z + z_h).sigmoid()
            h_BG = (1 - z) * (n + (r + r_h).sigmoid() * n_h).tanh() + z * h_BG
        else:
            h_BG = (read + recalled).tanh()
        outputs.append(h_BG)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_logits_equal_those_of_a_loop_over_steps(model_type: str, tie_embeddings: bool) -> None:
    model = build(model_type, NUM_OUTPUTS, tie_embeddings=tie_embeddings)
    x_BTE = model.embedding(TOKENS_BT) * model.input_scale
    for layer in range(2):
        x_BTE = hidden_of_layer(model, x_BTE, layer)
    weights = model.state_dict()
    head = weights["embedding.weight" if tie_embeddings else "embedding.output_weight"]
    expected_BTO = x_BTE @ weights["projection.weight"].T @ head[:NUM_OUTPUTS].T
    torch.testing.assert_close(model.next_token_logits(TOKENS_BT, 6), expected_BTO)


@pytest.mark.parametrize("vocab_size", [5, 6, 7])
def test_logits_and_gradients_equal_those_of_the_torch_module_for_few_and_many_tokens(
    model_type: str, vocab_size: int
) -> None:
    """Six tokens are read: fewer exist, as many, or more."""
    model = build_model(
        make_config(model_type),  # type: ignore[arg-type] # of one of the types
        vocab_size=vocab_size,
        context_length=8,
        seed=0,
    )
    assert isinstance(model, RecurrentLanguageModel)
    tokens_BT = torch.tensor([[1, 4, 0], [3, 3, 1]])

    def results() -> list[Tensor]:
        logits_BTO = model.next_token_logits(tokens_BT, 3)
        weights = torch.linspace(-1, 1, logits_BTO.numel()).view_as(logits_BTO)
        parameters = list(model.parameters())
        return [logits_BTO, *torch.autograd.grad((logits_BTO * weights).sum(), parameters)]

    found = results()
    model.layer = None
    torch.testing.assert_close(found, results())


def test_stream_over_parts_equals_one_pass(model_type: str) -> None:
    model = build(model_type)
    whole_BTO, end = model.stream_logits(TOKENS_BT)
    first_BTO, state = model.stream_logits(TOKENS_BT[:, :3])
    second_BTO, end_of_parts = model.stream_logits(TOKENS_BT[:, 3:], state)
    torch.testing.assert_close(torch.cat([first_BTO, second_BTO], dim=1), whole_BTO)
    torch.testing.assert_close(end_of_parts, end)
    torch.testing.assert_close(model.next_token_logits(TOKENS_BT, 6), whole_BTO)
    assert not torch.allclose(model.stream_logits(TOKENS_BT[:, 3:])[0], second_BTO)


def test_steps_of_a_stream_have_the_logits_of_the_whole_text(model_type: str) -> None:
    model = build(model_type, NUM_OUTPUTS)
    expected_BTO = model.next_token_logits(TOKENS_BT, 6)
    logits_BO, stream = model.open_stream(TOKENS_BT[:, :2])
    torch.testing.assert_close(logits_BO, expected_BTO[:, 1])
    for position in range(2, 6):
        assert stream.num_free is None
        logits_BO, stream = model.step(TOKENS_BT[:, position], stream)
        torch.testing.assert_close(logits_BO, expected_BTO[:, position])


def test_stream_of_selected_rows_goes_on_as_those_rows(model_type: str) -> None:
    model = build(model_type)
    _, stream = model.open_stream(TOKENS_BT[:, :5])
    rows = torch.tensor([1, 0, 1])
    logits_BO, _ = model.step(TOKENS_BT[rows, 5], stream.select(rows))
    expected_BTO = model.next_token_logits(TOKENS_BT, 1)[rows]
    torch.testing.assert_close(logits_BO, expected_BTO[:, 0])
    again_BO, _ = model.step(TOKENS_BT[rows, 5], stream.select(rows))
    assert torch.equal(again_BO, logits_BO), "a step must leave the stream before it as it was"


def joined_row(row: int) -> list[int]:
    """Source, start token and target but its end, of a pair."""
    num_source, num_target = PAIRS.source_lengths_B[row], PAIRS.target_lengths_B[row]
    target = PAIRS.target_BN[row, : num_target - 1].tolist()
    return [*PAIRS.source_BS[row, :num_source].tolist(), START_TOKEN, *target]


def test_logits_of_pairs_are_those_of_their_joined_sequences(model_type: str) -> None:
    model = build(model_type, NUM_OUTPUTS)
    expected = [
        model.next_token_logits(torch.tensor([joined_row(row)]), num_target)[0]
        for row, num_target in enumerate(PAIRS.target_lengths_B.tolist())
    ]
    torch.testing.assert_close(model.pair_logits(PAIRS), torch.cat(expected))


def test_logits_of_pairs_when_padding_or_other_rows_change_are_the_same(model_type: str) -> None:
    model = build(model_type)
    logits_MO = model.pair_logits(PAIRS)
    source_BS, target_BN = PAIRS.source_BS.clone(), PAIRS.target_BN.clone()
    source_BS[~PAIRS.source_mask_BS] = 4
    target_BN[~PAIRS.target_mask_BN] = 3
    source_BS[1, 0] = 1
    changed = PairBatch(
        source_BS, PAIRS.source_lengths_B, target_BN, PAIRS.target_lengths_B, START_TOKEN
    )
    is_same_M = (model.pair_logits(changed) == logits_MO).all(dim=1)
    assert is_same_M.tolist() == [True, True, False, False, False, False, True]


def test_stream_of_pairs_writes_what_pair_logits_say(model_type: str) -> None:
    model = build(model_type, NUM_OUTPUTS)
    row = PAIRS.part(slice(1, 2))
    expected_MO = model.pair_logits(row)
    logits_BO, stream = model.open_pair_stream(row.source_BS, START_TOKEN)
    for position, expected_O in enumerate(expected_MO):
        torch.testing.assert_close(logits_BO[0], expected_O)
        logits_BO, stream = model.step(row.target_BN[:, position], stream)


def test_head_sees_scored_positions_alone(model_type: str) -> None:
    model = build(model_type)
    seen: list[tuple[int, ...]] = []
    model.projection.register_forward_hook(lambda *call: seen.append(tuple(call[2].shape)))
    model.next_token_logits(TOKENS_BT, 2)
    model.pair_logits(PAIRS)
    model.open_stream(TOKENS_BT)
    assert seen == [(2, 2, 6), (7, 6), (2, 6)]


@pytest.mark.parametrize("forget_bias", [None, 0.0, 2.5])
def test_forget_gates_of_lstm_start_with_the_bias_of_the_config(forget_bias: float | None) -> None:
    values: dict[str, Any] = {} if forget_bias is None else {"forget_bias": forget_bias}
    model = build("lstm", **values)
    for _, _, bias_ih, bias_hh in model.cells.all_weights:
        _, forget, cell, output = (bias_ih + bias_hh).detach().chunk(4)
        assert torch.equal(forget, torch.full((10,), 1.0 if forget_bias is None else forget_bias))
        assert 0 < cell.abs().max() < 1
        assert 0 < output.abs().max() < 1


@pytest.mark.parametrize("hidden_size", [6, 10])
def test_projection_exists_where_widths_differ_alone(model_type: str, hidden_size: int) -> None:
    names = build(model_type, hidden_size=hidden_size).state_dict()
    assert ("projection.weight" in names) == (hidden_size != 6)


def test_untied_output_layer_has_weights_of_its_own(model_type: str) -> None:
    tied = build(model_type, NUM_OUTPUTS)
    untied = build(model_type, NUM_OUTPUTS, tie_embeddings=False)
    added = untied.state_dict().keys() - tied.state_dict().keys()
    assert added == {"embedding.output_weight"}
    untied.next_token_logits(TOKENS_BT[:, :1], 1)[0, 0, 3].backward()  # type: ignore[no-untyped-call]
    gradient = untied.embedding.weight.grad
    assert gradient is not None
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [1], "the token that was read"


@pytest.mark.science
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("embedding_dim", [32, 208])
@pytest.mark.parametrize("vocab_size", [8, 300])
def test_loss_at_the_start_is_that_of_a_uniform_guess(
    model_type: str, tie_embeddings: bool, embedding_dim: int, vocab_size: int
) -> None:
    config = make_config(
        model_type, hidden_size=208, embedding_dim=embedding_dim, tie_embeddings=tie_embeddings
    )
    model = build_model(
        config,  # type: ignore[arg-type] # of one of the types
        vocab_size=vocab_size,
        context_length=64,
        seed=0,
    )
    tokens_BT = torch.randint(vocab_size, (16, 65), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits_BTO = model.next_token_logits(tokens_BT[:, :-1], 64)
        loss = F.cross_entropy(logits_BTO.flatten(0, 1), tokens_BT[:, 1:].flatten())
    assert abs(loss.item() - math.log(vocab_size)) <= 0.05


def test_dropout_with_one_layer_acts_without_a_warning(model_type: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = build(model_type, num_layers=1, dropout=0.5)
    logits = [model.next_token_logits(TOKENS_BT, 6) for _ in range(2)]
    assert not torch.equal(*logits)


def test_state_of_every_kind_is_picked_by_rows() -> None:
    h_LBG, c_LBG = torch.arange(12.0).view(2, 3, 2), -torch.arange(12.0).view(2, 3, 2)
    rows = torch.tensor([2, 2])
    picked = RecurrentStream((h_LBG, c_LBG)).select(rows)
    torch.testing.assert_close(picked.state, (h_LBG[:, [2, 2]], c_LBG[:, [2, 2]]))
    torch.testing.assert_close(RecurrentStream(h_LBG).select(rows).state, h_LBG[:, [2, 2]])
