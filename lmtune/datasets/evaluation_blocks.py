"""Which tokens are scored, each exactly once, and from which context, whatever the model."""

from __future__ import annotations

from typing import NamedTuple


class EvaluationBlock(NamedTuple):
    """A window of a split and how many of its last positions are scored.

    Attributes:
        start: position of the first input token in the split.
        num_inputs: length of the window.
        num_targets: the tokens after each of the last `num_targets` inputs are scored.
    """

    start: int
    num_inputs: int
    num_targets: int

    @property
    def inputs(self) -> slice:
        """Where the input tokens stand in the split."""
        return slice(self.start, self.start + self.num_inputs)

    @property
    def targets(self) -> slice:
        """Where the scored tokens stand in the split."""
        end = self.start + self.num_inputs + 1
        return slice(end - self.num_targets, end)


def evaluation_blocks(num_tokens: int, context_length: int) -> list[EvaluationBlock]:
    """Cut a split into blocks that score each of its tokens but the first exactly once.

    Windows overlap by half: the first half of a window is context only, so that each token is
    predicted from more than half of `context_length` tokens and at most all of it. Only the first
    block, which has nothing before it, has less. The blocks between the first and the last have
    one shape.

    Args:
        num_tokens: length of the split.
        context_length: even.
    """
    half = context_length // 2
    blocks = []
    for first_target in range(1, num_tokens, half):
        start = max(0, first_target - 1 - half)
        last_target = min(first_target + half, num_tokens) - 1
        num_targets = last_target - first_target + 1
        blocks.append(EvaluationBlock(start, last_target - start, num_targets))
    return blocks
