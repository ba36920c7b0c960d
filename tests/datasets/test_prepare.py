"""The cache of token arrays: what it holds, and what it withstands."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtune.datasets import (
    Dataset,
    PairsDataset,
    open_dataset,
    prepare,
    prepare_dataset,
    prepare_text,
)
from lmtune.datasets.dataset import write_dataset
from lmtune.errors import DataError
from lmtune.spec.dataset import DatasetConfig

TRAIN = "the quick brown fox jumps over the lazy dog\n" * 50
VALIDATION = "\u20ac a d\u00e9j\u00e0 vu of the dog \U0001f415\n" * 5


def config(**fields: object) -> DatasetConfig:
    corpus = {"type": "text", "train": "train.txt", "validation": "validation.txt"}
    return DatasetConfig.model_validate({"corpus": corpus, "context_length": 16, **fields})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(TRAIN, "utf-8")
    (tmp_path / "validation.txt").write_text(VALIDATION, "utf-8")
    return tmp_path


def arrays(dataset: Dataset) -> dict[str, list[int]]:
    return {name: split.tokens.tolist() for name, split in dataset.splits.items()}


def refuse_to_write(*args: object) -> None:
    raise AssertionError("tokenized although the cache had it")


def test_dataset_when_prepared_holds_the_tokens_of_the_text(project: Path) -> None:
    dataset = prepare_text(config(), project=project)
    assert dataset.tokenizer.decode(dataset.train.tokens) == TRAIN
    assert dataset.train.tokens.tolist() == dataset.tokenizer.encode(TRAIN).tolist()
    assert dataset.vocab_size == len(set(TRAIN)) + 1
    assert dataset.test is None
    assert dataset.entropy_rate is None
    assert dataset.validation.source_loss is None


def test_dataset_when_prepared_is_a_read_only_memory_map_in_the_project(project: Path) -> None:
    dataset = prepare_text(config(), project=project)
    assert dataset.folder.parent == project / "data" / "cache"
    assert re.fullmatch("text-char-[0-9a-f]{32}", dataset.folder.name)
    assert isinstance(dataset.train.tokens, np.memmap)
    assert dataset.train.tokens.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        dataset.train.tokens[0] = 1


def test_dataset_when_characters_are_unknown_counts_them_and_their_true_bytes(
    project: Path,
) -> None:
    dataset = prepare_text(config(), project=project)
    unknown = sum(character not in TRAIN for character in VALIDATION)
    assert dataset.unknown_tokens == {"train": 0, "validation": unknown}
    assert dataset.validation.scored_bytes == len(VALIDATION[1:].encode())
    assert dataset.bytes_per_token == len(VALIDATION[1:].encode()) / (len(VALIDATION) - 1)


def test_dataset_when_tokens_are_bytes_scores_all_bytes_but_one(project: Path) -> None:
    dataset = prepare_text(config(tokenizer="byte"), project=project)
    assert dataset.validation.scored_bytes == len(VALIDATION.encode()) - 1
    assert dataset.unknown_tokens == {"train": 0, "validation": 0}
    assert dataset.bytes_per_token == 1.0


def test_dataset_when_tokens_are_words_scores_the_bytes_of_all_but_the_first(
    project: Path,
) -> None:
    dataset = prepare_text(config(tokenizer="word"), project=project)
    assert dataset.vocab_size == len(set(TRAIN.split())) + 2
    assert len(dataset.train.tokens) == (9 + 1) * 50
    assert len(dataset.validation.tokens) == (8 + 1) * 5
    assert dataset.unknown_tokens == {"train": 0, "validation": (8 - len(["the", "dog"])) * 5}
    assert dataset.validation.scored_bytes == len(VALIDATION.encode()) - len("\u20ac".encode())


def test_dataset_when_tokens_are_byte_pairs_learns_them_from_training_alone(
    project: Path,
) -> None:
    tokenizer = {"type": "bpe", "vocab_size": 300}
    dataset = prepare_text(config(tokenizer=tokenizer), project=project)
    (project / "validation.txt").write_text("zyx wvu " * 100)
    other = prepare_text(config(tokenizer=tokenizer), project=project)
    assert other.folder != dataset.folder
    assert other.tokenizer.vocabulary == dataset.tokenizer.vocabulary
    assert dataset.tokenizer.decode(dataset.validation.tokens) == VALIDATION
    assert dataset.unknown_tokens == {"train": 0, "validation": 0}
    assert 0 < len(VALIDATION.encode()) - dataset.validation.scored_bytes <= len("\u20ac".encode())


def test_dataset_when_validation_repeats_training_says_how_much(project: Path) -> None:
    (project / "validation.txt").write_text(TRAIN[: len(TRAIN) // 2] + VALIDATION, "utf-8")
    dataset = prepare_text(config(), project=project)
    half = len(TRAIN) // 2
    assert dataset.leakage == {"validation": (half - 49) / (half + len(VALIDATION) - 49)}
    assert open_dataset(dataset.folder).leakage == dataset.leakage


def test_splits_when_they_hold_the_same_text_are_refused(project: Path) -> None:
    shutil.copy(project / "train.txt", project / "validation.txt")
    with pytest.raises(DataError) as caught:
        prepare_dataset(config(), project=project, where="f:2: base.dataset")
    assert str(caught.value) == (
        "f:2: base.dataset.corpus: the validation split is the same text as the train split\n"
        "  Expected: a text of its own for each split\n"
        "  Fix: name another text, or leave validation out"
    )
    assert not (project / "data").exists()


def test_prepare_when_the_corpus_is_of_pairs_gives_pairs(tmp_path: Path) -> None:
    pairs = DatasetConfig.model_validate({"corpus": {"type": "reverse", "num_pairs": 200}})
    assert prepare.check_dataset(pairs, project=tmp_path, where="dataset") == []
    dataset = prepare_dataset(pairs, project=tmp_path)
    assert isinstance(dataset, PairsDataset)
    assert isinstance(open_dataset(dataset.folder), PairsDataset)
    assert pickle.loads(pickle.dumps(dataset)).folder == dataset.folder  # noqa: S301 - our own


def test_dataset_when_the_source_is_known_carries_its_truths(project: Path) -> None:
    markov = config(corpus={"type": "markov", "length": 5000})
    dataset = prepare_text(markov, project=project)
    assert dataset.test is not None
    assert dataset.entropy_rate == pytest.approx(1.27, abs=0.01)
    assert dataset.test.source_loss == pytest.approx(dataset.entropy_rate, abs=0.2)


def test_dataset_when_the_vocabulary_is_large_uses_32_bits(project: Path) -> None:
    (project / "train.txt").write_text("".join(map(chr, range(0x10000, 0x20001))), "utf-8")
    dataset = prepare_text(config(), project=project)
    assert dataset.train.tokens.dtype == np.uint32
    assert dataset.train.tokens.tolist() == list(range(1, 0x10002))


def test_cache_when_hit_tokenizes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_text(config(), project=project)
    monkeypatch.setattr(prepare, "write_dataset", refuse_to_write)
    second = prepare_text(config(context_length=8), project=project)
    assert second.folder == first.folder
    assert second.fingerprint == first.fingerprint
    assert arrays(second) == arrays(first)


def test_cache_when_text_or_tokenizer_changes_is_not_hit(project: Path) -> None:
    first = prepare_text(config(), project=project)
    (project / "train.txt").write_text(TRAIN.replace("fox", "box"), "utf-8")
    second = prepare_text(config(), project=project)
    third = prepare_text(config(tokenizer="byte"), project=project)
    assert len({dataset.folder for dataset in (first, second, third)}) == 3
    assert len({dataset.fingerprint for dataset in (first, second, third)}) == 3
    assert first.tokenizer.decode(first.train.tokens) == TRAIN, "the old one is left alone"


def test_fingerprint_when_files_lie_elsewhere_is_the_same(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = prepare_text(config(), project=project)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(project / "train.txt", elsewhere / "other.txt")
    corpus = {
        "type": "text",
        "train": "other.txt",
        "validation": str(project / "validation.txt"),
    }
    second = prepare_text(config(corpus=corpus), project=elsewhere)
    assert second.folder != first.folder
    assert second.fingerprint == first.fingerprint


def test_fingerprint_when_the_same_tokens_mean_other_text_differs(project: Path) -> None:
    first = prepare_text(config(), project=project)
    (project / "train.txt").write_text(TRAIN.replace("z", "{"), "utf-8")
    second = prepare_text(config(), project=project)
    assert arrays(second)["train"] == arrays(first)["train"]
    assert second.fingerprint != first.fingerprint


def test_dataset_when_pickled_travels_as_its_folder(project: Path) -> None:
    dataset = prepare_text(config(), project=project)
    content = pickle.dumps(dataset)
    assert len(content) < 500
    again = pickle.loads(content)  # noqa: S301 - our own
    assert isinstance(again, Dataset)
    assert again is open_dataset(dataset.folder)
    assert arrays(again) == arrays(dataset)


def test_open_dataset_when_called_twice_maps_once(project: Path) -> None:
    folder = prepare_text(config(), project=project).folder
    assert open_dataset(folder) is open_dataset(folder)


def test_open_dataset_when_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "nothing")
    assert str(caught.value) == (
        f"{tmp_path}/nothing: not a whole prepared dataset: [Errno 2] No such file or directory: "
        f"'{tmp_path}/nothing/meta.json'\n"
        "  Fix: run the sweep again: it prepares the dataset anew"
    )


def test_open_dataset_when_a_split_is_cut_off_says_so(project: Path) -> None:
    folder = prepare_text(config(), project=project).folder
    (folder / "train.bin").write_bytes(b"ab")
    with pytest.raises(DataError) as caught:
        open_dataset(folder)
    assert str(caught.value) == (
        f"{folder}: not a whole prepared dataset: train.bin has 2 bytes, not {2 * len(TRAIN)}\n"
        "  Fix: run the sweep again: it prepares the dataset anew"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.bin", b"ab"),
        ("validation.bin", None),
        ("meta.json", b'{"format": 2, "fing'),
        ("meta.json", b""),
        ("meta.json", b"{}"),
        ("meta.json", None),
    ],
)
def test_cache_when_torn_is_built_again(project: Path, name: str, content: bytes | None) -> None:
    dataset = prepare_text(config(), project=project)
    expected = arrays(dataset)
    path = dataset.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    again = prepare_text(config(), project=project)
    assert again.folder == dataset.folder
    assert again.fingerprint == dataset.fingerprint
    assert arrays(again) == expected
    assert list(dataset.folder.parent.iterdir()) == [dataset.folder], "nothing is left behind"


def test_cache_when_of_another_format_is_built_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare_text(config(), project=project).folder
    meta = folder / "meta.json"
    meta.write_text(meta.read_text().replace('"format":2', '"format":0'))
    with pytest.raises(DataError, match="format 0, not 2"):
        open_dataset(folder)
    assert open_dataset(prepare_text(config(), project=project).folder).folder == folder


def test_cache_when_another_process_was_first_uses_its_work(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    winners: list[int] = []

    def lose_the_race(*args: Any) -> None:  # noqa: ANN401 - those of write_dataset
        monkeypatch.undo()
        winner = prepare_text(config(), project=project)
        winners.append((winner.folder / "train.bin").stat().st_ino)
        write_dataset(*args)

    monkeypatch.setattr(prepare, "write_dataset", lose_the_race)
    dataset = prepare_text(config(), project=project)
    assert [(dataset.folder / "train.bin").stat().st_ino] == winners
    assert list(dataset.folder.parent.iterdir()) == [dataset.folder], "nothing is left behind"


@pytest.mark.parametrize("torn", [False, True])
def test_cache_when_two_processes_prepare_at_once_serves_both(project: Path, torn: bool) -> None:
    if torn:
        folder = prepare_text(config(corpus="python_docs"), project=project).folder
        (folder / "meta.json").write_text("")
    code = (
        "import sys, pathlib; from lmtune.datasets import prepare_text; "
        "from lmtune.spec.dataset import DatasetConfig; "
        "print('ready', flush=True); sys.stdin.readline(); "
        "config = DatasetConfig.model_validate({'corpus': 'python_docs'}); "
        "d = prepare_text(config, project=pathlib.Path(sys.argv[1])); "
        "print(d.folder, d.fingerprint, d.train.tokens.sum())"
    )
    command = [sys.executable, "-c", code, str(project)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert len(list((project / "data" / "cache").iterdir())) == 1


def test_cache_when_it_cannot_be_written_says_so(project: Path) -> None:
    (project / "data").write_text("a file where a folder should be")
    with pytest.raises(DataError) as caught:
        prepare_text(config(), project=project)
    assert str(caught.value) == (
        f"{project}/data/cache: the token cache cannot be written: Not a directory\n"
        "  Expected: a folder with write permission and free space\n"
        "  Fix: free space or change permissions there, or run in another folder"
    )


def test_cache_when_building_breaks_off_leaves_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare, "write_dataset", fill_the_disk)
    with pytest.raises(DataError, match="cannot be written: No space left on device"):
        prepare_text(config(), project=project)
    assert list((project / "data" / "cache").iterdir()) == []


def test_corpus_when_it_does_not_fit_into_memory_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lmtune.datasets.prepare.fit_tokenizer", exhaust)
    with pytest.raises(DataError, match="does not fit into the memory that is free"):
        prepare_dataset(config(), project=project, where="dataset")
