"""Pairs as tokens: on disk, mapped into memory, and prepared once for all runs of a project.

A prepared dataset of pairs is a folder: `meta.json`, and the files of each split (`pair_split.py`).
It holds the pairs that fit into `context_length`, and no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError

from lmtune.datasets.cache import cached_folder
from lmtune.datasets.corpora import check_corpus
from lmtune.datasets.durable import write_durably
from lmtune.datasets.pair_encoding import encode_pairs, refuse_empty, source_leakage
from lmtune.datasets.pair_split import PairSplit, SplitMeta, map_split, split_files, split_meta
from lmtune.datasets.pair_texts import (
    PairFileContents,
    PairTexts,
    load_pair_files,
    read_pair_texts,
)
from lmtune.datasets.pair_vocabulary import PairVocabulary, fit_vocabulary, load_vocabulary
from lmtune.datasets.ragged import RaggedTokens
from lmtune.datasets.tokenizers import TokenArray, Tokenizer
from lmtune.errors import DataError, Problem
from lmtune.spec.config import Config
from lmtune.spec.dataset import DatasetConfig, TokenizerConfig

PAIRS_FORMAT = 1
"""Raised when the same pairs no longer give the same files or the same fingerprint."""


@dataclass(frozen=True, eq=False)
class PairsDataset:
    """A corpus of pairs as tokens. Pickles as its folder, and is mapped where it is unpickled.

    Attributes:
        folder: absolute.
        fingerprint: hash of texts, token arrays and vocabulary, whatever the files were called.
        vocabulary: how tokens are numbered.
        test: None where the user gave validation pairs and no test pairs.
        unknown_tokens: by split, how many tokens stand for text outside the vocabulary.
        left_out: by split, how many pairs do not fit into `context_length`.
        leakage: by split, the share of its sources that training has too.
    """

    folder: Path
    fingerprint: str
    vocabulary: PairVocabulary
    train: PairSplit
    validation: PairSplit
    test: PairSplit | None
    unknown_tokens: dict[str, int]
    left_out: dict[str, int]
    leakage: dict[str, float]

    @property
    def source_tokenizer(self) -> Tokenizer:
        """What cuts sources; its token numbers are those of `encode_source` less an offset."""
        return self.vocabulary.source

    @property
    def target_tokenizer(self) -> Tokenizer:
        """What cuts targets; that of sources, too, where they share a vocabulary."""
        return self.vocabulary.target

    @property
    def vocab_size(self) -> int:
        """How many tokens can be read."""
        return self.vocabulary.vocab_size

    @property
    def num_outputs(self) -> int:
        """How many tokens can be predicted, the first ones of the vocabulary."""
        return self.vocabulary.num_outputs

    @property
    def start_token(self) -> int:
        """What stands between source and target."""
        return self.vocabulary.start_token

    @property
    def end_token(self) -> int:
        """What a target ends with."""
        return self.vocabulary.end_token

    @property
    def entropy_rate(self) -> None:
        """Unknown."""
        return

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes that a scored token of the validation split stands for, on average."""
        return self.validation.scored_bytes / self.validation.num_scored_tokens

    @property
    def splits(self) -> dict[str, PairSplit]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    def encode_source(self, text: str) -> TokenArray:
        """Return the tokens of a source."""
        return self.vocabulary.encode_source(text)

    def decode_target(self, tokens: NDArray[np.integer] | Sequence[int]) -> str:
        """Return the text of a target's tokens up to its end, if that is among them."""
        return self.vocabulary.decode_target(tokens)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return open_pairs, (self.folder,)


class _Meta(Config):
    """What `meta.json` says of a dataset of pairs."""

    kind: Literal["pairs"]
    format: int
    fingerprint: str
    tokenizer: TokenizerConfig
    vocabularies: list[JsonValue]
    leakage: dict[str, float]
    splits: dict[str, SplitMeta]


def check_pairs(config: DatasetConfig, *, project: Path, where: str) -> list[Problem]:
    """Find what is wrong with a dataset of pairs without reading it all.

    Args:
        config: the `dataset` section.
        project: the folder that relative paths start from.
        where: place of the `dataset` section in the sweep file, for the messages.
    """
    return check_corpus(config.corpus, project=project, where=f"{where}.corpus")


def prepare_pairs(config: DatasetConfig, *, project: Path, where: str) -> PairsDataset:
    """Return the tokens of a corpus of pairs, from the cache where they are there already.

    Args:
        config: the `dataset` section.
        project: the folder that relative paths start from, and that holds `data/cache`.
        where: place of the `dataset` section in the sweep file, for the messages.

    Raises:
        DataError: the corpus is missing, unreadable or has wrong lines, no pair of a split fits
            into `context_length`, or the cache cannot be written.
    """
    if problems := check_pairs(config, project=project, where=where):
        raise DataError(problems)
    files = load_pair_files(config.corpus, project=project, where=f"{where}.corpus")

    def build(folder: Path) -> None:
        texts = read_pair_texts(config.corpus, files, project=project, where=f"{where}.corpus")
        write_pairs(folder, texts, config, where=where)

    name = f"{config.corpus.type}-{config.tokenizer.type}-{_key(config, files)}"
    return read_pairs(cached_folder(project, name, is_whole=_is_whole, build=build))


def write_pairs(folder: Path, texts: PairTexts, config: DatasetConfig, *, where: str) -> None:
    """Tokenize pairs into an existing, empty folder, and wait until the disk has them.

    Raises:
        DataError: no pair of a split fits into `context_length`.
    """
    vocabulary = fit_vocabulary(
        config.tokenizer, texts.train, separate=config.separate_vocabularies
    )
    encoded = {
        name: encode_pairs(pairs, vocabulary, config.context_length, name)
        for name, pairs in texts.splits.items()
    }
    refuse_empty(encoded, config, where)
    digest = hashlib.sha256(_canonical([PAIRS_FORMAT, config.tokenizer.type, vocabulary.saved]))
    splits = {}
    for name, pairs in encoded.items():
        splits[name] = split_meta(pairs, vocabulary)
        for file_name, content in split_files(pairs, vocabulary).items():
            digest.update(_canonical([name, file_name, len(content)]))
            digest.update(content)
            write_durably(folder / f"{name}.{file_name}", content)
    meta = _Meta(
        kind="pairs",
        format=PAIRS_FORMAT,
        fingerprint=digest.hexdigest(),
        tokenizer=config.tokenizer,
        vocabularies=vocabulary.saved,
        leakage=source_leakage(encoded),
        splits=splits,
    )
    write_durably(folder / "meta.json", meta.model_dump_json().encode())


@cache
def open_pairs(folder: Path) -> PairsDataset:
    """Map a prepared dataset of pairs into memory, once for each process.

    Raises:
        DataError: the folder is missing, torn, or of another version of lmtune.
    """
    return read_pairs(folder)


def read_pairs(folder: Path) -> PairsDataset:
    """Map a prepared dataset of pairs into memory as its files are now.

    Raises:
        DataError: as `open_pairs`.
    """
    return _read(folder, {})


def read_pairs_vocabulary(folder: Path) -> PairsDataset:
    """As `read_pairs`, of a folder without the pairs: the splits are empty.

    Raises:
        DataError: as `open_pairs`.
    """
    none = RaggedTokens(np.empty(0, dtype=np.uint16), np.zeros(1, dtype=np.int64))
    empty = PairSplit(none, none, source_texts=(), target_texts=(), scored_bytes=0)
    return _read(folder, {"train": empty, "validation": empty})


def _read(folder: Path, given: Mapping[str, PairSplit]) -> PairsDataset:
    """Prepared pairs; with the splits that are given, else with their own."""
    try:
        meta = _Meta.model_validate_json((folder / "meta.json").read_bytes())
        if meta.format != PAIRS_FORMAT:
            raise ValueError(f"format {meta.format}, not {PAIRS_FORMAT}")
        vocabulary = load_vocabulary(meta.tokenizer, meta.vocabularies)
        splits = given or {
            name: map_split(folder, name, split, vocabulary) for name, split in meta.splits.items()
        }
    except (OSError, ValueError) as error:
        is_torn = isinstance(error, ValidationError)
        reason = "meta.json is torn or of another version" if is_torn else str(error)
        what = f"not a whole prepared dataset: {reason}"
        fix = "run the sweep again: it prepares the dataset anew"
        raise DataError(Problem(str(folder), what, fix=fix)) from error
    return PairsDataset(
        folder=folder,
        fingerprint=meta.fingerprint,
        vocabulary=vocabulary,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        unknown_tokens={name: split.unknown_tokens for name, split in meta.splits.items()},
        left_out={name: split.left_out for name, split in meta.splits.items()},
        leakage=meta.leakage,
    )


def _key(config: DatasetConfig, files: PairFileContents) -> str:
    """Name all that decides about the files of a prepared dataset."""
    facts: list[JsonValue] = [
        PAIRS_FORMAT,
        config.model_dump(mode="json"),
        {name: len(content) for name, content in files.items()},
    ]
    digest = hashlib.sha256(_canonical(facts))
    for name in sorted(files):
        digest.update(files[name])
    return digest.hexdigest()[:32]


def _is_whole(folder: Path) -> bool:
    try:
        read_pairs(folder)
    except DataError:
        return False
    return True


def _canonical(value: JsonValue) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
