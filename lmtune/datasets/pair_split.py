"""One split of a dataset of pairs: its four ragged files, mapped into memory.

They are `<split>.<side>.tokens` and `<split>.<side>.texts` (UTF-8) for the sides source and target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lmtune.datasets.pair_encoding import EncodedPairs
from lmtune.datasets.pair_vocabulary import PairVocabulary
from lmtune.datasets.ragged import RaggedTokens, StoredTexts, map_ragged, ragged_content
from lmtune.datasets.tokenizers import TokenArray
from lmtune.spec.config import Config

_BYTE: np.dtype[np.unsignedinteger] = np.dtype(np.uint8)


@dataclass(frozen=True, eq=False)
class PairSplit:
    """The pairs of one split.

    Attributes:
        sources: text tokens.
        targets: text tokens, without the token that ends each.
        source_texts: as the corpus has them, read when asked for.
        target_texts: as the corpus has them, read when asked for.
        scored_bytes: UTF-8 bytes of the targets; their ends stand for none.
    """

    sources: RaggedTokens
    targets: RaggedTokens
    source_texts: Sequence[str]
    target_texts: Sequence[str]
    scored_bytes: int

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def num_scored_tokens(self) -> int:
        """Tokens of the targets and their ends."""
        return len(self.targets.tokens) + len(self.targets)


class SplitMeta(Config):
    """What has to be known of a split to map it."""

    num_pairs: int
    source_tokens: int
    target_tokens: int
    source_bytes: int
    target_bytes: int
    unknown_tokens: int
    left_out: int


def split_files(pairs: EncodedPairs, vocabulary: PairVocabulary) -> dict[str, bytes]:
    """Return what the files of a split hold, by their names without the split's."""
    return {
        "source.tokens": ragged_content(pairs.sources, vocabulary.dtype),
        "target.tokens": ragged_content(pairs.targets, vocabulary.dtype),
        "source.texts": ragged_content(_utf8(pairs.texts.sources), _BYTE),
        "target.texts": ragged_content(_utf8(pairs.texts.targets), _BYTE),
    }


def split_meta(pairs: EncodedPairs, vocabulary: PairVocabulary) -> SplitMeta:
    """Return what has to be known to map a split again."""
    return SplitMeta(
        num_pairs=len(pairs.sources),
        source_tokens=sum(map(len, pairs.sources)),
        target_tokens=sum(map(len, pairs.targets)),
        source_bytes=sum(map(len, _utf8(pairs.texts.sources))),
        target_bytes=sum(map(len, _utf8(pairs.texts.targets))),
        unknown_tokens=vocabulary.count_unknown(pairs.sources, pairs.targets),
        left_out=pairs.left_out,
    )


def map_split(folder: Path, name: str, meta: SplitMeta, vocabulary: PairVocabulary) -> PairSplit:
    """Map the files of a split into memory.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file has not the size that it should have.
    """

    def ragged(file: str, num_values: int, dtype: np.dtype[np.unsignedinteger]) -> RaggedTokens:
        path = folder / f"{name}.{file}"
        return map_ragged(path, num_rows=meta.num_pairs, num_values=num_values, dtype=dtype)

    return PairSplit(
        sources=ragged("source.tokens", meta.source_tokens, vocabulary.dtype),
        targets=ragged("target.tokens", meta.target_tokens, vocabulary.dtype),
        source_texts=StoredTexts(ragged("source.texts", meta.source_bytes, _BYTE)),
        target_texts=StoredTexts(ragged("target.texts", meta.target_bytes, _BYTE)),
        scored_bytes=meta.target_bytes,
    )


def _utf8(texts: Sequence[str]) -> list[TokenArray]:
    return [np.frombuffer(text.encode("utf-8"), dtype=np.uint8) for text in texts]
