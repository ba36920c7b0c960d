"""Byte pairs: learned as they should be, and the same each time."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets.corpora import read_corpus
from lmtune.datasets.tokenizers import bpe
from lmtune.datasets.tokenizers.bpe import BPETokenizer, fit
from lmtune.spec.dataset import BPETokenizer as BPEConfig
from lmtune.spec.dataset import PythonDocsCorpus

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def fitted(text: str, vocab_size: int = 1024) -> BPETokenizer:
    return fit(BPEConfig(type="bpe", vocab_size=vocab_size), text)


@pytest.fixture(scope="module")
def prose() -> str:
    corpus = read_corpus(PythonDocsCorpus(type="python_docs"), project=Path(), where="")
    return corpus.train[:50_000]


@pytest.fixture(scope="module")
def tokenizer(prose: str) -> BPETokenizer:
    return fitted(prose, vocab_size=500)


def joined(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> Iterator[bytes]:
    """A word after a merge, from left to right."""
    at = 0
    while at < len(word):
        width = 2 if word[at : at + 2] == pair else 1
        yield b"".join(word[at : at + width])
        at += width


def test_merges_when_replayed_join_the_most_frequent_pair_each_time() -> None:
    text = "low lower lowest new newer newest wide wider widest " * 3 + "seldom"
    learned = fitted(text)
    words = Counter(
        tuple(bytes([byte]) for byte in word.encode()) for word in re.findall(r" ?[a-z]+| $", text)
    )
    names = [bytes([byte]) for byte in range(256)]
    for left, right in learned.merges:
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        pair = (names[left], names[right])
        assert pairs[pair] == max(pairs.values())
        words = Counter({tuple(joined(word, pair)): count for word, count in words.items()})
        if b"".join(pair) not in names:
            names.append(b"".join(pair))
    assert len(learned.merges) > 10
    assert all(count < 2 for word, count in words.items() if len(word) > 1), "nothing is left over"
    assert learned.vocab_size == len(names)


def test_vocabulary_when_learned_has_the_size_that_was_asked_for(
    prose: str, tokenizer: BPETokenizer
) -> None:
    assert tokenizer.vocab_size == 500
    assert len(tokenizer.merges) >= 500 - 256
    assert max(tokenizer.encode(prose)) < 500
    assert len(tokenizer.encode(prose)) < 0.5 * len(prose.encode())


def test_vocabulary_when_learned_in_other_processes_is_the_same(
    prose: str, tokenizer: BPETokenizer, tmp_path: Path
) -> None:
    (tmp_path / "train.txt").write_text(prose, "utf-8")
    code = (
        "import hashlib, json, pathlib, sys; from lmtune.datasets.tokenizers.bpe import fit; "
        "from lmtune.spec.dataset import BPETokenizer as Config; "
        "text = pathlib.Path(sys.argv[1]).read_text('utf-8'); "
        "vocabulary = fit(Config(type='bpe', vocab_size=500), text).vocabulary; "
        "print(hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "train.txt")]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = hashlib.sha256(json.dumps(tokenizer.vocabulary).encode()).hexdigest()
    assert other.stdout.strip() == expected
    assert other.stderr == ""


@given(text=TEXTS)
@settings(max_examples=50)
def test_text_when_it_is_any_is_given_back_as_it_was(text: str, tokenizer: BPETokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text(st.sampled_from("ab1'!\u00e9 \t\n\r"), max_size=200), st.integers(1, 50))
@settings(max_examples=50)
def test_tokens_when_the_text_is_encoded_in_pieces_are_the_same(
    text: str, piece_chars: int
) -> None:
    small = fitted("ab ab  ab\n\nab!\n ab a1 a1'" * 3, vocab_size=270)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe, "_PIECE_CHARS", 1 << 20)
        expected = small.encode(text).tolist()
        patch.setattr(bpe, "_PIECE_CHARS", piece_chars)
        assert small.encode(text).tolist() == expected


@given(st.text(st.sampled_from("ab1'!\u00e9 \t\r"), min_size=1, max_size=40))
@settings(max_examples=50)
def test_tokens_when_a_line_is_long_are_the_same_in_pieces(unit: str) -> None:
    text = "a" * 150 + unit * 40 + " " * 150 + "b"
    small = fitted("ab ab  ab\n\nab!\n ab a1 a1'" * 3, vocab_size=270)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe, "_PIECE_CHARS", 1 << 20)
        expected = small.encode(text).tolist()
        patch.setattr(bpe, "_PIECE_CHARS", 10)
        patch.setattr(bpe, "_MAX_LINE_CHARS", 140)  # more than two words of the greatest length
        assert max(map(len, bpe._pieces(text))) <= 150
        assert small.encode(text).tolist() == expected


def test_bytes_when_summed_over_tokens_are_those_of_the_text(tokenizer: BPETokenizer) -> None:
    text = "The word na\u00efve, \u20ac 5.\n"
    sizes = [len(tokenizer._bytes_of_token[token]) for token in tokenizer.encode(text)]
    assert sum(sizes) == len(text.encode())
    assert tokenizer.first_token_bytes(text) == sizes[0] > 1


def test_tokens_when_half_a_character_is_decoded_are_replaced(tokenizer: BPETokenizer) -> None:
    tokens = fitted("").encode("\u20ac")
    assert tokens.tolist() == [0xE2, 0x82, 0xAC]
    assert tokenizer.decode(tokens[:2]) == "\ufffd"


def test_text_when_it_has_no_spaces_is_cut_into_words_of_bounded_length() -> None:
    learned = fitted("a" * 10_000)
    assert max(map(len, learned._bytes_of_token)) == 64
    assert len(learned.encode("a" * 6400)) == 100
