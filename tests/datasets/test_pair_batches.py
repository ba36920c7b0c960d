"""Properties of the stream of batches of pairs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmtune.datasets.pair_batches import PairBatches, pair_batches
from lmtune.datasets.pair_split import PairSplit
from lmtune.datasets.ragged import RaggedTokens

Lengths = NDArray[np.int64]


def lengths_of(num_pairs: int, seed: int = 0) -> tuple[Lengths, Lengths]:
    generator = np.random.default_rng(seed)
    return generator.integers(1, 60, num_pairs), generator.integers(1, 20, num_pairs)


def stream(num_pairs: int, batch_size: int, seed: int = 0) -> PairBatches:
    return PairBatches(*lengths_of(num_pairs), batch_size=batch_size, seed=seed)


def padding_share(batches: PairBatches, lengths: Lengths) -> float:
    """Of all places in the batches of a pass, those that hold no token."""
    rows = [lengths[batches.rows(step)] for step in range(batches.batches_per_pass)]
    places = sum(len(batch) * int(batch.max()) for batch in rows)
    return 1 - sum(int(batch.sum()) for batch in rows) / places


@settings(max_examples=50)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**32), st.integers(0, 4))
def test_pass_when_complete_has_each_pair_at_most_once(
    num_pairs: int, batch_size: int, seed: int, number: int
) -> None:
    batches = stream(num_pairs, batch_size, seed)
    size = min(batch_size, num_pairs)
    count = batches.batches_per_pass
    rows = np.concatenate([batches.rows(number * count + step) for step in range(count)])
    assert rows.dtype == np.int64
    assert len(rows) == count * size == len(set(rows.tolist()))
    assert set(rows.tolist()) <= set(range(num_pairs))
    assert num_pairs - len(rows) < size, "more is left out than the last batch lacks"


@settings(max_examples=30)
@given(st.integers(1, 200), st.integers(1, 40), st.lists(st.integers(0, 60), max_size=10))
def test_batch_when_asked_for_in_any_order_is_the_same(
    num_pairs: int, batch_size: int, steps: list[int]
) -> None:
    one_stream = stream(num_pairs, batch_size)
    for step in steps:
        again = stream(num_pairs, batch_size).rows(step)
        assert one_stream.rows(step).tolist() == again.tolist()


def test_passes_when_many_leave_out_other_pairs_each_time() -> None:
    batches = stream(num_pairs=17, batch_size=8)
    left_out = [
        set(range(17))
        - set(np.concatenate([batches.rows(2 * n), batches.rows(2 * n + 1)]).tolist())
        for n in range(100)
    ]
    assert {len(rows) for rows in left_out} == {1}
    assert set.union(*left_out) == set(range(17))


def test_batches_when_sorted_by_length_pad_little() -> None:
    source_lengths, target_lengths = lengths_of(5000)
    total = source_lengths + target_lengths
    bucketed = padding_share(stream(5000, 16), total)
    unsorted = np.random.default_rng(0).permutation(total)[: 312 * 16].reshape(312, 16)
    unsorted_share = 1 - unsorted.sum() / (unsorted.max(axis=1).sum() * 16)
    assert unsorted_share > 0.35
    assert bucketed < 0.08


def test_batches_when_ordered_do_not_grow_with_the_pass() -> None:
    source_lengths, target_lengths = lengths_of(5000)
    batches = stream(5000, 16)
    longest = [
        int((source_lengths + target_lengths)[batches.rows(step)].max())
        for step in range(batches.batches_per_pass)
    ]
    correlation = np.corrcoef(longest, np.arange(len(longest)))[0, 1]
    assert abs(correlation) < 0.2


def test_passes_and_seeds_when_compared_differ() -> None:
    batches = stream(1000, 10)
    first = [batches.rows(step).tolist() for step in range(100)]
    second = [batches.rows(100 + step).tolist() for step in range(100)]
    other = [stream(1000, 10, seed=1).rows(step).tolist() for step in range(3)]
    assert first != second
    assert {tuple(sorted(rows)) for rows in first} != {tuple(sorted(rows)) for rows in second}
    assert first[:3] != other


def test_batches_when_of_a_split_are_drawn_by_its_lengths() -> None:
    sources, targets = lengths_of(500)
    split = PairSplit(ragged(sources), ragged(targets), [], [], scored_bytes=0)
    drawn = pair_batches(split, batch_size=7, seed=3)
    expected = PairBatches(sources, targets, batch_size=7, seed=3)
    assert drawn.batches_per_pass == expected.batches_per_pass == 71
    assert drawn.rows(100).tolist() == expected.rows(100).tolist()


def ragged(lengths: Lengths) -> RaggedTokens:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return RaggedTokens(np.zeros(offsets[-1], np.uint16), offsets)


def test_split_when_smaller_than_a_batch_is_one_batch() -> None:
    batches = stream(num_pairs=5, batch_size=64)
    assert batches.batches_per_pass == 1
    assert all(sorted(batches.rows(step).tolist()) == [*range(5)] for step in range(3))


def test_stream_when_made_in_another_process_is_the_same() -> None:
    code = (
        "import numpy as np; from lmtune.datasets.pair_batches import PairBatches; "
        "lengths = np.arange(300) % 37; "
        "b = PairBatches(lengths, lengths, batch_size=9, seed=7); "
        "print([b.rows(step).tolist() for step in (0, 40, 99)])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lengths = np.arange(300) % 37
    batches = PairBatches(lengths, lengths, batch_size=9, seed=7)
    assert other.stdout.strip() == str([batches.rows(step).tolist() for step in (0, 40, 99)])
