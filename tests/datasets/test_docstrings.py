"""Functions and the first sentences of their docstrings."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from lmtune.datasets.corpora import check_corpus, docstrings
from lmtune.datasets.corpora.docstrings import first_sentence, module_pairs
from lmtune.datasets.pair_texts import PairTexts, load_pair_files, read_pair_texts
from lmtune.errors import DataError
from lmtune.spec.dataset import DocstringsPairs

CONFIG = DocstringsPairs(type="docstrings")
WHERE = "f:1: dataset.corpus"


@pytest.fixture(scope="module")
def texts() -> PairTexts:
    files = load_pair_files(CONFIG, project=Path(), where=WHERE)
    return read_pair_texts(CONFIG, files, project=Path(), where=WHERE)


def from_code(code: str, max_source_chars: int = 400) -> list[tuple[str, str]]:
    return [*module_pairs(code.encode(), max_source_chars)]


def test_library_when_read_gives_about_5000_pairs_split_90_5_5(texts: PairTexts) -> None:
    sizes = {name: len(pairs) for name, pairs in texts.splits.items()}
    total = sum(sizes.values())
    assert 4_000 < total < 8_000
    shares = {name: size / total for name, size in sizes.items()}
    assert shares == pytest.approx({"train": 0.9, "validation": 0.05, "test": 0.05}, abs=0.015)


def test_library_when_read_shares_no_source_and_no_target(texts: PairTexts) -> None:
    for side in ("sources", "targets"):
        everything = [text for split in texts.splits.values() for text in getattr(split, side)]
        assert len(everything) == len(set(everything))


def test_library_when_read_has_whole_functions_and_sentences_of_one_line(texts: PairTexts) -> None:
    for split in texts.splits.values():
        for source, target in zip(split.sources, split.targets, strict=True):
            assert source.startswith(("def ", "async def "))
            assert len(source) <= 400
            assert target not in source, "the docstring is still there"
            assert "\n" not in target
            assert "  " not in target
            assert 4 <= len(target.split()) <= 30
    uncut = [source for source in texts.test.sources if len(source) < 350] if texts.test else []
    assert len(uncut) > 50
    for source in uncut:
        ast.parse(source)


def library(folder: Path, modules: dict[str, int]) -> dict[str, set[str]]:
    """Write modules with so many functions; returns the targets of each."""
    targets: dict[str, set[str]] = {}
    for name, count in modules.items():
        sentences = [f"Return number {number} of module {name}." for number in range(count)]
        code = [
            f'def f{number}():\n    """{text}"""\n    return "{name}"\n'
            for number, text in enumerate(sentences)
        ]
        (folder / f"{name}.py").write_text("\n".join(code))
        targets[name] = set(sentences)
    return targets


def read_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> PairTexts:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(folder))
    assert check_corpus(CONFIG, project=Path(), where=WHERE) == []
    files = load_pair_files(CONFIG, project=Path(), where=WHERE)
    return read_pair_texts(CONFIG, files, project=Path(), where=WHERE)


def test_modules_when_shared_out_stand_in_one_split_and_large_ones_in_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"os": 0} | {f"m{number}": 5 for number in range(60)} | {"huge": 100, "vast": 60}
    targets = library(tmp_path, sizes)
    texts = read_library(monkeypatch, tmp_path)
    homes: dict[str, list[str]] = {name: [] for name in targets if targets[name]}
    for split, pairs in texts.splits.items():
        for name in homes:
            if targets[name] & set(pairs.targets):
                assert targets[name] <= set(pairs.targets), f"{name} is torn apart"
                homes[name].append(split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert homes["huge"] == homes["vast"] == ["train"]
    assert [len(pairs) for pairs in texts.splits.values()] == [415, 25, 20]
    assert texts == read_library(monkeypatch, tmp_path)


def test_modules_when_few_leave_no_split_without_pairs_unnoticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(tmp_path, {"os": 30})
    texts = read_library(monkeypatch, tmp_path)
    assert len(texts.train) == 30
    assert [len(pairs) for pairs in texts.splits.values()] == [30, 0, 0]


def test_duplicates_when_read_are_used_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = 'def f(x):\n    """Return what was given."""\n    return x\n'
    other = 'def g(y):\n    """Return what was given."""\n    return y\n'
    for name in ("os", "a", "b"):
        (tmp_path / f"{name}.py").write_text(function)
    (tmp_path / "c.py").write_text(other + function.replace("was", "has been"))
    texts = read_library(monkeypatch, tmp_path)
    assert sum(map(len, texts.splits.values())) == 1


def test_functions_when_documented_are_found_wherever_they_stand() -> None:
    code = '''
class A:
    if True:
        @decorator
        async def method(self,
                         x):
            r"""Do one thing
            and another.  Then more.

            Args: x
            """

            # Why.
            def inner():
                "Do the inner thing well."
                return {
  1: 2}

            return inner
try:
    pass
except E:
    def late(): pass
'''
    assert from_code(code) == [
        (
            (
                "async def method(self,\n"
                "                 x):\n"
                "    # Why.\n"
                "    def inner():\n"
                '        "Do the inner thing well."\n'
                "        return {\n"
                "  1: 2}\n"
                "    return inner"
            ),
            "Do one thing and another.",
        ),
        ("def inner():\n    return {\n  1: 2}", "Do the inner thing well."),
    ]


def test_functions_when_nothing_can_be_asked_of_them_are_left_out() -> None:
    assert from_code('def f():\n    """Only a docstring here."""\n') == []
    assert from_code('def f(): "Docstring on the same line."; return 1\n') == []
    assert from_code('def f():\n    "Two on the same line."; return 1\n') == []
    assert from_code("def f():\n    return 1\n") == []
    assert from_code("def f(:\n") == []
    assert [*module_pairs(b'def f():\n    "Not in UTF-8 \xe4 at all."\n    return 1\n', 400)] == []


def test_functions_when_long_are_cut_off() -> None:
    code = 'def f():\n    """Return a very long text."""\n    return "' + "a" * 1000 + '"\n'
    ((source, _),) = from_code(code, max_source_chars=50)
    assert source == 'def f():\n    return "' + "a" * 29


def test_lines_when_they_end_otherwise_are_counted_as_python_does() -> None:
    code = 'x = 1\x0c\r\n\r\ndef f():\r\n    """Return the number one."""\r\n    return 1\r\n'
    assert from_code(code) == [("def f():\n    return 1", "Return the number one.")]


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("Return the value\nnow.\n\nMore.", "Return the value now."),
        ("Return the value without a full stop\n\nMore.", "Return the value without a full stop"),
        ("Do a thing, e.g. this or i.e. that. Then go.", "Do a thing, e.g. this or i.e. that."),
        ("Is this the last one? Yes.", "Is this the last one?"),
        ("Return file.txt as a path. Really.", "Return file.txt as a path."),
        ("Too short.", None),
        ("f(a, b) -> the sum of both.", None),
        (">>> f(1) gives you two.", None),
        ("word " * 31, None),
        ("Return the na\u00efve value here.", None),
    ],
)
def test_sentence_when_cut_ends_where_it_ends(docstring: str, sentence: str | None) -> None:
    assert first_sentence(docstring) == sentence


def test_library_when_missing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (problem,) = check_corpus(CONFIG, project=Path(), where=WHERE)
    assert str(problem) == (
        f"{WHERE}: {tmp_path} does not hold the sources of the standard library\n"
        "  Expected: a Python whose standard library is a folder of .py files\n"
        "  Fix: use another Python, or another corpus such as number_words"
    )


def test_library_when_a_module_vanishes_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docstrings, "source_files", lambda root: [root / "gone.py"])
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match=r"gone\.py cannot be read: No such file or directory"):
        load_pair_files(CONFIG, project=Path(), where=WHERE)
