"""Which parameters are matrices between hidden vectors, and which maps lie stacked in one.

By name, for an optimizer is given names: those of token vectors and of positions say `embedding`
and `position`, and the stacked ones are named after what is stacked, as `query_key_value` is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import nn

Rows: TypeAlias = tuple[int, ...]

_NOT_HIDDEN = re.compile(r"embedding|position|output_weight$")
_READERS = (
    (re.compile(r"weight_[ih]h_l(\d+)$"), r"weight_hh_l\1"),
    (re.compile(r"\bhidden\.weight$"), "output.weight"),
)
"""Maps of one size, and what reads the results: a column for each row of one map."""


def is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter maps hidden vectors to others: no norm, no bias, no token or position.

    An output layer that is not tied is no hidden matrix either.
    """
    return parameter.dim() == 2 and not _NOT_HIDDEN.search(name)


def stacked_rows(shapes: Mapping[str, torch.Size]) -> dict[str, Rows]:
    """How many rows each map has of those that lie in one matrix, one below the other.

    Queries, keys and values are maps of their own, so are the gates of a recurrent cell, and a gate
    beside the values of a feed-forward part. All heads of queries are one map. A matrix of which
    nothing is known is one map.

    Args:
        shapes: of all parameters of two dimensions, by name; others may be among them.

    Returns:
        For each matrix the rows of its maps from top to bottom.
    """
    return {name: _rows(name, shapes) for name, shape in shapes.items() if len(shape) == 2}


def _rows(name: str, shapes: Mapping[str, torch.Size]) -> Rows:
    num_rows, num_columns = shapes[name]
    if name.endswith("query_key_value.weight"):
        memory_rows = (num_rows - num_columns) // 2
        return (num_columns, memory_rows, memory_rows)
    if name.endswith("key_value.weight"):
        return (num_rows // 2,) * 2
    for pattern, reader in _READERS:
        reader_name = pattern.sub(reader, name) if pattern.search(name) else ""
        if reader_name in shapes:
            _, size = shapes[reader_name]
            return (size,) * (num_rows // size)
    return (num_rows,)
