"""Ragged arrays: what is written comes back, and what is torn is noticed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets.ragged import RaggedTokens, StoredTexts, map_ragged, ragged_content

ROWS = st.lists(st.lists(st.integers(0, 65535), max_size=5), min_size=1, max_size=8).filter(any)


def stored(path: Path, rows: list[list[int]]) -> RaggedTokens:
    arrays = [np.array(row, np.uint16) for row in rows]
    dtype = np.dtype(np.uint16)
    path.write_bytes(ragged_content(arrays, dtype))
    return map_ragged(path, num_rows=len(rows), num_values=sum(map(len, rows)), dtype=dtype)


@settings(max_examples=30)
@given(ROWS)
def test_rows_when_mapped_again_are_the_same(rows: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ragged = stored(Path(folder, "a"), rows)
        assert len(ragged) == len(rows)
        assert [row.tolist() for row in ragged] == rows
        assert ragged[-1].tolist() == rows[-1]
        assert ragged.lengths.tolist() == [len(row) for row in rows]
        assert ragged.lengths.dtype == np.int64
        assert ragged.tokens.dtype == np.uint16
        with pytest.raises(IndexError):
            ragged[len(rows)]


def test_rows_when_mapped_cannot_be_changed(tmp_path: Path) -> None:
    ragged = stored(tmp_path / "a", [[1, 2]])
    with pytest.raises(ValueError, match="read-only"):
        ragged.tokens[0] = 3


def test_texts_when_read_are_those_that_were_written(tmp_path: Path) -> None:
    texts = ["na\u00efve \U0001f415", "", "two\nlines", "last"]
    ragged = stored(tmp_path / "a", [[*text.encode()] for text in texts])
    utf8 = RaggedTokens(ragged.tokens.astype(np.uint8), ragged.offsets)
    assert [*StoredTexts(utf8)] == texts
    assert StoredTexts(utf8)[1:3] == texts[1:3]
    assert StoredTexts(utf8)[-1] == "last"
    assert len(StoredTexts(utf8)) == 4


def test_file_when_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    stored(path, [[1, 2], [3]])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="rows has 29 bytes, not 30"):
        map_ragged(path, num_rows=2, num_values=3, dtype=np.dtype(np.uint16))
