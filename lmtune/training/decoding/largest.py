"""The largest values of rows, with ties decided by place rather than by chance."""

from __future__ import annotations

from torch import Tensor


def largest(values_BN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the `count` largest values of each row; of equals, those that come first.

    `torch.topk` leaves open which of equals it takes, and a stable sort of all takes long.

    Args:
        values_BN: float without NaN; -inf is a value like others.
        count: from 1 to N.

    Returns:
        Values in falling order, (B, count), and their int64 places.
    """
    smallest_B1 = values_BN.topk(count, dim=-1).values[:, -1:]
    is_above_BN = values_BN > smallest_B1
    is_equal_BN = values_BN == smallest_B1
    num_equal_B1 = count - is_above_BN.sum(dim=-1, keepdim=True)
    is_taken_BN = is_above_BN | (is_equal_BN & (is_equal_BN.cumsum(dim=-1) <= num_equal_B1))
    places_BC = is_taken_BN.nonzero()[:, 1].view(-1, count)
    taken_BC, order_BC = values_BN.gather(1, places_BC).sort(dim=-1, descending=True, stable=True)
    return taken_BC, places_BC.gather(1, order_BC)
