"""Prepared datasets of pairs: what they hold, and what the cache withstands."""

from __future__ import annotations

import pickle
import re
import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from lmtune.datasets import pair_dataset
from lmtune.datasets.pair_dataset import (
    PairsDataset,
    check_pairs,
    open_pairs,
    prepare_pairs,
    read_pairs,
)
from lmtune.errors import DataError
from lmtune.spec.dataset import DatasetConfig

PAIRS = {
    "train": [(f"{'very ' * (n % 5)}long \u00fc{n}", f"{n} d\u00e9j\u00e0") for n in range(50)],
    "validation": [("long \u00fc5", "3"), ("a new one", "\u20ac 5"), ("another", "6")],
    "test": [("x" * 60, "too long"), ("very long \u00fc6", "6 d\u00e9j\u00e0")],
}
CORPUS = {"type": "pairs"} | {split: f"{split}.tsv" for split in PAIRS}


def config(**fields: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"corpus": CORPUS, "context_length": 64, **fields})


def write(folder: Path, splits: dict[str, list[tuple[str, str]]]) -> None:
    for name, content in splits.items():
        lines = "".join(f"{source}\t{target}\n" for source, target in content)
        (folder / f"{name}.tsv").write_text(lines, "utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, PAIRS)
    return tmp_path


def prepare(project: Path, **fields: object) -> PairsDataset:
    return prepare_pairs(config(**fields), project=project, where="dataset")


def numbers(dataset: PairsDataset) -> dict[str, list[list[list[int]]]]:
    return {
        name: [[row.tolist() for row in side] for side in (split.sources, split.targets)]
        for name, split in dataset.splits.items()
    }


@pytest.mark.parametrize("tokenizer", ["char", "byte", "word", "bpe"])
@pytest.mark.parametrize("separate", [False, True])
def test_dataset_when_prepared_holds_each_pair_as_text_and_tokens(
    project: Path, tokenizer: str, separate: bool
) -> None:
    dataset = prepare(
        project, tokenizer=tokenizer, separate_vocabularies=separate, context_length=128
    )
    assert dataset.left_out == {"train": 0, "validation": 0, "test": 0}
    assert set(dataset.splits) == set(PAIRS)
    for name, split in dataset.splits.items():
        assert len(split) == len(PAIRS[name])
        assert [*zip(split.source_texts, split.target_texts, strict=True)] == PAIRS[name]
        for row, (source, target) in enumerate(PAIRS[name]):
            assert split.sources[row].tolist() == dataset.encode_source(source).tolist()
            assert split.targets[row].max() < dataset.end_token
            known = dataset.target_tokenizer.unknown_token not in split.targets[row]
            assert dataset.decode_target(split.targets[row]) == target or not known
        if tokenizer in ("byte", "bpe"):
            decoded = [dataset.decode_target(tokens) for tokens in split.targets]
            assert decoded == [*split.target_texts]
    assert dataset.source_tokenizer is dataset.target_tokenizer or separate
    assert dataset.num_outputs == dataset.target_tokenizer.vocab_size + 1
    assert dataset.start_token == dataset.num_outputs
    assert dataset.entropy_rate is None


def test_dataset_when_prepared_lies_in_the_cache_as_read_only_maps(project: Path) -> None:
    dataset = prepare(project)
    assert dataset.folder.parent == project / "data" / "cache"
    assert re.fullmatch("pairs-char-[0-9a-f]{32}", dataset.folder.name)
    assert dataset.train.sources.tokens.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        dataset.train.sources.tokens[0] = 1


def test_dataset_when_scored_counts_the_bytes_of_targets_and_their_ends_as_tokens(
    project: Path,
) -> None:
    split = prepare(project).validation
    targets = [target for _, target in PAIRS["validation"]]
    assert split.scored_bytes == sum(len(target.encode()) for target in targets) == 7
    assert split.num_scored_tokens == sum(len(target) + 1 for target in targets) == 8
    assert prepare(project).bytes_per_token == 7 / 8


def test_dataset_when_characters_are_unknown_counts_them(project: Path) -> None:
    known = set("".join(source + target for source, target in PAIRS["train"]))
    unknown = sum(
        character not in known for pair in PAIRS["validation"] for character in "".join(pair)
    )
    assert unknown > 0
    counts = prepare(project).unknown_tokens
    assert counts["validation"] == unknown
    assert counts["train"] == 0
    assert prepare(project, tokenizer="byte").unknown_tokens["validation"] == 0


def test_pairs_when_too_long_are_left_out_and_counted(project: Path) -> None:
    dataset = prepare(project, context_length=32)
    fits = {
        name: [(s, t) for s, t in content if len(s) + 1 + len(t) <= 32]
        for name, content in PAIRS.items()
    }
    assert dataset.left_out == {name: len(PAIRS[name]) - len(fits[name]) for name in PAIRS}
    assert dataset.left_out["train"] > 0
    assert dataset.left_out["test"] == 1
    for name, split in dataset.splits.items():
        assert [*zip(split.source_texts, split.target_texts, strict=True)] == fits[name]
        longest = split.sources.lengths + 1 + split.targets.lengths
        assert longest.max() <= 32
    assert prepare(project, context_length=30).left_out != dataset.left_out


def test_pairs_when_none_of_a_split_fits_name_the_context_that_would(project: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare_pairs(config(context_length=6), project=project, where="f:2: base.dataset")
    assert str(DataError(caught.value.problems[1:])) == (
        "f:2: base.dataset.context_length: no pair of the validation split fits into 6 tokens: "
        "the shortest takes 9, the longest 13\n"
        "  Expected: at least 10, for source and target and the token between them\n"
        "  Fix: context_length: 14, or fewer tokens by another tokenizer\n"
        "f:2: base.dataset.context_length: no pair of the test split fits into 6 tokens: "
        "the shortest takes 19, the longest 69\n"
        "  Expected: at least 20, for source and target and the token between them\n"
        "  Fix: context_length: 70, or fewer tokens by another tokenizer"
    )
    assert [*(project / "data" / "cache").iterdir()] == [], "nothing is left behind"


def test_pairs_when_a_split_has_none_at_all_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = [
        f'def f(x):\n    """Return number {n} of x."""\n    return x[{n}]\n' for n in range(20)
    ]
    (tmp_path / "os.py").write_text("".join(functions))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, corpus="docstrings", context_length=256)
    assert str(caught.value) == (
        "dataset.corpus: the validation split of docstrings has no pairs\n"
        "  Fix: use a corpus with more pairs\n"
        "dataset.corpus: the test split of docstrings has no pairs\n"
        "  Fix: use a corpus with more pairs"
    )


def test_vocabulary_when_pairs_are_left_out_is_the_same(project: Path) -> None:
    long, short = prepare(project, context_length=128), prepare(project, context_length=32)
    assert long.vocabulary.saved == short.vocabulary.saved


def test_leakage_when_sources_stand_in_train_is_their_share(project: Path) -> None:
    assert prepare(project, context_length=128).leakage == {"validation": 1 / 3, "test": 1 / 2}


def test_dataset_when_no_test_is_given_has_none(project: Path) -> None:
    dataset = prepare(project, corpus={**CORPUS, "test": None})
    assert dataset.test is None
    assert set(dataset.splits) == {"train", "validation"} == set(dataset.left_out)


def test_dataset_when_the_corpus_is_wrong_says_all_of_it(project: Path) -> None:
    corpus = {**CORPUS, "validation": "gone.tsv", "test": "a.csv"}
    problems = check_pairs(config(corpus=corpus), project=project, where="f:2: dataset")
    assert [problem.where for problem in problems] == [
        "f:2: dataset.corpus.validation",
        "f:2: dataset.corpus.test",
    ]
    with pytest.raises(DataError) as caught:
        prepare_pairs(config(corpus=corpus), project=project, where="f:2: dataset")
    assert [*caught.value.problems] == problems


def refuse(*args: object, **kwargs: object) -> None:
    raise AssertionError("tokenized although the cache had it")


def test_cache_when_hit_reads_and_tokenizes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(project)
    monkeypatch.setattr(pair_dataset, "read_pair_texts", refuse)
    monkeypatch.setattr(pair_dataset, "write_pairs", refuse)
    second = prepare(project)
    assert second.folder == first.folder
    assert numbers(second) == numbers(first)


def test_cache_when_anything_changes_is_not_hit(project: Path) -> None:
    datasets = [
        prepare(project),
        prepare(project, tokenizer="byte"),
        prepare(project, separate_vocabularies=True),
        prepare(project, context_length=32),
    ]
    write(project, {"train": [*PAIRS["train"][:-1], ("changed", "changed")]})
    datasets.append(prepare(project))
    assert len({dataset.folder for dataset in datasets}) == len(datasets)
    assert len({dataset.fingerprint for dataset in datasets}) == len(datasets)


def test_fingerprint_when_the_same_pairs_are_used_is_the_same(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = prepare(project, context_length=128)
    assert prepare(project, context_length=256).fingerprint == first.fingerprint
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(project / "train.tsv", elsewhere / "other.tsv")
    corpus = {**CORPUS, "train": str(elsewhere / "other.tsv")}
    moved = prepare(project, corpus=corpus, context_length=128)
    assert moved.folder != first.folder
    assert moved.fingerprint == first.fingerprint


def test_fingerprint_when_the_same_tokens_stand_for_other_text_differs(project: Path) -> None:
    first = prepare(project, tokenizer="word")
    changed = [(source, target.replace(" ", "  ")) for source, target in PAIRS["validation"]]
    write(project, {"validation": changed})
    second = prepare(project, tokenizer="word")
    assert numbers(second) == numbers(first)
    assert second.fingerprint != first.fingerprint, "references are part of the data"


def test_dataset_when_pickled_travels_as_its_folder(project: Path) -> None:
    dataset = prepare(project)
    content = pickle.dumps(dataset)
    assert len(content) < 500
    again = pickle.loads(content)  # noqa: S301 - our own
    assert again is open_pairs(dataset.folder)
    assert numbers(again) == numbers(dataset)
    assert again.left_out == dataset.left_out
    assert again.test is not None
    assert [*again.test.target_texts] == [target for _, target in PAIRS["test"]][1:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.source.tokens", b"ab"),
        ("validation.target.texts", None),
        ("meta.json", b'{"kind": "pairs", "fing'),
        ("meta.json", b"{}"),
        ("meta.json", None),
    ],
)
def test_cache_when_torn_is_built_again(project: Path, name: str, content: bytes | None) -> None:
    dataset = prepare(project)
    expected = numbers(dataset)
    path = dataset.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole prepared dataset"):
        read_pairs(dataset.folder)
    again = prepare(project)
    assert again.folder == dataset.folder
    assert again.fingerprint == dataset.fingerprint
    assert numbers(again) == expected
    assert [*dataset.folder.parent.iterdir()] == [dataset.folder], "nothing is left behind"


def test_cache_when_of_another_format_is_refused(project: Path) -> None:
    meta = prepare(project).folder / "meta.json"
    meta.write_text(meta.read_text().replace('"format":1', '"format":0'))
    with pytest.raises(DataError, match="format 0, not 1"):
        open_pairs(meta.parent)


@pytest.mark.parametrize(
    ("corpus", "context_length"), [("reverse", 40), ("latch", 50), ("number_words", 100)]
)
def test_built_in_pairs_when_prepared_all_fit_and_leak_nothing(
    tmp_path: Path, corpus: str, context_length: int
) -> None:
    made_up = {"type": corpus, "num_pairs": 1000}
    dataset = prepare(tmp_path, corpus=made_up, context_length=context_length)
    assert dataset.left_out == {"train": 0, "validation": 0, "test": 0}
    assert dataset.leakage == {"validation": 0.0, "test": 0.0}
    assert dataset.unknown_tokens == {"train": 0, "validation": 0, "test": 0}
    assert [len(split) for split in dataset.splits.values()] == [900, 50, 50]
    again = prepare(tmp_path, corpus={**made_up, "seed": 1}, context_length=context_length)
    assert again.fingerprint != dataset.fingerprint
