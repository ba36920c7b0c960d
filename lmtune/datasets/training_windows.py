"""The endless stream of training windows, where a position is one whole number."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


class TrainingWindows:
    """Passes over a split, each cut into windows at a random offset and shuffled.

    Window `i` depends on the arguments and on `i` alone, not on how windows are batched. No token
    is a target twice in a pass. A pass leaves out fewer than two windows' worth of tokens, so that
    the offset can differ by any number of tokens below a window; another pass takes them in.

    Args:
        tokens: the training split, any unsigned type, longer than `context_length`.
        seed: of offsets and orders; those of a pass are drawn from SeedSequence([seed, pass]).

    Attributes:
        windows_per_pass: the same for each pass.
    """

    def __init__(
        self, tokens: NDArray[np.unsignedinteger], *, context_length: int, seed: int
    ) -> None:
        # asarray: indexing a plain view of a memory map is faster than the map itself.
        self._windows = sliding_window_view(np.asarray(tokens), context_length + 1)
        self._context_length = context_length
        self._seed = seed
        self.windows_per_pass = max(1, len(tokens) // context_length - 1)
        self._max_offset = len(tokens) - 1 - self.windows_per_pass * context_length
        self._pass_number = 0
        self._pass_starts = self._draw_pass(0)

    def batch(self, first: int, count: int) -> NDArray[np.int64]:
        """Return windows `first` to `first + count - 1` of the stream.

        Returns:
            int64 (count, context_length + 1): inputs are all but the last column, targets all but
            the first.
        """
        return self._windows[self._starts(first, count)].astype(np.int64)

    def _starts(self, first: int, count: int) -> NDArray[np.int64]:
        """Where windows begin in the split; a batch may reach over several passes."""
        parts: list[NDArray[np.int64]] = []
        while count > 0:
            number, position = divmod(first, self.windows_per_pass)
            parts.append(self._starts_of_pass(number)[position : position + count])
            first += len(parts[-1])
            count -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _starts_of_pass(self, number: int) -> NDArray[np.int64]:
        if number != self._pass_number:
            self._pass_starts = self._draw_pass(number)
            self._pass_number = number
        return self._pass_starts

    def _draw_pass(self, number: int) -> NDArray[np.int64]:
        generator = np.random.default_rng(np.random.SeedSequence([self._seed, number]))
        offset = generator.integers(self._max_offset + 1)
        # In place: the order of a pass is the one array that grows with the split.
        starts = generator.permutation(self.windows_per_pass)
        starts *= self._context_length
        starts += offset
        return starts


def training_windows(
    tokens: NDArray[np.unsignedinteger], *, context_length: int, seed: int
) -> TrainingWindows:
    """Return the stream of training windows of a split; see `TrainingWindows`."""
    return TrainingWindows(tokens, context_length=context_length, seed=seed)
