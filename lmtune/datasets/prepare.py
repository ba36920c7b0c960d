"""Tokenize a corpus once, into a cache that all runs of a project share.

A prepared dataset lies in `data/cache` of the project under a name made from the text and the
tokenizer's configuration, so that it is found again without tokenizing. It is built in a folder of
its own and then renamed, so that nobody ever sees half of it: of two processes that prepare the
same text at once, the slower one throws its work away and uses the other's. While nothing runs,
the whole cache may be removed, and with it what killed processes left there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lmtune.datasets.corpora import CorpusText, check_corpus, read_corpus
from lmtune.datasets.dataset import DATASET_FORMAT, Dataset, read_dataset, write_dataset
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
    return check_corpus(config.corpus, project=project, where=f"{where}.corpus")


def prepare_dataset(config: DatasetConfig, *, project: Path, where: str = "dataset") -> Dataset:
    """Return the tokens of a corpus, from the cache where they are there already.

    Args:
        config: the `dataset` section.
        project: the folder that relative paths start from, and that holds `data/cache`.
        where: place of the `dataset` section in the sweep file, for the messages.

    Raises:
        DataError: the corpus is missing, unreadable or too short for one window, or the cache
            cannot be written.
    """
    corpus = read_corpus(config.corpus, project=project, where=f"{where}.corpus")
    contents = {name: text.encode() for name, text in corpus.splits.items()}
    # No token stands for less than a byte, so this refuses nothing that could pass.
    sizes_bytes = {name: len(content) for name, content in contents.items()}
    _refuse_short(sizes_bytes, "bytes", config, where)
    key = _key(corpus, contents, config.tokenizer)
    name = f"{config.corpus.type}-{config.tokenizer.type}-{key}"
    folder = project.resolve() / "data" / "cache" / name
    if not _is_whole(folder):
        _build(folder, corpus, config.tokenizer)
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


def _build(folder: Path, corpus: CorpusText, config: TokenizerConfig) -> None:
    """Tokenize into a folder that is missing or torn."""
    staging = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
    try:
        staging.mkdir(parents=True)
        write_dataset(staging, corpus, fit_tokenizer(config, corpus.train), config)
        _publish(staging, folder)
    except OSError as error:
        what = f"the token cache cannot be written: {error.strerror}"
        expected = "a folder with write permission and free space"
        fix = "free space or change permissions there, or run in another folder"
        raise DataError(Problem(str(folder.parent), what, expected, fix)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, folder: Path) -> None:
    """Give a finished folder its name, unless a whole one of another process has it by now.

    One process at a time: else two that find a torn folder could remove each other's whole ones.
    """
    with (folder.parent.parent / ".cache.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_whole(folder):
            _discard(folder)
            staging.rename(folder)


def _discard(torn: Path) -> None:
    """Remove a folder, if it is there; renamed first, so that its name is free at once."""
    aside = torn.with_name(f"{torn.name}.{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        torn.rename(aside)
        shutil.rmtree(aside)


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
