"""N-gram floors beside the table, and what they and the data say of a number."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from lmtune.analysis import floor_lines, report, summarize
from lmtune.analysis.cautions import cautions
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.search import Seeds
from lmtune.spec.sweep import Metric

Make = Callable[..., ExperimentFolder]

FLOORS = {"unigram": 3.0, "bigram": 2.4, "5-gram": 2.0}
SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture
def known(dataset: DatasetFacts) -> DatasetFacts:
    return dataset.model_copy(update={"ngram_floors": FLOORS, "bytes_per_token": 2.0})


@pytest.fixture
def single(make_experiment: Make) -> Callable[..., ExperimentFolder]:
    """One variant, five seeds, of a mean metric."""

    def make(
        value: float,
        dataset: DatasetFacts,
        *,
        metric: str = "val_loss",
        measured: dict[str, float] | None = None,
    ) -> ExperimentFolder:
        trials = [("base", "confirm", seed, "completed", value, 1e-3) for seed in SEEDS]
        return make_experiment(
            trials,
            variants={"base": {}},
            datasets={"base": dataset},
            metric=Metric.model_validate({"name": metric}),
            measured={"base": measured or {}},
            seeds=Seeds(confirm=SEEDS),
        )

    return make


@pytest.mark.parametrize(
    ("metric", "unit", "values"),
    [
        ("val_loss", "val_loss", "unigram 3.0000, bigram 2.4000, 5-gram 2.0000"),
        (
            "val_perplexity",
            "val_perplexity",
            ", ".join(f"{name} {math.exp(nats):#.5g}" for name, nats in FLOORS.items()),
        ),
        (
            "val_bits_per_byte",
            "val_bits_per_byte",
            ", ".join(f"{name} {nats / math.log(2) / 2:#.5g}" for name, nats in FLOORS.items()),
        ),
        ("val_accuracy", "val_loss", "unigram 3.0000, bigram 2.4000, 5-gram 2.0000"),
    ],
)
def test_floors_are_in_the_unit_of_the_metric_below_the_table(
    single: Make, known: DatasetFacts, metric: str, unit: str, values: str
) -> None:
    folder = single(2.2, known, metric=metric)
    summary = summarize(folder)
    line = f"Floors ({unit} of counting n-grams) on the same validation tokens: {values}."
    assert floor_lines(summary) == [line]
    variants = report(folder, summary).split("## Variants\n")[1].split("\n## ")[0]
    assert line in variants.replace("\\", "")


def test_floors_of_several_data_sets_name_their_variants(
    make_experiment: Make, known: DatasetFacts
) -> None:
    other = known.model_copy(update={"fingerprint": "f2", "ngram_floors": {"unigram": 1.0}})
    folder = make_experiment(
        [],
        variants={"base": {}, "same": {"num_layers": 1}, "other": {"num_layers": 2}},
        datasets={"base": known, "same": known, "other": other},
    )
    first, second = floor_lines(summarize(folder))
    assert "tokens of base, same: unigram 3.0000" in first
    assert "tokens of other: unigram 1.0000" in second


def test_floors_of_pairs_are_none(make_experiment: Make) -> None:
    assert floor_lines(summarize(make_experiment([], variants={"base": {}}))) == []


@pytest.mark.parametrize(
    ("loss", "words"),
    [(1.59, "too good to be true"), (1.61, None), (2.39, None), (2.41, "pairs of tokens")],
)
def test_loss_that_is_too_good_or_too_bad_for_its_floors_is_said(
    single: Make, known: DatasetFacts, loss: float, words: str | None
) -> None:
    found = cautions(summarize(single(loss, known)))
    assert [words in caution for caution in found if words] == ([True] if words else [])
    assert bool(found) == bool(words)


def test_loss_beside_the_floors_is_the_loss_whatever_the_metric(
    single: Make, known: DatasetFacts
) -> None:
    folder = single(0.9, known, metric="val_accuracy", measured={"val_loss": 1.2})
    (caution,) = cautions(summarize(folder))
    assert "base (1.2 < 2)" in caution


@pytest.mark.parametrize(("share", "is_said"), [(0.009, False), (0.034, True)])
def test_leakage_of_more_than_a_hundredth_is_said(
    single: Make, dataset: DatasetFacts, share: float, is_said: bool
) -> None:
    leaking = dataset.model_copy(update={"leakage": {"validation": share, "test": 0.0}})
    folder = single(2.2, leaking)
    summary = summarize(folder)
    said = [caution for caution in cautions(summary) if "3.4% of the text of the validation" in
            caution]  # fmt: skip
    assert bool(said) == is_said
    assert "| validation text that training has too |" in report(folder, summary)


def test_pairs_that_do_not_fit_are_said_where_they_are_many(
    single: Make, dataset: DatasetFacts
) -> None:
    pairs = dataset.model_copy(
        update={"validation_pairs": 90, "left_out": {"train": 0, "validation": 10}}
    )
    folder = single(2.2, pairs)
    summary = summarize(folder)
    assert any(caution.startswith("10 of 100 validation pairs") for caution in cautions(summary))
    text = report(folder, summary)
    assert "| validation pairs too long for context_length | 10 |" in text
    assert "train pairs too long" not in text


@pytest.mark.parametrize(("num_apart", "is_said"), [(0, False), (45, False), (46, True)])
def test_targets_that_seem_tokenized_are_said_where_they_are_most(
    num_apart: int, is_said: bool, single: Make, dataset: DatasetFacts
) -> None:
    pairs = dataset.model_copy(update={"validation_pairs": 90, "tokenized_targets": num_apart})
    said = [
        caution for caution in cautions(summarize(single(2.2, pairs))) if "tokenized" in caution
    ]
    assert bool(said) == is_said


def test_unknown_tokens_are_in_the_facts_of_the_data(single: Make, dataset: DatasetFacts) -> None:
    folder = single(2.2, dataset.model_copy(update={"unknown_validation_tokens": 230}))
    assert "| unknown validation tokens | 230 (1.00%) |" in report(folder, summarize(folder))
