"""Local datasets through the `datasets` library; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from lmtune.datasets import prepare_text
from lmtune.datasets.corpora import CorpusText, huggingface, read_corpus
from lmtune.errors import DataError
from lmtune.spec.dataset import DatasetConfig, HuggingFaceCorpus

WHERE = "f:3: base.dataset.corpus"
needs_library = pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="lmtune[huggingface] is not installed"
)


def corpus(**fields: str) -> HuggingFaceCorpus:
    return HuggingFaceCorpus.model_validate({"type": "huggingface", "path": "texts", **fields})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a dataset whose rows are lines, some of them ended and some blank."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "texts"
    folder.mkdir()
    for split, lines in {
        "train": ["one\n", "two", "", "\u20ac three"],
        "validation": ["four"],
        "test": ["five\n"],
    }.items():
        rows = [json.dumps({"text": line, "number": 1}) for line in lines]
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    return tmp_path


def refusal(project: Path, **fields: str) -> str:
    with pytest.raises(DataError) as caught:
        read_corpus(corpus(**fields), project=project, where=WHERE)
    return str(caught.value)


@needs_library
def test_dataset_when_local_is_read_row_by_row(project: Path) -> None:
    splits = {"validation": "validation", "test": "test"}
    expected = CorpusText("one\ntwo\n\n\u20ac three\n", "four\n", "five\n")
    assert read_corpus(corpus(**splits), project=project, where=WHERE) == expected
    assert read_corpus(corpus(**splits), project=project, where=WHERE) == expected
    assert (project / "data" / "huggingface").is_dir()
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


@needs_library
def test_dataset_when_only_train_is_named_is_cut_by_position(project: Path) -> None:
    text = "one\ntwo\n\n\u20ac three\n"
    found = read_corpus(corpus(path=str(project / "texts")), project=Path(), where=WHERE)
    assert found == CorpusText.cut(text)


@needs_library
def test_dataset_when_two_splits_are_one_is_refused(project: Path) -> None:
    fields = {"corpus": corpus(validation="train").model_dump(), "context_length": 2}
    with pytest.raises(DataError, match="the validation split is the same text as the train split"):
        prepare_text(DatasetConfig.model_validate(fields), project=project)


@needs_library
def test_dataset_when_a_split_is_missing_lists_those_there_are(project: Path) -> None:
    assert refusal(project, validation="dev") == (
        f'{WHERE}: texts cannot be read: Unknown split "dev". Should be one of '
        "['train', 'validation', 'test'].\n"
        "  Expected: a dataset of the hub or a local folder, with the splits that are named\n"
        "  Fix: correct path, name, revision or splits; for the hub, see that it can be reached"
    )


@needs_library
def test_dataset_when_a_column_is_missing_lists_those_there_are(project: Path) -> None:
    assert refusal(project, column="content") == (
        f"{WHERE}.column: texts has no column `content`\n"
        "  Expected: one of: text, number\n"
        "  Fix: write column: text"
    )


@needs_library
def test_dataset_when_a_column_holds_no_text_says_so(project: Path) -> None:
    assert refusal(project, column="number") == (
        f"{WHERE}.column: row 1 of the column `number` holds no text: 1\n"
        "  Expected: a text in each row\n"
        "  Fix: name a column of texts"
    )


@needs_library
def test_dataset_when_its_files_are_torn_says_why(project: Path) -> None:
    (project / "texts" / "train.jsonl").write_text("{nope\n")
    assert "texts cannot be read: JSON parse error" in refusal(project)


@needs_library
def test_dataset_when_there_is_none_says_so(project: Path) -> None:
    assert "nobody/nothing cannot be read: " in refusal(project, path="nobody/nothing")


@needs_library
def test_dataset_when_a_file_is_named_says_so(project: Path) -> None:
    assert refusal(project, path="texts/train.jsonl") == (
        f"{WHERE}.path: {project}/texts/train.jsonl is a file\n"
        "  Expected: a folder, or a name on the hub\n"
        "  Fix: name the folder that it lies in, or use {type: text, train: ...}"
    )


def test_library_when_it_is_not_installed_says_how_to(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "_LIBRARY", "lmtune_no_such_library")
    assert refusal(project) == (
        f"{WHERE}: the library `lmtune_no_such_library` is not installed\n"
        "  Expected: the optional part lmtune[huggingface]\n"
        '  Fix: python -m pip install "lmtune_no_such_library>=5,<6"'
    )


def test_library_when_a_folder_has_its_name_is_not_taken_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "_LIBRARY", "texts")
    monkeypatch.syspath_prepend(project)
    assert "the library `texts` is not installed" in refusal(project)


@needs_library
def test_folder_when_it_holds_far_more_than_a_dataset_is_refused_unread(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_corpus(corpus(), project=project, where=WHERE)
    monkeypatch.setattr(huggingface, "_MAX_FILES", 2)
    assert f"{project}/texts holds more than 2 files" in refusal(project)


@needs_library
def test_reader_when_it_raises_whatever_is_said_as_a_mistake_of_the_data(project: Path) -> None:
    (project / "tar").mkdir()
    (project / "tar" / "train.tar").write_bytes(b"no tar " * 1000)
    assert "tar cannot be read: " in refusal(project, path="tar")
