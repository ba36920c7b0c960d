"""The endless stream of batches of pairs, those of like length together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmtune.datasets.pair_split import PairSplit

_BATCHES_PER_POOL = 32
"""Sorted by length together: more of them pad less, and meet the same company more often."""


class PairBatches:
    """Passes over a split, each shuffled and cut into batches of pairs of like length.

    A pass draws a random order, sorts it by length within pools of some batches, and shuffles the
    batches. It has every pair once, but for those that fill no batch, which are others in the next
    pass. A batch depends on the arguments and on its number alone.

    Args:
        source_lengths: of each pair, in tokens.
        target_lengths: of each pair, in tokens.
        batch_size: pairs of a batch; a split with fewer is one batch.
        seed: of all orders; those of a pass are drawn from SeedSequence([seed, pass]).

    Attributes:
        batches_per_pass: the same for each pass.
    """

    def __init__(
        self,
        source_lengths: NDArray[np.int64],
        target_lengths: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self._target_lengths = target_lengths
        self._lengths = source_lengths + target_lengths
        self._batch_size = min(batch_size, len(source_lengths))
        self._seed = seed
        self.batches_per_pass = len(source_lengths) // self._batch_size
        self._pass_number = 0
        self._pass_batches = self._draw_pass(0)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the numbers of the pairs of batch `step` of the stream."""
        number, position = divmod(step, self.batches_per_pass)
        if number != self._pass_number:
            self._pass_batches = self._draw_pass(number)
            self._pass_number = number
        rows: NDArray[np.int64] = self._pass_batches[position]
        return rows

    def _draw_pass(self, number: int) -> NDArray[np.int64]:
        """All batches of a pass, (batches_per_pass, batch_size)."""
        generator = np.random.default_rng(np.random.SeedSequence([self._seed, number]))
        used = self.batches_per_pass * self._batch_size
        order = generator.permutation(len(self._lengths))[:used]
        pools = np.arange(used) // (self._batch_size * _BATCHES_PER_POOL)
        # The last key counts most. Of the same total, like targets go together.
        by_length = np.lexsort((self._target_lengths[order], self._lengths[order], pools))
        batches = order[by_length].reshape(self.batches_per_pass, self._batch_size)
        return generator.permutation(batches)


def pair_batches(split: PairSplit, *, batch_size: int, seed: int) -> PairBatches:
    """Return the stream of training batches of a split; see `PairBatches`."""
    return PairBatches(
        split.sources.lengths, split.targets.lengths, batch_size=batch_size, seed=seed
    )
