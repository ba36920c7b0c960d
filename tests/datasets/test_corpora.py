"""Contract tests over every corpus of one running text, and what each of them promises."""

from __future__ import annotations

import hashlib
import os
import pkgutil
import sys
import sysconfig
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from lmtune.datasets import check_dataset, corpora, prepare_text
from lmtune.datasets.corpora import CorpusText, check_corpus, read_corpus
from lmtune.datasets.corpora.python_stdlib import source_files
from lmtune.errors import DataError
from lmtune.spec.config import Config
from lmtune.spec.dataset import (
    CorpusConfig,
    DatasetConfig,
    HuggingFaceCorpus,
    PairsCorpusConfig,
    TextCorpusConfig,
)

CORPORA = [module.name for module in pkgutil.iter_modules(corpora.__path__)]
WHERE = "sweep.yaml:3: base.dataset.corpus"

TEXT = "A line of text, with an umlaut: \u00fc.\n" * 100
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()
EXAMPLES: dict[str, dict[str, object]] = {
    "text": {"train": "train.txt"},
    "url": {"url": "https://example.invalid/text.txt", "sha256": SHA256},
    "catalogue": {"name": "frankenstein"},
}
"""What a corpus needs besides its type."""


def type_of(kind: type[Config]) -> str:
    word: str = get_args(kind.model_fields["type"].annotation)[0]
    return word


TEXT_CORPORA = [
    type_of(kind)
    for kind in get_args(TextCorpusConfig)
    if kind is not HuggingFaceCorpus  # in test_huggingface.py: its library takes seconds
]


def corpus_config(**fields: object) -> CorpusConfig:
    config: CorpusConfig = TypeAdapter(CorpusConfig).validate_python(fields)
    return config


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(TEXT, "utf-8")
    downloads = tmp_path / "data" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / SHA256).write_text(TEXT, "utf-8")
    (downloads / "frankenstein-train.txt").write_text(TEXT, "utf-8")
    return tmp_path


@pytest.fixture(params=TEXT_CORPORA)
def config(request: pytest.FixtureRequest) -> CorpusConfig:
    return corpus_config(type=request.param, **EXAMPLES.get(request.param, {}))


def read_text(project: Path, **files: str) -> CorpusText:
    return read_corpus(corpus_config(type="text", **files), project=project, where=WHERE)


def test_corpora_when_listed_are_those_of_the_spec() -> None:
    kinds = [*get_args(TextCorpusConfig), *get_args(PairsCorpusConfig)]
    assert sorted(CORPORA) == sorted(map(type_of, kinds))


def test_any_corpus_when_checked_has_no_problem(config: CorpusConfig, project: Path) -> None:
    assert check_corpus(config, project=project, where=WHERE) == []


def test_any_corpus_when_read_twice_gives_the_same_text(
    config: CorpusConfig, project: Path
) -> None:
    first = read_corpus(config, project=project, where=WHERE)
    assert first == read_corpus(config, project=project, where=WHERE)


def test_any_corpus_when_read_has_shares_of_90_5_and_5_percent(
    config: CorpusConfig, project: Path
) -> None:
    sizes = {
        name: len(text)
        for name, text in read_corpus(config, project=project, where=WHERE).splits.items()
    }
    total = sum(sizes.values())
    shares = {name: size / total for name, size in sizes.items()}
    assert shares == pytest.approx({"train": 0.9, "validation": 0.05, "test": 0.05}, abs=0.01)


def test_python_docs_when_read_is_prose_without_repeated_paragraphs(tmp_path: Path) -> None:
    corpus = read_corpus(corpus_config(type="python_docs"), project=tmp_path, where=WHERE)
    text = "".join(corpus.splits.values())
    assert 300_000 < len(text) < 700_000
    assert 'The "with" statement\n********************\n\n' in text
    paragraphs = [paragraph for paragraph in text.split("\n\n") if len(paragraph) >= 60]
    assert len(paragraphs) == len(set(paragraphs)), "a paragraph stands twice: splits leak"


def test_python_docs_when_missing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError) as caught:
        read_corpus(corpus_config(type="python_docs"), project=tmp_path, where=WHERE)
    assert str(caught.value) == (
        f"{WHERE}: this Python was installed without the module pydoc_data.topics\n"
        "  Expected: a CPython with its complete standard library\n"
        "  Fix: use another Python, or another corpus such as python_stdlib"
    )


def test_python_stdlib_when_read_starts_each_split_with_a_file(tmp_path: Path) -> None:
    corpus = read_corpus(corpus_config(type="python_stdlib"), project=tmp_path, where=WHERE)
    root = Path(sysconfig.get_path("stdlib"))
    files = [path.read_bytes().decode(errors="replace") for path in source_files(root)]
    assert 8e6 < sum(map(len, corpus.splits.values())) < 16e6
    for text in corpus.splits.values():
        assert any(file and text.startswith(file) for file in files)


def test_python_stdlib_when_listed_leaves_out_tests_packages_and_generated_files(
    tmp_path: Path,
) -> None:
    kept = ["abc.py", "email/policy.py", "testing.py"]
    left_out = [
        "test/a.py",
        "unittest/test/a.py",
        "lib2to3/tests/a.py",
        "idlelib/idle_test/a.py",
        "site-packages/a.py",
        "dist-packages/a.py",
        "__pycache__/a.py",
        "pydoc_data/topics.py",
        "config-3.11/python-config.py",
        "_sysconfigdata__linux_.py",
        "abc.txt",
    ]
    for name in kept + left_out:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pass\n")
    assert source_files(tmp_path) == [tmp_path / name for name in kept]


def test_python_stdlib_when_read_skips_empty_and_undecodable_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.py").write_text(f"x = {number:02}\n")
    (tmp_path / "os.py").write_text("")
    (tmp_path / "latin.py").write_bytes(b"# \xe4\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    corpus = read_corpus(corpus_config(type="python_stdlib"), project=tmp_path, where=WHERE)
    expected = "\n".join(f"x = {number:02}\n" for number in range(40))
    assert "\n".join(corpus.splits.values()) == expected
    assert corpus.validation == "x = 36\n\nx = 37\n"


def test_python_stdlib_when_missing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError) as caught:
        read_corpus(corpus_config(type="python_stdlib"), project=tmp_path, where=WHERE)
    assert str(caught.value) == (
        f"{WHERE}: {tmp_path} does not hold the sources of the standard library\n"
        "  Expected: a Python whose standard library is a folder of .py files\n"
        "  Fix: use another Python, or another corpus such as python_docs"
    )


def test_text_when_only_train_is_given_is_cut_90_5_5(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(200))
    (tmp_path / "a.txt").write_text(text, "utf-8")
    corpus = read_text(tmp_path, train="a.txt")
    assert corpus == CorpusText(text[:180], text[180:190], text[190:])


def test_text_when_validation_is_given_uses_train_whole_and_has_no_test(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 100)
    (tmp_path / "b.txt").write_text("b" * 100)
    corpus = read_text(tmp_path, train="a.txt", validation="b.txt")
    assert corpus == CorpusText("a" * 100, "b" * 100, None)


def test_text_when_only_test_is_given_cuts_validation_from_train(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 95 + "v" * 5)
    (tmp_path / "b.txt").write_text("b" * 100)
    corpus = read_text(tmp_path, train="a.txt", test="b.txt")
    assert corpus == CorpusText("a" * 95, "v" * 5, "b" * 100)


def test_text_when_all_files_are_given_by_absolute_path_takes_each_as_it_is(tmp_path: Path) -> None:
    names = ["train", "validation", "test"]
    for name in names:
        (tmp_path / name).write_text(name * 3)
    corpus = read_text(Path("/nowhere"), **{name: str(tmp_path / name) for name in names})
    assert corpus.splits == {name: name * 3 for name in names}


def test_text_when_read_drops_the_byte_order_mark_and_nothing_else(tmp_path: Path) -> None:
    content = "a\r\nb\rc\n\ufeffd\x0be\u0301\u2028" * 10
    (tmp_path / "a.txt").write_bytes(("\ufeff" + content).encode("utf-8"))
    assert "".join(read_text(tmp_path, train="a.txt").splits.values()) == content


def text_error(project: Path, **files: str) -> str:
    with pytest.raises(DataError) as caught:
        read_text(project, **files)
    return str(caught.value)


def test_text_when_a_file_is_missing_says_which(tmp_path: Path) -> None:
    assert text_error(tmp_path, train="data/train.txt") == (
        f"{WHERE}.train: {tmp_path}/data/train.txt cannot be read: No such file or directory\n"
        "  Expected: a UTF-8 text file; a relative path starts from the project folder\n"
        "  Fix: correct the path, or put a readable file there"
    )


def test_text_when_the_path_has_a_nul_says_so(tmp_path: Path) -> None:
    assert "cannot be read: embedded null byte" in text_error(tmp_path, train="a\0b")


def test_text_when_a_path_is_a_directory_says_so(tmp_path: Path) -> None:
    assert text_error(tmp_path, train=".") == (
        f"{WHERE}.train: {tmp_path} is a directory\n"
        "  Expected: a UTF-8 text file\n"
        "  Fix: name one file"
    )


def test_text_when_a_path_is_a_pipe_says_so_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert text_error(tmp_path, train="pipe") == (
        f"{WHERE}.train: {tmp_path}/pipe is a pipe, socket or device\n"
        "  Expected: a UTF-8 text file\n"
        "  Fix: save its text to a file and name that"
    )


def test_text_when_a_file_is_empty_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert text_error(tmp_path, train="a.txt") == (
        f"{WHERE}.train: {tmp_path}/a.txt is empty\n"
        "  Expected: a UTF-8 text file\n"
        "  Fix: put text into it"
    )


def test_text_when_a_file_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "my text.txt").write_bytes("na\u00efve \u20ac".encode() + b"\xe4bc")
    assert text_error(tmp_path, train="my text.txt") == (
        f"{WHERE}.train: {tmp_path}/my text.txt is not UTF-8: 0xe4 at byte 10\n"
        "  Expected: a UTF-8 text file\n"
        "  Fix: if it is LATIN1 text: iconv -f LATIN1 -t UTF-8 "
        f"'{tmp_path}/my text.txt' > '{tmp_path}/my text.txt.utf8'"
    )


def test_text_when_a_file_is_binary_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc\0def")
    assert text_error(tmp_path, train="a.bin") == (
        f"{WHERE}.train: {tmp_path}/a.bin is a binary file: NUL at byte 3\n"
        "  Expected: a UTF-8 text file\n"
        "  Fix: if it is UTF-16 text: iconv -f UTF-16 -t UTF-8 "
        f"{tmp_path}/a.bin > {tmp_path}/a.bin.utf8"
    )


def test_text_when_several_files_are_bad_reports_them_together(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    message = text_error(tmp_path, train="a.bin", validation="b.txt")
    assert "a.bin is a binary file" in message
    assert "b.txt is not UTF-8: 0xff at byte 0" in message
    unread = DatasetConfig.model_validate(
        {"corpus": {"type": "text", "train": "x", "validation": ".", "test": "y"}}
    )
    problems = check_dataset(unread, project=tmp_path, where="f:1: base.dataset")
    assert [problem.where for problem in problems] == [
        "f:1: base.dataset.corpus.train",
        "f:1: base.dataset.corpus.validation",
        "f:1: base.dataset.corpus.test",
    ]


def test_text_when_a_file_is_given_twice_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 100)
    (tmp_path / "b.txt").symlink_to("a.txt")
    assert text_error(tmp_path, train="a.txt", validation="b.txt") == (
        f"{WHERE}.validation: {tmp_path}/b.txt is the train file, too\n"
        "  Expected: a file of its own for each split\n"
        "  Fix: name another file, or leave validation out"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_text_when_a_file_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 100)
    (tmp_path / "a.txt").chmod(0)
    assert "a.txt cannot be read: Permission denied" in text_error(tmp_path, train="a.txt")


def test_text_when_shorter_than_a_window_says_so_for_each_split(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 800)
    config = DatasetConfig.model_validate(
        {"corpus": {"type": "text", "train": "a.txt"}, "context_length": 64}
    )
    with pytest.raises(DataError) as caught:
        prepare_text(config, project=tmp_path, where="base.dataset")
    rest = (
        "too few for context_length 64\n"
        "  Expected: at least 65 tokens in each split\n"
        "  Fix: use a longer text, or set context_length to 38 or less"
    )
    assert str(caught.value) == (
        f"base.dataset.corpus: the validation split has 40 bytes, {rest}\n"
        f"base.dataset.corpus: the test split has 40 bytes, {rest}"
    )
    assert not (tmp_path / "data").exists(), "nothing needs to be tokenized to see this"


def test_text_when_shorter_than_a_window_in_characters_alone_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\u20ac" * 799 + "!", "utf-8")
    config = DatasetConfig.model_validate(
        {"corpus": {"type": "text", "train": "a.txt"}, "context_length": 64}
    )
    with pytest.raises(DataError, match="the test split has 40 tokens, too few for context_length"):
        prepare_text(config, project=tmp_path)


def test_text_when_far_too_short_suggests_no_context_length(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab")
    config = DatasetConfig.model_validate({"corpus": {"type": "text", "train": "a.txt"}})
    with pytest.raises(DataError) as caught:
        prepare_text(config, project=tmp_path)
    assert caught.value.problems[-1].fix == "use a longer text"


def test_text_when_larger_than_memory_allows_says_so_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").touch()
    os.truncate(tmp_path / "a.txt", 100 << 20)
    monkeypatch.setattr("lmtune.datasets.corpora.text.available_memory", lambda: 300 << 20)
    assert text_error(tmp_path, train="a.txt") == (
        f"{WHERE}.train: {tmp_path}/a.txt has 100 MiB, and 300 MiB of memory are free\n"
        "  Expected: at most 50 MiB: preparing a file takes about 6 times its size\n"
        "  Fix: use a part of it, or a machine with more memory"
    )


def test_text_when_the_memory_is_not_known_is_not_refused_for_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtune.datasets.corpora.text.available_memory", lambda: None)
    (tmp_path / "a.txt").write_text("abc" * 100)
    assert read_text(tmp_path, train="a.txt").train
