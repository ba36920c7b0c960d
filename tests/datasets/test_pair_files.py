"""The user's own pairs: three forms of files, and all that can be wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.datasets.corpora import pairs
from lmtune.datasets.pair_texts import PairTexts, TextPairs
from lmtune.errors import DataError, Problem
from lmtune.spec.dataset import PairsCorpus

WHERE = "sweep.yaml:3: base.dataset.corpus"
TSV = "a source, one tab and a target on each line"
JSONL = '{"source": "...", "target": "..."} on each line'


def config_of(**fields: object) -> PairsCorpus:
    return PairsCorpus.model_validate({"type": "pairs", **fields})


def read(project: Path, **fields: object) -> PairTexts:
    config = config_of(**fields)
    problems = pairs.check(config, project=project, where=WHERE)
    if problems:
        raise DataError(problems)
    files = pairs.load_files(config, project=project, where=WHERE)
    return pairs.read(config, files, project=project, where=WHERE)


def problems_of(project: Path, **fields: object) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        read(project, **fields)
    return list(caught.value.problems)


def error(project: Path, **fields: object) -> str:
    return "\n".join(map(str, problems_of(project, **fields)))


def whole(texts: PairTexts) -> list[tuple[str, str]]:
    return [
        pair
        for split in texts.splits.values()
        for pair in zip(split.sources, split.targets, strict=True)
    ]


PAIRS = [(f"s{number}", f"t {number}") for number in range(40)]


def write_all_forms(project: Path, content: list[tuple[str, str]]) -> list[object]:
    """Write pairs in each form, and return how each is named in a sweep file."""
    tsv = "".join(f"{source}\t{target}\n" for source, target in content)
    jsonl = "".join(json.dumps({"source": s, "target": t, "id": 1}) + "\n" for s, t in content)
    sources, targets = ("".join(f"{pair[i]}\n" for pair in content) for i in (0, 1))
    for name, text in [("a.tsv", tsv), ("a.jsonl", jsonl), ("a.src", sources), ("a.tgt", targets)]:
        (project / name).write_bytes(text.encode())
    return ["a.tsv", "a.jsonl", {"source": "a.src", "target": "a.tgt"}]


def test_pairs_when_written_in_any_form_are_the_same(tmp_path: Path) -> None:
    content = [*PAIRS, ("na\u00efve \U0001f415", "\u2028 spaced  "), ("\x0b form", "x\x85y\rz")]
    for given_as in write_all_forms(tmp_path, content):
        assert whole(read(tmp_path, train=given_as)) == content


# What neither ends a line nor a column, nor makes a file binary; and a text is not blank.
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r\ufeff"), min_size=1
).filter(str.strip)


@settings(max_examples=30)
@given(content=st.lists(st.tuples(TEXTS, TEXTS), min_size=11, max_size=15))
def test_any_pairs_when_written_in_any_form_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, content: list[tuple[str, str]]
) -> None:
    project = tmp_path_factory.getbasetemp()
    for given_as in write_all_forms(project, content):
        assert sorted(whole(read(project, train=given_as))) == sorted(content)


def test_lines_when_they_end_with_crlf_lose_both_and_the_mark_at_the_start(tmp_path: Path) -> None:
    lines = "".join(f"{source}\t{target}\r\n" for source, target in PAIRS)
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + lines.encode().removesuffix(b"\r\n"))
    assert whole(read(tmp_path, train="a.tsv")) == PAIRS


def test_json_when_texts_hold_line_ends_and_tabs_keeps_them(tmp_path: Path) -> None:
    content = [(f"a\n\t{number}", "b\r\n") for number in range(20)]
    lines = [json.dumps({"target": target, "source": source}) for source, target in content]
    (tmp_path / "A.JSONL").write_text("\n".join(lines))
    assert whole(read(tmp_path, train="A.JSONL")) == content


def splits(texts: PairTexts) -> dict[str, int]:
    return {name: len(split) for name, split in texts.splits.items()}


def test_splits_when_not_given_are_cut_off_the_end_of_train(tmp_path: Path) -> None:
    write_all_forms(tmp_path, PAIRS)
    (tmp_path / "b.tsv").write_text("s\tt\n")
    (tmp_path / "c.tsv").write_text("u\tv\n")
    cut = read(tmp_path, train="a.tsv")
    assert splits(cut) == {"train": 36, "validation": 2, "test": 2}
    assert whole(cut) == PAIRS
    with_test = read(tmp_path, train="a.tsv", test="b.tsv")
    assert splits(with_test) == {"train": 38, "validation": 2, "test": 1}
    assert with_test.validation == TextPairs(["s38", "s39"], ["t 38", "t 39"])
    assert splits(read(tmp_path, train="a.tsv", validation="b.tsv")) == {
        "train": 40,
        "validation": 1,
    }
    all_given = read(tmp_path, train="a.tsv", validation="b.tsv", test="c.tsv")
    assert splits(all_given) == {"train": 40, "validation": 1, "test": 1}


@pytest.mark.parametrize(("count", "test"), [(10, None), (1, "b.tsv")])
def test_splits_when_there_is_too_little_to_cut_say_so(
    tmp_path: Path, count: int, test: str | None
) -> None:
    write_all_forms(tmp_path, PAIRS[:count])
    (tmp_path / "b.tsv").write_text("s\tt\n")
    assert error(tmp_path, train="a.tsv", test=test) == (
        f"{WHERE}.train: {count} pairs are too few to cut other splits off their end\n"
        "  Expected: a pair in each split\n"
        "  Fix: give more pairs, or files of their own for validation and test"
    )


def test_splits_when_the_pairs_are_the_same_are_refused(tmp_path: Path) -> None:
    write_all_forms(tmp_path, PAIRS)
    (tmp_path / "b.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in reversed(PAIRS)))
    (tmp_path / "c.tsv").write_text("u\tv\n")
    assert error(tmp_path, train="a.jsonl", validation="c.tsv", test="b.tsv") == (
        f"{WHERE}.test: the test split holds the same pairs as the train split\n"
        "  Expected: pairs of its own for each split\n"
        "  Fix: name another file, or leave test out"
    )


@pytest.mark.parametrize("name", ["a.csv", "a", "a.txt", "a.json"])
def test_file_when_its_name_says_no_form_names_the_three(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a\tb\n")
    assert error(tmp_path, train="a.tsv", validation=name).splitlines()[-3:] == [
        f"{WHERE}.validation: the name {name} does not say how the file holds its pairs",
        (
            '  Expected: a .tsv file (source, tab, target), a .jsonl file ({"source": ..., '
            '"target": ...}), or {source: FILE, target: FILE}'
        ),
        "  Fix: convert the file, and name it so",
    ]


def test_files_when_missing_or_no_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "empty.tgt").touch()
    os.mkfifo(tmp_path / "pipe.tsv")
    (tmp_path / "folder.jsonl").mkdir()
    train = {"source": "gone.src", "target": "empty.tgt"}
    found = problems_of(tmp_path, train=train, validation="pipe.tsv", test="folder.jsonl")
    assert [(problem.where.removeprefix(WHERE), problem.what) for problem in found] == [
        (".train.source", f"{tmp_path}/gone.src cannot be read: No such file or directory"),
        (".train.target", f"{tmp_path}/empty.tgt is empty"),
        (".validation", f"{tmp_path}/pipe.tsv is a pipe, socket or device"),
        (".test", f"{tmp_path}/folder.jsonl is a directory"),
    ]


def test_files_when_they_vanish_after_the_check_are_named(tmp_path: Path) -> None:
    config = config_of(train="a.tsv", validation="b.tsv")
    with pytest.raises(DataError) as caught:
        pairs.load_files(config, project=tmp_path, where=WHERE)
    assert [problem.where for problem in caught.value.problems] == [
        f"{WHERE}.train",
        f"{WHERE}.validation",
    ]


def test_file_when_binary_or_not_utf8_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"a\tb\nc\td\nna\xefve\tx\n")
    (tmp_path / "b.tsv").write_bytes(b"a\tb\n\0")
    assert error(tmp_path, train="a.tsv", validation="b.tsv") == (
        f"{WHERE}.train: {tmp_path}/a.tsv:3: {tmp_path}/a.tsv is not UTF-8: 0xef at byte 10\n"
        "  Expected: a UTF-8 text file\n"
        f"  Fix: if it is LATIN1 text: iconv -f LATIN1 -t UTF-8 {tmp_path}/a.tsv > "
        f"{tmp_path}/a.tsv.utf8\n"
        f"{WHERE}.validation: {tmp_path}/b.tsv is a binary file: NUL at byte 4\n"
        "  Expected: a UTF-8 text file\n"
        f"  Fix: if it is UTF-16 text: iconv -f UTF-16 -t UTF-8 {tmp_path}/b.tsv > "
        f"{tmp_path}/b.tsv.utf8"
    )


def test_tsv_when_lines_are_wrong_names_each(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\nab\na\tb\tc\n\tb\na\t \n\n")
    fix = "put one tab between source and target; texts with tabs go into a .jsonl file"
    fill = "write it, or remove the line"
    path = f"{tmp_path}/a.tsv"
    assert problems_of(tmp_path, train="a.tsv") == [
        Problem(f"{WHERE}.train", f"{path}:2: no tab", TSV, fix),
        Problem(f"{WHERE}.train", f"{path}:3: 3 columns", TSV, fix),
        Problem(f"{WHERE}.train", f"{path}:4: the source is empty", "a source on each line", fill),
        Problem(f"{WHERE}.train", f"{path}:5: the target is empty", "a target on each line", fill),
        Problem(f"{WHERE}.train", f"{path}:6: no tab", TSV, fix),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"source": "a"', "not JSON: Expecting ',' delimiter at column 15"),
        ("", "not JSON: Expecting value at column 1"),
        ("[1]", "JSON, but no object"),
        ('{"source": "a"}', "no target"),
        ('{"source": 1, "target": "b"}', "the source is no text"),
        ('{"source": "a", "target": null}', "the target is no text"),
        ('{"source": "a", "target": ""}', "the target is empty"),
        (
            '{"source": "\\ud83d", "target": "b"}',
            "the source holds half of a surrogate pair, which is no character",
        ),
        ("[" * 100_000, "JSON that cannot be read: maximum recursion depth exceeded"),
        ("9" * 10_000, "JSON that cannot be read: Exceeds the limit"),
    ],
)
def test_jsonl_when_a_line_is_wrong_says_how(tmp_path: Path, line: str, what: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"source": "a", "target": "b"}}\n{line}\n')
    (problem,) = problems_of(tmp_path, train="a.jsonl")
    assert problem.what.startswith(f"{tmp_path}/a.jsonl:2: {what}")
    assert problem.expected
    assert problem.fix


def test_lines_when_many_are_wrong_are_shown_in_part_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("x\n" * 100)
    found = problems_of(tmp_path, train="a.jsonl")
    assert [problem.what for problem in found] == [
        *(
            f"{tmp_path}/a.jsonl:{number}: not JSON: Expecting value at column 1"
            for number in range(1, 6)
        ),
        f"{tmp_path}/a.jsonl: 95 more lines are wrong, 100 in all",
    ]
    assert found[0].expected == JSONL


def test_two_files_when_lines_are_empty_name_them_in_both(tmp_path: Path) -> None:
    (tmp_path / "a.src").write_text("a\n\nc\n")
    (tmp_path / "a.tgt").write_text("a\nb\n \t\n")
    found = problems_of(tmp_path, train={"source": "a.src", "target": "a.tgt"})
    assert [(problem.where, problem.what) for problem in found] == [
        (f"{WHERE}.train.source", f"{tmp_path}/a.src:2: the source is empty"),
        (f"{WHERE}.train.target", f"{tmp_path}/a.tgt:3: the target is empty"),
    ]


@pytest.mark.parametrize(
    ("sources", "targets", "longer", "shorter", "side"),
    [(3, 2, "a.src", "a.tgt", "source"), (2, 3, "a.tgt", "a.src", "target")],
)
def test_two_files_when_of_unequal_length_say_where_one_ends(
    tmp_path: Path, sources: int, targets: int, longer: str, shorter: str, side: str
) -> None:
    (tmp_path / "a.src").write_text("a\n" * sources)
    (tmp_path / "a.tgt").write_text("b\n" * targets)
    assert error(tmp_path, train={"source": "a.src", "target": "a.tgt"}) == (
        f"{WHERE}.train.{side}: {tmp_path}/{longer}:3: no line of {tmp_path}/{shorter} belongs to "
        f"it; the sources have {sources} lines and the targets {targets}\n"
        "  Expected: as many sources as targets, line by line\n"
        "  Fix: look for a line that is missing or one too many: what follows it is paired "
        "wrongly, too"
    )


def test_two_splits_when_both_are_wrong_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\n")
    (tmp_path / "b.tsv").write_text("b\n")
    found = problems_of(tmp_path, train="a.tsv", validation="b.tsv")
    assert [problem.where for problem in found] == [f"{WHERE}.train", f"{WHERE}.validation"]


def test_lines_when_nearly_all_are_wrong_are_counted_up_to_a_point(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("x\n" * 20_000)
    *_, last = problems_of(tmp_path, train="a.tsv")
    assert last.what == (
        f"{tmp_path}/a.tsv: at least 9995 more lines are wrong, at least 10000 in all"
    )
