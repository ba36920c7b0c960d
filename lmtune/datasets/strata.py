"""How many of each kind to draw, so that rare kinds are not drowned by frequent ones."""

from __future__ import annotations

from collections.abc import Sequence


def even_shares(total: int, capacities: Sequence[int]) -> list[int]:
    """Share out `total` over kinds as evenly as their capacities allow.

    What a small kind cannot take goes to the others.

    Args:
        total: at most the sum of `capacities`.
        capacities: how many of each kind there are.

    Returns:
        shares in the order of `capacities`, which sum to `total`.
    """
    shares = [0] * len(capacities)
    left = total
    smallest_first = sorted(range(len(capacities)), key=lambda kind: capacities[kind])
    for position, kind in enumerate(smallest_first):
        shares[kind] = min(capacities[kind], left // (len(capacities) - position))
        left -= shares[kind]
    return shares
