"""What every architecture must do with every option, as a model of running text."""

from __future__ import annotations

import copy
import importlib
import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models import LanguageModel, build_model
from lmtune.spec.model import AnyModelConfig
from tests.models.conftest import (
    CONFIGS,
    CONTEXT_LENGTH,
    VOCAB_SIZE,
    make_config,
    options_of,
    small_dimensions,
)


def num_targets_of(model: LanguageModel) -> int:
    return model.targets_per_window(CONTEXT_LENGTH)


def changed_at(tokens_BT: Tensor, position: int) -> Tensor:
    """The tokens with another token at this position of every row."""
    changed_BT = tokens_BT.clone()
    changed_BT[:, position] = (changed_BT[:, position] + 1) % VOCAB_SIZE
    return changed_BT


def mean_loss(logits_BNV: Tensor, targets_BN: Tensor) -> Tensor:
    return F.cross_entropy(logits_BNV.flatten(0, 1), targets_BN.flatten())


def test_every_type_of_the_spec_has_a_file_with_the_four_functions() -> None:
    for name in CONFIGS:
        architecture = importlib.import_module(f"lmtune.models.{name}")
        for function in ("build", "num_targets", "count_parameters", "sequence_flops"):
            assert callable(getattr(architecture, function)), (name, function)


def test_options_under_test_are_all_words_of_issue_3() -> None:
    options = [options for kind in CONFIGS.values() for options in options_of(kind)]
    for changed in (
        {"norm": "rmsnorm"},
        {"norm_position": "post"},
        {"position": "rotary"},
        {"position": "alibi"},
        {"activation": "swiglu"},
        {"qk_norm": True},
        {"bias": True},
        {"tie_embeddings": False},
        {"num_kv_heads": 1},
    ):
        assert options.count(changed) >= 2, changed


def test_number_of_targets_without_building_is_that_of_the_module(model: LanguageModel) -> None:
    architecture = importlib.import_module(type(model).__module__)
    for length in (2, CONTEXT_LENGTH, 64):
        assert architecture.num_targets(length) == model.targets_per_window(length)


def test_logits_for_any_window_have_a_row_for_each_target(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    for length in (1, 2, 5, CONTEXT_LENGTH):
        for num_targets in range(1, length + 1):
            logits_BNV = model.next_token_logits(tokens_BT[:, :length], num_targets)
            assert logits_BNV.shape == (3, num_targets, VOCAB_SIZE)
            assert logits_BNV.isfinite().all()


@pytest.mark.parametrize("num_targets", [0, CONTEXT_LENGTH + 1])
def test_logits_for_targets_outside_the_window_are_refused(
    model_type: str, tokens_BT: Tensor, num_targets: int
) -> None:
    config = make_config(model_type, **small_dimensions(model_type))
    model = build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0)
    with pytest.raises(ValueError, match=f"num_targets={num_targets} is not from 1 to"):
        model.next_token_logits(tokens_BT, num_targets)


@pytest.mark.science
def test_logits_when_a_token_changes_differ_from_there_on_alone(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    num_targets = num_targets_of(model)
    before_BNV = model.next_token_logits(tokens_BT, num_targets)
    for back in range(1, CONTEXT_LENGTH + 1):
        after_BNV = model.next_token_logits(changed_at(tokens_BT, -back), num_targets)
        first = max(num_targets - back, 0)  # a token of the source comes before every target
        assert torch.equal(after_BNV[:, :first], before_BNV[:, :first]), back
        difference_BN = (after_BNV - before_BNV).abs().amax(-1)[:, first:]
        assert (difference_BN > 1e-6).all(), back


def test_logits_when_other_rows_change_stay_the_same(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    num_targets = num_targets_of(model)
    logits_BNV = model.next_token_logits(tokens_BT, num_targets)
    changed_BT = tokens_BT.clone()
    changed_BT[1:] = (changed_BT[1:] + 1) % VOCAB_SIZE
    assert torch.equal(model.next_token_logits(changed_BT, num_targets)[0], logits_BNV[0])
    alone_BNV = model.next_token_logits(tokens_BT[:1], num_targets)
    torch.testing.assert_close(alone_BNV[0], logits_BNV[0], rtol=0, atol=1e-5)


def test_logits_of_fewer_targets_when_nothing_is_source_are_the_last_of_all(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    if num_targets_of(model) != CONTEXT_LENGTH:
        pytest.skip("the split into source and target moves with the number of targets")
    all_BTV = model.next_token_logits(tokens_BT, CONTEXT_LENGTH)
    for num_targets in (1, 3):
        some_BNV = model.next_token_logits(tokens_BT, num_targets)
        torch.testing.assert_close(some_BNV, all_BTV[:, -num_targets:], rtol=0, atol=1e-6)


def test_gradient_after_backward_reaches_every_parameter(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    logits_BNV = model.next_token_logits(tokens_BT, num_targets_of(model))
    mean_loss(logits_BNV, changed_at(tokens_BT, 0)[:, -logits_BNV.shape[1] :]).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-7, name


def test_weights_of_one_seed_are_the_same_and_leave_the_global_generator_alone(
    config: AnyModelConfig,
) -> None:
    def build(seed: int) -> dict[str, Tensor]:
        model = build_model(config, vocab_size=VOCAB_SIZE, context_length=8, seed=seed)
        return model.state_dict()

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = build(0), build(0), build(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_twice_gives_the_same_weights_to_the_bit(
    config: AnyModelConfig, tokens_BT: Tensor
) -> None:
    def train() -> list[Tensor]:
        model = build_model(config, vocab_size=VOCAB_SIZE, context_length=8, seed=0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(2):
            loss = mean_loss(model.next_token_logits(tokens_BT, 4), changed_at(tokens_BT, 0)[:, 4:])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(train(), train(), strict=True))


def floor_of(windows_BT: Tensor, num_targets: int) -> float:
    """Least loss that is possible: what remains open when windows share their beginning."""
    nexts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for row in windows_BT.tolist():
        for end in range(len(row) - num_targets, len(row)):
            nexts[tuple(row[:end])][row[end]] += 1
    nats = -sum(
        count * math.log(count / counts.total())
        for counts in nexts.values()
        for count in counts.values()
    )
    return nats / (len(windows_BT) * num_targets)


@pytest.mark.science
def test_loss_after_training_on_one_batch_is_its_floor(config: AnyModelConfig) -> None:
    model = build_model(config, vocab_size=4, context_length=8, seed=0)
    num_targets = model.targets_per_window(8)
    # Neighbours differ: where only distance counts, a text that begins with one token several times
    # reads like one that begins with it once.
    steps_BT = torch.randint(1, 4, (8, 9), generator=torch.Generator().manual_seed(2))
    windows_BT = steps_BT.cumsum(1) % 4
    windows_BT[1, :-1] = windows_BT[0, :-1]
    windows_BT[1, -1] = (windows_BT[0, -1] + 1) % 4  # no model can tell these two apart
    floor = floor_of(windows_BT, num_targets)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    for _ in range(250):
        optimizer.zero_grad()
        logits_BNV = model.next_token_logits(windows_BT[:, :-1], num_targets)
        loss = mean_loss(logits_BNV, windows_BT[:, -num_targets:])
        if loss.item() - floor <= 0.03:
            break
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert -1e-6 <= loss.item() - floor <= 0.03


def test_state_dict_through_safetensors_restores_the_model(
    config: AnyModelConfig, model: LanguageModel, tokens_BT: Tensor, tmp_path: Path
) -> None:
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    other = build_model(config, vocab_size=VOCAB_SIZE, context_length=8, seed=1).eval()
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(other.next_token_logits(tokens_BT, 3), model.next_token_logits(tokens_BT, 3))


def test_dropout_of_zero_leaves_no_random_operation(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    evaluated_BNV = model.next_token_logits(tokens_BT, 3)
    state = torch.get_rng_state()
    assert torch.equal(model.train().next_token_logits(tokens_BT, 3), evaluated_BNV)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(isinstance(module, torch.nn.Dropout) for module in model.modules())


@pytest.mark.parametrize(
    "place", ["dropout", "attention_dropout", "residual_dropout", "embedding_dropout"]
)
def test_dropout_above_zero_acts_in_training_alone(
    model_type: str, tokens_BT: Tensor, place: str
) -> None:
    if place not in CONFIGS[model_type].model_fields:
        pytest.skip("has no such place")
    small = small_dimensions(model_type)
    noisy, plain = (
        build_model(
            make_config(model_type, **small, **{place: chance}),
            vocab_size=VOCAB_SIZE,
            context_length=8,
            seed=0,
        )
        for chance in (0.5, 0.0)
    )
    first, second = noisy.next_token_logits(tokens_BT, 3), noisy.next_token_logits(tokens_BT, 3)
    assert not torch.equal(first, second)
    assert torch.equal(
        noisy.eval().next_token_logits(tokens_BT, 3), plain.next_token_logits(tokens_BT, 3)
    )


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch's, on touching its mkldnn flags
def test_logits_under_bf16_autocast_are_close_to_those_in_fp32(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    exact_BNV = model.next_token_logits(tokens_BT, 3)
    # oneDNN has no bf16 cells on a CPU without bf16 instructions; torch's own do everywhere.
    kernels = torch.backends.mkldnn.flags(enabled=False)
    with torch.autocast("cpu", dtype=torch.bfloat16), kernels:
        logits_BNV = model.next_token_logits(tokens_BT, 3)
    assert logits_BNV.dtype == torch.bfloat16
    torch.testing.assert_close(logits_BNV.float(), exact_BNV, rtol=0, atol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_logits_and_gradients_on_a_gpu_are_close_to_those_on_the_cpu(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    def gradients(device: str) -> tuple[Tensor, list[Tensor]]:
        placed = copy.deepcopy(model).to(device)
        logits_BNV = placed.next_token_logits(tokens_BT.to(device), 4)
        parameters = list(placed.parameters())
        found = torch.autograd.grad(mean_loss(logits_BNV, tokens_BT[:, 4:].to(device)), parameters)
        return logits_BNV.cpu(), [gradient.cpu() for gradient in found]

    model.train()  # cuDNN differentiates its cells in training mode alone
    torch.testing.assert_close(gradients("cuda"), gradients("cpu"), rtol=1e-2, atol=1e-3)
