"""What every architecture must do with every option, as a model of pairs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models import LanguageModel, PairBatch, build_model
from lmtune.models.pairs import join
from tests.models.conftest import (
    CONTEXT_LENGTH,
    NUM_OUTPUTS,
    VOCAB_SIZE,
    make_config,
    small_dimensions,
)


def rows_of(scored: Tensor, pairs: PairBatch) -> list[Tensor]:
    """What was given for the scored tokens of each pair."""
    return list(scored.split(pairs.target_lengths_B.tolist()))  # type: ignore[no-untyped-call]


def changed(pairs: PairBatch, **fields: Any) -> PairBatch:  # noqa: ANN401 - any field's value
    return dataclasses.replace(pairs, **fields)


def test_joined_pairs_are_source_start_and_target_without_its_end() -> None:
    pairs = PairBatch(
        source_BS=torch.tensor([[9, 10, 11], [10, 0, 0]]),
        source_lengths_B=torch.tensor([3, 1]),
        target_BN=torch.tensor([[1, 7, 0], [2, 3, 7]]),
        target_lengths_B=torch.tensor([2, 3]),
        start_token=8,
    )
    joined = join(pairs)
    ends = [row[:length].tolist() for row, length in zip(joined.tokens_BT, (5, 4), strict=True)]
    assert ends == [[9, 10, 11, 8, 1], [10, 8, 2, 3]]
    assert joined.is_scored_BT.tolist() == [
        [False, False, False, True, True],
        [False, True, True, True, False],
    ]
    assert pairs.targets_M.tolist() == [1, 7, 2, 3, 7]


def test_logits_of_pairs_have_a_row_for_each_token_of_the_targets(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    logits_MO = pair_model.pair_logits(pairs)
    assert logits_MO.shape == (len(pairs.targets_M), NUM_OUTPUTS)
    assert logits_MO.isfinite().all()


def test_logits_of_a_pair_alone_without_padding_are_those_in_the_batch(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    rows = rows_of(pair_model.pair_logits(pairs), pairs)
    for row, expected_NO in enumerate(rows):
        alone_NO = pair_model.pair_logits(pairs.part(slice(row, row + 1)))
        torch.testing.assert_close(alone_NO, expected_NO, rtol=0, atol=1e-5)


@pytest.mark.science
def test_logits_of_pairs_when_padding_changes_stay_the_same(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    logits_MO = pair_model.pair_logits(pairs)
    others = [
        changed(
            pairs,
            source_BS=pairs.source_BS.where(pairs.source_mask_BS, token),
            target_BN=pairs.target_BN.where(pairs.target_mask_BN, token),
        )
        for token in (0, NUM_OUTPUTS - 1)
    ]
    for other in others:
        assert torch.equal(pair_model.pair_logits(other), logits_MO)
    wider = changed(
        pairs, source_BS=F.pad(pairs.source_BS, (0, 2)), target_BN=F.pad(pairs.target_BN, (0, 3))
    )
    torch.testing.assert_close(pair_model.pair_logits(wider), logits_MO, rtol=0, atol=1e-5)


@pytest.mark.science
def test_gradient_of_padding_is_zero(pair_model: LanguageModel, pairs: PairBatch) -> None:
    pad = VOCAB_SIZE - 1
    pairs = changed(
        pairs,
        source_BS=pairs.source_BS.clamp(max=pad - 1).where(pairs.source_mask_BS, pad),
        target_BN=pairs.target_BN.where(pairs.target_mask_BN, pad),
    )
    loss = F.cross_entropy(pair_model.pair_logits(pairs), pairs.targets_M)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = pair_model.get_parameter("embedding.weight").grad
    assert gradient is not None
    assert not gradient[pad].any()
    assert gradient[pairs.start_token].any()


@pytest.mark.science
def test_logits_of_pairs_when_the_source_changes_all_differ(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    logits_MO = pair_model.pair_logits(pairs)
    first_B1 = torch.where(pairs.source_BS[:, :1] == 9, 10, 9)
    other = changed(pairs, source_BS=torch.cat([first_B1, pairs.source_BS[:, 1:]], dim=1))
    difference_M = (pair_model.pair_logits(other) - logits_MO).abs().amax(-1)
    assert (difference_M > 1e-6).all()


@pytest.mark.science
def test_logits_of_pairs_when_a_target_token_changes_differ_after_it_alone(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    rows = rows_of(pair_model.pair_logits(pairs), pairs)
    target_BN = pairs.target_BN.clone()
    target_BN[:, 1] = (target_BN[:, 1] + 1) % (NUM_OUTPUTS - 1)
    after = rows_of(pair_model.pair_logits(changed(pairs, target_BN=target_BN)), pairs)
    for before_NO, after_NO in zip(rows, after, strict=True):
        assert torch.equal(after_NO[:2], before_NO[:2])
        assert ((after_NO - before_NO).abs().amax(-1)[2:] > 1e-6).all()


def test_logits_of_pairs_when_other_rows_change_stay_the_same(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    first_NO = rows_of(pair_model.pair_logits(pairs), pairs)[0]
    source_BS, target_BN = pairs.source_BS.clone(), pairs.target_BN.clone()
    source_BS[1:], target_BN[1:] = 9, 0
    other = changed(pairs, source_BS=source_BS, target_BN=target_BN)
    assert torch.equal(rows_of(pair_model.pair_logits(other), pairs)[0], first_NO)


def test_gradient_of_pairs_reaches_every_parameter(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    loss = F.cross_entropy(pair_model.pair_logits(pairs), pairs.targets_M)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in pair_model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-7, name


def test_logits_of_a_pair_are_those_of_its_tokens_as_running_text(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    if pair_model.targets_per_window(CONTEXT_LENGTH) != CONTEXT_LENGTH:
        pytest.skip("reads source and target apart")
    for row, expected_NO in enumerate(rows_of(pair_model.pair_logits(pairs), pairs)):
        tokens_1T = join(pairs.part(slice(row, row + 1))).tokens_BT
        logits_1NO = pair_model.next_token_logits(tokens_1T, len(expected_NO))
        torch.testing.assert_close(logits_1NO[0], expected_NO, rtol=0, atol=1e-5)


def test_loss_after_training_on_pairs_is_near_zero(model_type: str, pairs: PairBatch) -> None:
    model = build_model(
        make_config(model_type, **small_dimensions(model_type)),
        vocab_size=VOCAB_SIZE,
        num_outputs=NUM_OUTPUTS,
        context_length=8,
        seed=0,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    for _ in range(150):
        loss = F.cross_entropy(model.pair_logits(pairs), pairs.targets_M)
        if loss.item() < 0.05:
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.05
