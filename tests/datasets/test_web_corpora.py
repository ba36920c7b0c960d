"""Texts from the web that were downloaded before: addresses, names and files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from lmtune.datasets.corpora import CorpusText, check_corpus, read_corpus
from lmtune.datasets.corpora.catalogue import CATALOGUE
from lmtune.errors import DataError
from lmtune.spec.dataset import CorpusConfig

WHERE = "sweep.yaml:3: base.dataset.corpus"
SHA256 = hashlib.sha256(b"").hexdigest()


def corpus_config(**fields: object) -> CorpusConfig:
    config: CorpusConfig = TypeAdapter(CorpusConfig).validate_python(fields)
    return config


def problem(config: CorpusConfig, project: Path) -> str:
    (found,) = check_corpus(config, project=project, where=WHERE)
    return str(found)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "http:///text.txt",
        "https://example.org:port/",
        "https://example.org/a b",
        "https://example.org/\u00fc",
        "https://[::1/text",
    ],
)
def test_url_when_no_address_says_so(url: str, tmp_path: Path) -> None:
    config = corpus_config(type="url", url=url, sha256=SHA256)
    assert problem(config, tmp_path) == (
        f"{WHERE}.url: {url!r} is no address on the web\n"
        "  Expected: such as https://example.org/text.txt; spaces and special characters as %XX\n"
        "  Fix: copy the address from a browser"
    )


def test_url_when_the_file_is_not_utf8_says_so(tmp_path: Path) -> None:
    content = b"\xff\xfe"
    sha256 = hashlib.sha256(content).hexdigest()
    path = tmp_path / "data" / "downloads" / sha256
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    config = corpus_config(type="url", url="https://example.invalid/", sha256=sha256)
    with pytest.raises(DataError, match=f"{path} is not UTF-8: 0xff at byte 0"):
        read_corpus(config, project=tmp_path, where=WHERE)


def test_catalogue_when_a_name_is_unknown_lists_the_names(tmp_path: Path) -> None:
    config = corpus_config(type="catalogue", name="wikitext-2")
    assert problem(config, tmp_path) == (
        f"{WHERE}.name: `wikitext-2` is not in the catalogue\n"
        f"  Expected: one of: {', '.join(CATALOGUE)}\n"
        "  Fix: did you mean `wikitext2`?"
    )


def test_catalogue_when_an_entry_has_files_of_its_own_takes_them_as_splits(tmp_path: Path) -> None:
    downloads = tmp_path / "data" / "downloads"
    downloads.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        (downloads / f"wikitext2-{split}.txt").write_text(f"{split}\n")
    config = corpus_config(type="catalogue", name="wikitext2")
    corpus = read_corpus(config, project=tmp_path, where=WHERE)
    assert corpus == CorpusText("train\n", "validation\n", "test\n")
    (downloads / "wikitext2-test.txt").write_text("changed")
    with pytest.raises(DataError, match=r"wikitext2-test\.txt has the sha256 .* changed"):
        read_corpus(config, project=tmp_path, where=WHERE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_catalogue_when_looked_at_says_what_each_entry_is(name: str) -> None:
    entry = CATALOGUE[name]
    assert entry.title
    assert entry.licence
    assert entry.size_bytes > 100_000
    assert set(entry.sha256) <= set(entry.urls)
    assert list(entry.urls) in (["train"], ["train", "validation", "test"])
    for split, url in entry.urls.items():
        sha256 = entry.sha256.get(split, SHA256)
        config = corpus_config(type="url", url=url, sha256=sha256)
        assert check_corpus(config, project=Path(), where=WHERE) == []
