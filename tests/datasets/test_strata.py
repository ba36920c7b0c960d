"""Even shares: nothing is lost, nobody gets more than there is, small kinds come first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lmtune.datasets.strata import even_shares

CAPACITIES = st.lists(st.integers(0, 1000), min_size=1, max_size=8)


@given(CAPACITIES, st.data())
def test_shares_when_summed_are_the_total_and_as_even_as_can_be(
    capacities: list[int], data: st.DataObject
) -> None:
    total = data.draw(st.integers(0, sum(capacities)))
    shares = even_shares(total, capacities)
    assert sum(shares) == total
    assert all(0 <= share <= size for share, size in zip(shares, capacities, strict=True))
    free = [share for share, size in zip(shares, capacities, strict=True) if share < size]
    assert not free or max(shares) <= min(free) + 1, "a kind that had more left got less"


def test_shares_when_small_kinds_are_full_go_to_the_others() -> None:
    assert even_shares(20_000, [10, 90, 900, 9_000, 90_000]) == [10, 90, 900, 9_000, 10_000]
    assert even_shares(7, [100, 100, 100]) == [2, 2, 3]
