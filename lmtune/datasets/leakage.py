"""Text that two splits share: what is scored there was learned, not predicted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lmtune.datasets.corpora import CorpusText
from lmtune.errors import DataError, Problem

WINDOW_CHARS = 50
"""Prose and source code seldom repeat this much by chance."""
MIN_CHANGES = 25
"""Characters of a window that differ from the one before; rules of tables and blanks have fewer."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_PIECE_CHARS = 1 << 21
"""Hashed at once, so that a long text needs no more memory than a short one."""
_SIEVE_BITS = np.uint64(24)


def refuse_identical_splits(corpus: CorpusText, where: str) -> None:
    """Raise DataError where two splits are the same text.

    Args:
        corpus: its splits.
        where: place of the corpus in the sweep file, for the messages.
    """
    problems = [
        Problem(
            where,
            f"the {other} split is the same text as the {name} split",
            "a text of its own for each split",
            f"name another text, or leave {other} out",
        )
        for (name, text), (other, other_text) in combinations(corpus.splits.items(), 2)
        if text == other_text
    ]
    if problems:
        raise DataError(problems)


def leakage(corpus: CorpusText) -> dict[str, float]:
    """Return the share of a split's windows of `WINDOW_CHARS` characters that training has too.

    Windows begin at every character; those with fewer than `MIN_CHANGES` are not counted. They
    are compared by 64-bit hashes: two windows that differ agree once in 10^19 pairs.

    Returns:
        by split, training left out; 0 for a split without windows.
    """
    hashes = {
        name: np.concatenate([*_window_hashes(text)])
        for name, text in corpus.splits.items()
        if name != "train"
    }
    known = _met(corpus.train, np.concatenate([*hashes.values()]))
    return {name: _share(windows, known) for name, windows in hashes.items()}


def _met(text: str, windows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those of some window hashes, among a few others, that are met in a text; ascending."""
    # A small table answers for most windows of a long text, so that few need to be sorted.
    sieve = np.zeros(1 << int(_SIEVE_BITS), dtype=np.bool_)
    sieve[_top_bits(windows)] = True
    found = [piece[sieve[_top_bits(piece)]] for piece in _window_hashes(text)]
    # Not np.unique, nor np.isin, which calls it: it takes minutes for millions of hashes.
    return np.sort(np.concatenate(found))


def _share(windows: NDArray[np.uint64], known: NDArray[np.uint64]) -> float:
    """The share of some hashes that is among others, which are ascending; 0 of none."""
    if not len(windows) or not len(known):
        return 0.0
    windows = np.sort(windows)  # in order, they are found twenty times as fast
    places = np.minimum(np.searchsorted(known, windows), len(known) - 1)
    return float((known[places] == windows).mean())


def _top_bits(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The bits of a hash that depend on all others."""
    top: NDArray[np.uint64] = (hashes * _MULTIPLIER) >> (np.uint64(64) - _SIEVE_BITS)
    return top


def _window_hashes(text: str) -> Iterator[NDArray[np.uint64]]:
    """The hashes of all windows of a text that count, in order; one array at least."""
    last = max(1, len(text) - WINDOW_CHARS + 1)
    for start in range(0, last, _PIECE_CHARS):
        piece = text[start : start + _PIECE_CHARS + WINDOW_CHARS - 1]
        codes = np.frombuffer(piece.encode("utf-32-le"), dtype="<u4")
        yield _rolling_hashes(codes.astype(np.uint64))[_has_changes(codes)]


def _has_changes(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which windows count."""
    changes = np.zeros(len(codes), np.int32)
    np.cumsum(codes[1:] != codes[:-1], out=changes[1:])
    distance = WINDOW_CHARS - 1
    has_changes: NDArray[np.bool_] = changes[distance:] - changes[:-distance] >= MIN_CHANGES
    return has_changes


def _rolling_hashes(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Polynomial hashes modulo 2^64 of all windows, by doubling their width.

    Source: Karp and Rabin 1987. Differs: the modulus is that of the machine's words, and powers
    of two of the width are put together instead of rolling on by one character.
    """
    # Spread over all bits first: codes themselves fill few of them.
    hashes = (codes + np.uint64(1)) * _MULTIPLIER
    hashes ^= hashes >> np.uint64(29)
    factor = np.uint64(0xD6E8FEB86659FD93)
    total, total_width, width = hashes[:0], 0, 1
    with np.errstate(over="ignore"):  # of the scalar factor: wrapping around is the modulus
        while True:
            if WINDOW_CHARS & width:
                total = hashes if total_width == 0 else _joined(total, total_width, hashes, factor)
                total_width += width
            if width * 2 > WINDOW_CHARS:
                return total
            hashes = _joined(hashes, width, hashes, factor)
            factor *= factor
            width *= 2


def _joined(
    left: NDArray[np.uint64], left_width: int, right: NDArray[np.uint64], factor: np.uint64
) -> NDArray[np.uint64]:
    """The hashes of windows put together from a left and a right one.

    Args:
        left: one a position.
        left_width: of the left windows, in characters.
        right: of windows of another width.
        factor: the hash's base to the power of the right window's width.
    """
    right = right[left_width:]
    count = min(len(left), len(right))
    return left[:count] * factor + right[:count]
