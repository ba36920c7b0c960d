"""Many short arrays in one file, mapped into memory.

A ragged file of n rows holds n + 1 offsets as 64-bit integers, then the values of all rows, one
row after the other, all little-endian. Row i reaches from offset i to offset i + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lmtune.datasets.tokenizers import TokenArray

_OFFSET = np.dtype("<i8")


@dataclass(frozen=True, eq=False)
class RaggedTokens:
    """Rows of tokens, each as long as it is.

    Attributes:
        tokens: of all rows, one axis; a read-only view of a memory map.
        offsets: where each row begins, and where the last one ends.
    """

    tokens: TokenArray
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> TokenArray:
        row = range(len(self))[index]
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[TokenArray]:
        return (self[row] for row in range(len(self)))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.offsets)


class StoredTexts(Sequence[str]):
    """Texts that are read from the disk when they are asked for.

    Args:
        utf8: the bytes of each text.
    """

    def __init__(self, utf8: RaggedTokens) -> None:
        self._utf8 = utf8

    def __len__(self) -> int:
        return len(self._utf8)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(len(self))[index]]
        return self._utf8[index].tobytes().decode("utf-8")


def ragged_content(rows: Sequence[TokenArray], dtype: np.dtype[np.unsignedinteger]) -> bytes:
    """Return what a ragged file of some rows holds; at least one of them is not empty."""
    offsets = np.zeros(len(rows) + 1, _OFFSET)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return offsets.tobytes() + np.concatenate(rows).astype(dtype).tobytes()


def map_ragged(
    path: Path, *, num_rows: int, num_values: int, dtype: np.dtype[np.unsignedinteger]
) -> RaggedTokens:
    """Map a ragged file into memory.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has not the size that it should have.
    """
    head_bytes = (num_rows + 1) * _OFFSET.itemsize
    expected = head_bytes + num_values * dtype.itemsize
    if (size := path.stat().st_size) != expected:
        raise ValueError(f"{path.name} has {size} bytes, not {expected}")
    # asarray: indexing a plain view of a memory map is faster than the map itself.
    content = np.asarray(np.memmap(path, np.uint8, mode="r"))
    return RaggedTokens(content[head_bytes:].view(dtype), content[:head_bytes].view(_OFFSET))
