"""Token arrays on disk, and mapped into memory.

A prepared dataset is a folder: `meta.json` and, for each split, `<split>.bin`, the bare token
numbers. All processes of a machine share the pages of these files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import JsonValue, ValidationError

from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.durable import write_durably
from lmtune.datasets.leakage import leakage
from lmtune.datasets.tokenizers import (
    TokenArray,
    Tokenizer,
    load_tokenizer,
    token_dtype,
)
from lmtune.errors import DataError, Problem
from lmtune.spec.config import Config
from lmtune.spec.dataset import TokenizerConfig

DATASET_FORMAT = 2
"""Raised when the same text no longer gives the same files or the same fingerprint."""


@dataclass(frozen=True, eq=False)
class Split:
    """The tokens of one split.

    Attributes:
        tokens: a read-only memory map.
        scored_bytes: UTF-8 bytes of the text of all tokens but the first, which is never scored.
        source_loss: mean negative log-likelihood of `tokens[1:]` under the source that wrote the
            text, nats per token; None where the source is unknown.
    """

    tokens: TokenArray
    scored_bytes: int
    source_loss: float | None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A corpus as tokens. Pickles as its folder, and is mapped again where it is unpickled.

    Attributes:
        folder: absolute.
        fingerprint: hash of token arrays and vocabulary, whatever the files were called.
        test: None where the user gave a validation text and no test text.
        entropy_rate: of the source that wrote the text, nats per token; None where unknown.
        unknown_tokens: by split, how many tokens stand for text outside the vocabulary.
        leakage: by split, the share of its windows of 50 characters that training has too.
    """

    folder: Path
    fingerprint: str
    tokenizer: Tokenizer
    train: Split
    validation: Split
    test: Split | None
    entropy_rate: float | None
    unknown_tokens: dict[str, int]
    leakage: dict[str, float]

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, the unknown one included."""
        return self.tokenizer.vocab_size

    @property
    def num_outputs(self) -> int:
        """How many tokens can be predicted: all."""
        return self.tokenizer.vocab_size

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes that a scored token of the validation split stands for, on average."""
        return self.validation.scored_bytes / (len(self.validation.tokens) - 1)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return open_text, (self.folder,)


class _SplitMeta(Config):
    """What `meta.json` says of a split."""

    num_tokens: int
    scored_bytes: int
    unknown_tokens: int
    source_loss: float | None


class _Meta(Config):
    """What `meta.json` says of a dataset."""

    kind: Literal["text"]
    format: int
    fingerprint: str
    tokenizer: TokenizerConfig
    vocabulary: JsonValue
    vocab_size: int
    entropy_rate: float | None
    leakage: dict[str, float]
    splits: dict[str, _SplitMeta]


@cache
def open_text(folder: Path) -> Dataset:
    """Map a prepared text into memory, once for each process.

    Raises:
        DataError: the folder is missing, torn, or of another version of lmtune.
    """
    return read_dataset(folder)


def read_dataset(folder: Path) -> Dataset:
    """Map a prepared text into memory as its files are now.

    Raises:
        DataError: as `open_text`.
    """
    return _read(folder, {})


def read_text_vocabulary(folder: Path) -> Dataset:
    """As `read_dataset`, of a folder without the tokens: the splits are empty.

    Raises:
        DataError: as `open_text`.
    """
    empty = Split(np.empty(0, dtype=np.uint16), scored_bytes=0, source_loss=None)
    return _read(folder, {"train": empty, "validation": empty})


def _read(folder: Path, given: Mapping[str, Split]) -> Dataset:
    """A prepared text; with the splits that are given, else with its own."""
    try:
        meta = _Meta.model_validate_json((folder / "meta.json").read_bytes())
        _verify(folder, meta, with_tokens=not given)
    except (OSError, ValueError) as error:
        reason = (
            "meta.json is torn or of another version"
            if isinstance(error, ValidationError)
            else str(error)
        )
        what = f"not a whole prepared dataset: {reason}"
        fix = "run the sweep again: it prepares the dataset anew"
        raise DataError(Problem(str(folder), what, fix=fix)) from error
    splits = given or {
        name: Split(_map(folder, name, meta), split.scored_bytes, split.source_loss)
        for name, split in meta.splits.items()
    }
    return Dataset(
        folder=folder,
        fingerprint=meta.fingerprint,
        tokenizer=load_tokenizer(meta.tokenizer, meta.vocabulary),
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        entropy_rate=meta.entropy_rate,
        unknown_tokens={name: split.unknown_tokens for name, split in meta.splits.items()},
        leakage=meta.leakage,
    )


def write_dataset(
    folder: Path, corpus: CorpusText, tokenizer: Tokenizer, config: TokenizerConfig
) -> None:
    """Tokenize a corpus into an existing, empty folder, and wait until the disk has it."""
    digest = hashlib.sha256(_canonical([DATASET_FORMAT, config.type, tokenizer.vocabulary]))
    splits = {}
    for name, text in corpus.splits.items():
        tokens = tokenizer.encode(text)
        digest.update(_canonical([name, len(tokens)]))
        digest.update(tokens.data)
        write_durably(folder / f"{name}.bin", tokens.data)
        splits[name] = _SplitMeta(
            num_tokens=len(tokens),
            scored_bytes=len(text.encode()) - tokenizer.first_token_bytes(text),
            unknown_tokens=_count(tokens, tokenizer.unknown_token),
            source_loss=corpus.source_loss.get(name),
        )
    meta = _Meta(
        kind="text",
        format=DATASET_FORMAT,
        fingerprint=digest.hexdigest(),
        tokenizer=config,
        vocabulary=tokenizer.vocabulary,
        vocab_size=tokenizer.vocab_size,
        entropy_rate=corpus.entropy_rate,
        leakage=leakage(corpus),
        splits=splits,
    )
    write_durably(folder / "meta.json", meta.model_dump_json().encode())


def _verify(folder: Path, meta: _Meta, *, with_tokens: bool) -> None:
    """Compare formats and sizes; raises ValueError with what differs."""
    if meta.format != DATASET_FORMAT:
        raise ValueError(f"format {meta.format}, not {DATASET_FORMAT}")
    for name, split in meta.splits.items() if with_tokens else ():
        size = (folder / f"{name}.bin").stat().st_size
        expected = split.num_tokens * token_dtype(meta.vocab_size).itemsize
        if size != expected:
            raise ValueError(f"{name}.bin has {size} bytes, not {expected}")


def _map(folder: Path, name: str, meta: _Meta) -> TokenArray:
    dtype = token_dtype(meta.vocab_size)
    return np.memmap(folder / f"{name}.bin", dtype, mode="r", shape=(meta.splits[name].num_tokens,))


def _count(tokens: TokenArray, token: int | None) -> int:
    return 0 if token is None else int(np.count_nonzero(tokens == token))


def _canonical(value: JsonValue) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
