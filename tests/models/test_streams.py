"""Reading token by token gives the numbers of reading at once, with every option."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lmtune.models import LanguageModel, PairBatch, Stream, build_model
from tests.models.conftest import (
    CONTEXT_LENGTH,
    NUM_OUTPUTS,
    START_TOKEN,
    VOCAB_SIZE,
    make_config,
    small_dimensions,
)


def read_on(model: LanguageModel, tokens_BT: Tensor, stream: Stream) -> tuple[list[Tensor], Stream]:
    """The logits after each of the tokens."""
    found = []
    for tokens_B in tokens_BT.unbind(1):
        logits_BO, stream = model.step(tokens_B, stream)
        found.append(logits_BO)
    return found, stream


def num_steps(stream: Stream, wanted: int) -> int:
    return wanted if stream.num_free is None else min(wanted, stream.num_free)


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_logits_of_a_stream_are_those_of_the_same_tokens_at_once(
    model: LanguageModel, tokens_BT: Tensor
) -> None:
    for length in (1, 4, CONTEXT_LENGTH):
        logits_BV, stream = model.open_stream(tokens_BT[:, :length])
        assert_close(logits_BV, model.next_token_logits(tokens_BT[:, :length], 1)[:, 0])
        count = num_steps(stream, CONTEXT_LENGTH - length)
        found, _ = read_on(model, tokens_BT[:, length : length + count], stream)
        for step, step_BV in enumerate(found, start=1):
            expected_BNV = model.next_token_logits(tokens_BT[:, : length + step], step + 1)
            assert_close(step_BV, expected_BNV[:, -1])


def test_logits_of_a_pair_stream_are_those_of_the_pairs(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    lengths = pairs.target_lengths_B.tolist()
    rows = pair_model.pair_logits(pairs).split(lengths)  # type: ignore[no-untyped-call]
    for row, expected_NO in enumerate(rows):
        alone = pairs.part(slice(row, row + 1))
        logits_1O, stream = pair_model.open_pair_stream(alone.source_BS, START_TOKEN)
        found, _ = read_on(pair_model, alone.target_BN[:, :-1], stream)
        assert_close(torch.cat([logits_1O, *found]), expected_NO)


def test_streams_of_a_batch_are_those_of_its_rows(
    pair_model: LanguageModel, pairs: PairBatch
) -> None:
    logits_BO, stream = pair_model.open_pair_stream(pairs.source_BS, START_TOKEN)
    found, _ = read_on(pair_model, pairs.target_BN[:, :2], stream)
    for row in range(3):
        alone_1O, stream = pair_model.open_pair_stream(pairs.source_BS[row : row + 1], START_TOKEN)
        assert_close(alone_1O[0], logits_BO[row])
        alone, _ = read_on(pair_model, pairs.target_BN[row : row + 1, :2], stream)
        for one_1O, all_BO in zip(alone, found, strict=True):
            assert_close(one_1O[0], all_BO[row])


@pytest.mark.parametrize("rows", [[2, 0], [1, 1, 0, 2, 2]])
def test_selected_rows_go_on_as_their_originals_and_share_nothing(
    pair_model: LanguageModel, pairs: PairBatch, rows: list[int]
) -> None:
    rows_B = torch.tensor(rows)
    tokens_BT = torch.randint(NUM_OUTPUTS, (3, 3), generator=torch.Generator().manual_seed(3))
    _, stream = pair_model.open_pair_stream(pairs.source_BS[:, :3], START_TOKEN)
    _, stream = pair_model.step(tokens_BT[:, 0], stream)
    selected = stream.select(rows_B)
    other_BT = (tokens_BT[rows_B] + 1) % NUM_OUTPUTS
    read_on(pair_model, other_BT[:, 1:], stream.select(rows_B))
    found, _ = read_on(pair_model, tokens_BT[rows_B, 1:], selected)
    originals, _ = read_on(pair_model, tokens_BT[:, 1:], stream)
    for one_BO, all_BO in zip(found, originals, strict=True):
        assert_close(one_BO, all_BO[rows_B])


def test_room_of_a_stream_shrinks_by_each_token_until_it_is_full(
    model_type: str, tokens_BT: Tensor
) -> None:
    config = make_config(model_type, **small_dimensions(model_type))
    model = build_model(config, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH, seed=0)
    opened = [
        (model.open_stream(tokens_BT[:, :3])[1], {"gpt": 5, "transformer": 3}),
        (model.open_pair_stream(tokens_BT[:, :3], START_TOKEN)[1], {"gpt": 4, "transformer": 7}),
    ]
    for stream, expected in opened:
        assert stream.num_free == expected.get(model_type)
        if stream.num_free is None:
            continue
        for left in range(stream.num_free - 1, -1, -1):
            _, stream = model.step(tokens_BT[:, 0], stream)
            assert stream.num_free == left
        with pytest.raises(ValueError, match="room for 0"):
            model.step(tokens_BT[:, 0], stream)


def test_stream_longer_than_a_cache_step_keeps_what_it_read() -> None:
    for model_type in ("gpt", "transformer"):
        config = make_config(model_type, **small_dimensions(model_type))
        model = build_model(config, vocab_size=VOCAB_SIZE, context_length=300, seed=0).eval()
        generator = torch.Generator().manual_seed(4)
        tokens_BT = torch.randint(VOCAB_SIZE, (2, 150), generator=generator)
        _, stream = model.open_stream(tokens_BT[:, :10])
        found, _ = read_on(model, tokens_BT[:, 10:], stream.select(torch.tensor([0, 1])))
        expected_BNV = model.next_token_logits(tokens_BT, 141)
        assert_close(torch.stack(found, dim=1), expected_BNV[:, 1:])


def test_greedy_tokens_with_a_stream_are_those_without(model: LanguageModel) -> None:
    prompt_BT = torch.tensor([[3, 1, 4, 1], [5, 9, 2, 6]])
    logits_BV, stream = model.open_stream(prompt_BT)
    read_BT, written = prompt_BT, []
    for _ in range(num_steps(stream, 3)):
        written.append(logits_BV.argmax(-1))
        logits_BV, stream = model.step(written[-1], stream)
    for step, next_B in enumerate(written):
        expected_BNV = model.next_token_logits(read_BT, step + 1)
        assert torch.equal(expected_BNV[:, -1].argmax(-1), next_B)
        read_BT = torch.cat([read_BT, next_B[:, None]], dim=1)
    assert len(written) == 3
