"""Opens what was prepared, whichever kind it is."""

from __future__ import annotations

import json
from pathlib import Path

from lmtune.datasets.dataset import Dataset, open_text, read_text_vocabulary
from lmtune.datasets.pair_dataset import PairsDataset, open_pairs, read_pairs_vocabulary


def open_dataset(folder: Path) -> Dataset | PairsDataset:
    """Map a prepared dataset into memory, once for each process.

    Raises:
        DataError: the folder is missing, torn, or of another version of lmtune.
    """
    return open_pairs(folder) if _holds_pairs(folder) else open_text(folder)


def open_vocabulary(folder: Path) -> Dataset | PairsDataset:
    """What a model reads and writes by: a prepared dataset of which only `meta.json` is there.

    Its splits are empty.

    Raises:
        DataError: as `open_dataset`.
    """
    return read_pairs_vocabulary(folder) if _holds_pairs(folder) else read_text_vocabulary(folder)


def _holds_pairs(folder: Path) -> bool:
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
    except (OSError, ValueError):
        return False  # opening it says what is wrong
    return isinstance(meta, dict) and meta.get("kind") == "pairs"
