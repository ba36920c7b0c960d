"""Properties of the stream of training windows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtune.datasets import TrainingWindows, training_windows

CONTEXT_LENGTHS = st.integers(1, 8).map(lambda half: 2 * half)


@st.composite
def streams(draw: st.DrawFn) -> tuple[TrainingWindows, int, int]:
    """A stream over tokens that are their own positions, with the sizes it was made from."""
    context_length = draw(CONTEXT_LENGTHS)
    num_tokens = draw(st.integers(context_length + 1, 200))
    tokens = np.arange(num_tokens, dtype=np.uint16)
    seed = draw(st.integers(0, 2**32))
    windows = training_windows(tokens, context_length=context_length, seed=seed)
    return windows, num_tokens, context_length


@given(streams(), st.integers(0, 5))
def test_pass_when_complete_has_each_target_at_most_once(
    stream: tuple[TrainingWindows, int, int], number: int
) -> None:
    windows, num_tokens, context_length = stream
    count = windows.windows_per_pass
    batch = windows.batch(number * count, count)
    assert batch.shape == (count, context_length + 1)
    assert batch.dtype == np.int64
    assert (np.diff(batch, axis=1) == 1).all(), "a window is a contiguous piece of the split"
    targets = batch[:, 1:]
    assert len(np.unique(targets)) == targets.size
    left_out = num_tokens - 1 - targets.size
    assert 0 <= left_out < 2 * context_length


@given(streams(), st.integers(0, 100), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_stream_when_batched_otherwise_is_the_same(
    stream: tuple[TrainingWindows, int, int], first: int, counts: list[int]
) -> None:
    windows = stream[0]
    batches = []
    position = first
    for count in counts:
        batches.append(windows.batch(position, count))
        position += count
    assert np.concatenate(batches).tolist() == windows.batch(first, sum(counts)).tolist()


@given(streams())
def test_stream_when_read_backwards_is_the_same(stream: tuple[TrainingWindows, int, int]) -> None:
    windows = stream[0]
    count = 3 * windows.windows_per_pass
    backwards = [windows.batch(i, 1)[0].tolist() for i in reversed(range(count))]
    assert backwards[::-1] == windows.batch(0, count).tolist()


def test_passes_when_compared_differ_in_order_and_in_offset() -> None:
    windows = training_windows(np.arange(6400, dtype=np.uint16), context_length=64, seed=0)
    count = windows.windows_per_pass
    passes = [windows.batch(number * count, count)[:, 0] for number in range(20)]
    assert len({tuple(starts) for starts in passes}) == 20
    assert len({int(starts[0]) % 64 for starts in passes}) > 10
    assert all((np.diff(starts) < 0).any() for starts in passes)


def test_passes_when_many_reach_every_token() -> None:
    windows = training_windows(np.arange(100, dtype=np.uint16), context_length=10, seed=0)
    targets = windows.batch(0, 500 * windows.windows_per_pass)[:, 1:]
    assert set(targets.ravel().tolist()) == set(range(1, 100))


def test_stream_when_the_seed_differs_differs() -> None:
    tokens = np.arange(1000, dtype=np.uint16)
    first, second = (training_windows(tokens, context_length=8, seed=seed) for seed in (0, 1))
    assert first.batch(0, 20).tolist() != second.batch(0, 20).tolist()


def test_stream_when_the_split_is_one_window_repeats_it() -> None:
    tokens = np.arange(9, dtype=np.uint16)
    windows = training_windows(tokens, context_length=8, seed=0)
    assert windows.windows_per_pass == 1
    assert windows.batch(5, 2).tolist() == [list(range(9))] * 2


def test_stream_when_the_split_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="window shape cannot be larger"):
        training_windows(np.arange(8, dtype=np.uint16), context_length=8, seed=0)


def test_stream_when_made_in_another_process_is_the_same() -> None:
    code = (
        "import numpy as np; from lmtune.datasets import training_windows; "
        "w = training_windows(np.arange(1000, dtype=np.uint16), context_length=8, seed=7); "
        "print(w.batch(100, 60)[:, 0].tolist())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    windows = training_windows(np.arange(1000, dtype=np.uint16), context_length=8, seed=7)
    assert other.stdout.strip() == str(windows.batch(100, 60)[:, 0].tolist())
