"""Tokenize a corpus once, into the cache that all runs of a project share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lmtune.datasets.cache import cached_folder
from lmtune.datasets.corpora import CorpusText, check_corpus, read_corpus
from lmtune.datasets.dataset import DATASET_FORMAT, Dataset, read_dataset, write_dataset
from lmtune.datasets.leakage import refuse_identical_splits
from lmtune.datasets.pair_dataset import PairsDataset, check_pairs, prepare_pairs
from lmtune.datasets.tokenizers import fit_tokenizer
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import DatasetConfig, TokenizerConfig


def check_dataset(config: DatasetConfig, *, project: Path, where: str) -> list[Problem]:
    """Find what is wrong with a dataset without reading its text.

    Args:
        config: the `dataset` section.
        project: the folder that relative paths start from.
        where: place of the `dataset` section in the sweep file, for the messages.
    """
    if config.is_pairs:
        return check_pairs(config, project=project, where=where)
    return check_corpus(config.corpus, project=project, where=f"{where}.corpus")


def prepare_dataset(
    config: DatasetConfig, *, project: Path, where: str = "dataset"
) -> Dataset | PairsDataset:
    """Return the tokens of a corpus, from the cache where they are there already.

    Args:
        config: the `dataset` section.
        project: the folder that relative paths start from, and that holds `data/`.
        where: place of the `dataset` section in the sweep file, for the messages.

    Raises:
        DataError: the corpus cannot be used, or the cache cannot be written.
    """
    prepare = prepare_pairs if config.is_pairs else prepare_text
    try:
        return prepare(config, project=project, where=where)
    except MemoryError as error:
        what = "the corpus does not fit into the memory that is free"
        fix = "use a shorter text or fewer pairs, or a machine with more memory"
        raise DataError(Problem(f"{where}.corpus", what, fix=fix)) from error


def prepare_text(config: DatasetConfig, *, project: Path, where: str = "dataset") -> Dataset:
    """Return the tokens of one running text; `prepare_dataset` for a corpus that is one.

    Raises:
        DataError: the corpus is missing, unreadable or too short for one window, two splits are
            the same text, or the cache cannot be written.
    """
    corpus = read_corpus(config.corpus, project=project, where=f"{where}.corpus")
    contents = {name: text.encode() for name, text in corpus.splits.items()}
    # No token stands for less than a byte, so this refuses nothing that could pass.
    sizes_bytes = {name: len(content) for name, content in contents.items()}
    _refuse_short(sizes_bytes, "bytes", config, where)
    refuse_identical_splits(corpus, f"{where}.corpus")
    key = _key(corpus, contents, config.tokenizer)
    name = f"{config.corpus.type}-{config.tokenizer.type}-{key}"
    tokenizer = config.tokenizer
    folder = cached_folder(
        project,
        name,
        is_whole=_is_whole,
        build=lambda folder: write_dataset(
            folder, corpus, fit_tokenizer(tokenizer, corpus.train), tokenizer
        ),
    )
    dataset = read_dataset(folder)
    sizes_tokens = {name: len(split.tokens) for name, split in dataset.splits.items()}
    _refuse_short(sizes_tokens, "tokens", config, where)
    return dataset


def _key(corpus: CorpusText, contents: Mapping[str, bytes], tokenizer: TokenizerConfig) -> str:
    """Name all that decides about the files of a prepared dataset."""
    facts = {
        "format": DATASET_FORMAT,
        "tokenizer": tokenizer.model_dump(mode="json"),
        "entropy_rate": corpus.entropy_rate,
        "source_loss": dict(corpus.source_loss),
        "sizes_bytes": {name: len(content) for name, content in contents.items()},
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for content in contents.values():
        digest.update(content)
    return digest.hexdigest()[:32]


def _is_whole(folder: Path) -> bool:
    try:
        read_dataset(folder)
    except DataError:
        return False
    return True


def _refuse_short(sizes: Mapping[str, int], unit: str, config: DatasetConfig, where: str) -> None:
    """Raise DataError where a split does not fill one window and the token after it."""
    needed = config.context_length + 1
    longest = (min(sizes.values()) - 1) // 2 * 2
    shorter_context = f", or set context_length to {longest} or less" if longest >= 2 else ""
    problems = [
        Problem(
            f"{where}.corpus",
            f"the {name} split has {size} {unit}, too few for context_length "
            f"{config.context_length}",
            f"at least {needed} tokens in each split",
            f"use a longer text{shorter_context}",
        )
        for name, size in sizes.items()
        if size < needed
    ]
    if problems:
        raise DataError(problems)
