"""Properties of the evaluation protocol."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lmtune.datasets import evaluation_blocks

NUM_TOKENS = st.integers(1, 500)
CONTEXT_LENGTHS = st.integers(1, 40).map(lambda half: 2 * half)


@given(NUM_TOKENS, CONTEXT_LENGTHS)
def test_blocks_when_joined_score_each_token_but_the_first_once(
    num_tokens: int, context_length: int
) -> None:
    positions = range(num_tokens)
    blocks = evaluation_blocks(num_tokens, context_length)
    targets = [target for block in blocks for target in positions[block.targets]]
    assert targets == list(range(1, num_tokens))


@given(NUM_TOKENS, CONTEXT_LENGTHS)
def test_blocks_when_scored_give_each_target_its_context(
    num_tokens: int, context_length: int
) -> None:
    for number, block in enumerate(evaluation_blocks(num_tokens, context_length)):
        inputs = range(num_tokens)[block.inputs]
        assert len(inputs) == block.num_inputs
        assert 1 <= block.num_targets <= context_length // 2
        for target in range(num_tokens)[block.targets]:
            context = [position for position in inputs if position < target]
            assert context[-1] == target - 1, "the context ends right before the target"
            at_least = target if number == 0 else context_length // 2 + 1
            assert at_least <= len(context) <= context_length


@given(NUM_TOKENS, CONTEXT_LENGTHS)
def test_blocks_when_neither_first_nor_last_have_one_shape(
    num_tokens: int, context_length: int
) -> None:
    for block in evaluation_blocks(num_tokens, context_length)[1:-1]:
        assert (block.num_inputs, block.num_targets) == (context_length, context_length // 2)


def test_blocks_when_written_out_follow_the_protocol() -> None:
    blocks = evaluation_blocks(num_tokens=10, context_length=4)
    assert [(block.inputs, block.targets) for block in blocks] == [
        (slice(0, 2), slice(1, 3)),
        (slice(0, 4), slice(3, 5)),
        (slice(2, 6), slice(5, 7)),
        (slice(4, 8), slice(7, 9)),
        (slice(6, 9), slice(9, 10)),
    ]
