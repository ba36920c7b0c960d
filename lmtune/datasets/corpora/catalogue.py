"""Well-known texts by name.

What is not kept here with its hash is believed at the first download, and from then on must be the
same. Each is split as the field does it: by files of its own, or by position.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from lmtune.datasets.corpora import CorpusText
from lmtune.datasets.download import Remote, downloads, fetch
from lmtune.datasets.utf8 import decode_utf8
from lmtune.errors import Problem
from lmtune.spec.dataset import CatalogueCorpus

_WIKITEXT2 = (
    "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"
)
_GUTENBERG_LICENCE = "public domain in the USA; Project Gutenberg License"


@dataclass(frozen=True)
class CatalogueEntry:
    """A text that can be had by name.

    Attributes:
        title: what it is.
        licence: under which it may be used.
        size_bytes: of all files; about, where no hash is known.
        urls: by split; `train` alone where it is cut by position.
        sha256: by split, as far as the hashes are known.
    """

    title: str
    licence: str
    size_bytes: int
    urls: dict[str, str]
    sha256: dict[str, str] = field(default_factory=dict)


def _gutenberg(number: int, title: str, size_bytes: int) -> CatalogueEntry:
    # No hash: these files are made anew whenever the site's notice around the text changes.
    url = f"https://www.gutenberg.org/cache/epub/{number}/pg{number}.txt"
    return CatalogueEntry(title, _GUTENBERG_LICENCE, size_bytes, {"train": url})


CATALOGUE = {
    "tinyshakespeare": CatalogueEntry(
        title="Plays of Shakespeare, as in char-rnn and nanoGPT",
        licence="public domain",
        size_bytes=1_115_394,
        urls={
            "train": "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
            "tinyshakespeare/input.txt"
        },
        sha256={"train": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    ),
    "wikitext2": CatalogueEntry(
        title="Wikipedia articles cut into words, rare ones as <unk> (Merity et al. 2017)",
        licence="CC BY-SA 3.0",
        size_bytes=13_200_000,
        urls={
            "train": f"{_WIKITEXT2}/train.txt",
            "validation": f"{_WIKITEXT2}/valid.txt",
            "test": f"{_WIKITEXT2}/test.txt",
        },
    ),
    "shakespeare": _gutenberg(100, "The complete works of William Shakespeare", 5_600_000),
    "war_and_peace": _gutenberg(2600, "War and Peace, by Leo Tolstoy", 3_400_000),
    "moby_dick": _gutenberg(2701, "Moby-Dick, by Herman Melville", 1_300_000),
    "pride_and_prejudice": _gutenberg(1342, "Pride and Prejudice, by Jane Austen", 800_000),
    "sherlock_holmes": _gutenberg(
        1661, "The Adventures of Sherlock Holmes, by Arthur Conan Doyle", 600_000
    ),
    "frankenstein": _gutenberg(84, "Frankenstein, by Mary Shelley", 450_000),
}
_MARGIN = 4
"""How many times its noted size a file may have before it is something else."""


def check(config: CatalogueCorpus, *, project: Path, where: str) -> list[Problem]:
    """Find a name that the catalogue does not have."""
    if config.name in CATALOGUE:
        return []
    close = difflib.get_close_matches(config.name, CATALOGUE, n=1)
    return [
        Problem(
            f"{where}.name",
            f"`{config.name}` is not in the catalogue",
            f"one of: {', '.join(CATALOGUE)}",
            f"did you mean `{close[0]}`?" if close else "python -m lmtune.prepare --list",
        )
    ]


def read(config: CatalogueCorpus, *, project: Path, where: str) -> CorpusText:
    """Read the files of an entry, downloaded first where they are not there yet.

    Raises:
        DataError: a file cannot be had, is not what it was, or is not UTF-8.
    """
    entry = CATALOGUE[config.name]
    texts = {}
    for split, url in entry.urls.items():
        sha256 = entry.sha256.get(split)
        path = downloads(project) / (sha256 or f"{config.name}-{split}.txt")
        content = fetch(Remote(url, sha256, _MARGIN * entry.size_bytes), path, where=where)
        texts[split] = decode_utf8(content, path, where)
    return CorpusText.cut(texts["train"], texts.get("validation"), texts.get("test"))
