"""A comparison that would mislead is refused; one that is sound is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lmtune.analysis import answer, summarize, variants_rows, write_report
from lmtune.analysis.cautions import cautions
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.search import Seeds
from lmtune.spec.sweep import Metric, MetricName

Make = Callable[..., ExperimentFolder]

SEEDS = (1, 2, 3)
BPE = {"tokenizer": {"type": "bpe"}}


def _confirmed(name: str, mean: float) -> list[Any]:
    return [(name, "confirm", seed, "completed", mean + seed / 100, 1e-3) for seed in SEEDS]


@pytest.fixture
def two(make_experiment: Make) -> Callable[..., ExperimentFolder]:
    """A base and another variant, three seeds each; the other is better by 0.5."""

    def make(
        *,
        metric: MetricName = "val_loss",
        other: dict[str, Any] | None = None,
        base: dict[str, Any] | None = None,
        **more: Any,  # noqa: ANN401 - passed on
    ) -> ExperimentFolder:
        metric_spec = Metric.model_validate({"name": metric})
        return make_experiment(
            [*_confirmed("base", 1.5), *_confirmed("other", 1.0)],
            variants={"base": base or {}, "other": other or {"num_layers": 1}},
            metric=metric_spec,
            seeds=Seeds(confirm=SEEDS),
            **more,
        )

    return make


def _facts(dataset: DatasetFacts, **changes: object) -> dict[str, DatasetFacts]:
    base = dataset.model_copy(update={"validation_text_sha256": "t1"})
    other = base.model_copy(update={"fingerprint": "f2", "vocab_size": 1024, **changes})
    return {"base": base, "other": other}


def _tokens(section: dict[str, Any]) -> dict[str, Any]:
    return {"other": {"dataset": {"corpus": "python_docs", **section}}}


@pytest.mark.parametrize("metric", ["val_loss", "val_perplexity", "val_accuracy"])
def test_other_tokens_are_not_compared_by_what_is_a_tokens(
    two: Make, dataset: DatasetFacts, metric: str
) -> None:
    folder = two(metric=metric, datasets=_facts(dataset), sections=_tokens(BPE))
    write_report(folder)
    content = json.loads(folder.summary_json.read_text())
    difference = content["variants"][1]["difference"]
    assert difference["verdict"] == "not comparable"
    assert (difference["mean"], difference["interval"], difference["p"]) == (None, None, None)
    assert difference["reason"] == (
        f"its tokens are others, so {metric} means something else; val_bits_per_byte compares them"
    )
    assert content["variants"][1]["confirm"]["n"] == 3  # its own number stands
    assert content["best"]["variant"] == "base"


def test_refusal_is_in_the_answer_and_the_table_without_any_difference(
    two: Make, dataset: DatasetFacts
) -> None:
    folder = two(datasets=_facts(dataset), sections=_tokens(BPE))
    summary = summarize(folder)
    assert answer(summary).startswith("Not comparable with base: other (its tokens are others")
    row = variants_rows(summary)[1]
    assert row.verdict == "not comparable"
    assert row.cells[4:9] == ("-", "-", "-", "-", "not comparable")
    best = summary.best_variant
    assert best is not None
    assert best.variant.name == "base"
    assert "best of those that compare with the base" in folder_report(folder)


def folder_report(folder: ExperimentFolder) -> str:
    write_report(folder)
    return folder.report_md.read_text()


def test_other_tokens_of_the_same_text_are_compared_by_bits_per_byte(
    two: Make, dataset: DatasetFacts
) -> None:
    facts = _facts(dataset)
    folder = two(metric="val_bits_per_byte", datasets=facts, sections=_tokens(BPE))
    comparison = summarize(folder).variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "better"
    assert comparison.difference.mean == pytest.approx(-0.5)


@pytest.mark.parametrize("changes", [{"validation_text_sha256": "t2"},
                                     {"validation_text_sha256": None}])  # fmt: skip
def test_other_text_is_not_compared_by_bits_per_byte(
    two: Make, dataset: DatasetFacts, changes: dict[str, object]
) -> None:
    folder = two(metric="val_bits_per_byte", datasets=_facts(dataset, **changes))
    comparison = summarize(folder).variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "not comparable"
    assert comparison.reason.startswith("it was measured on other text")


def test_text_of_unknown_words_is_not_compared_by_bits_per_byte(
    two: Make, dataset: DatasetFacts
) -> None:
    def verdict(unknown: int) -> str:
        facts = _facts(dataset, unknown_validation_tokens=unknown)
        folder = two(
            metric="val_bits_per_byte", datasets=facts, sections=_tokens(BPE), name=f"u{unknown}"
        )
        comparison = summarize(folder).variants[1].comparison
        assert comparison is not None
        return comparison.verdict

    assert (verdict(20), verdict(200)) == ("better", "not comparable")  # of 23,000


def test_other_data_with_the_same_tokenizer_says_so(two: Make, dataset: DatasetFacts) -> None:
    def reason(**changes: object) -> str:
        folder = two(datasets=_facts(dataset, **changes), name=f"d{len(changes)}")
        comparison = summarize(folder).variants[1].comparison
        assert comparison is not None
        return comparison.reason

    assert reason().startswith("its training text is another")
    assert reason(validation_text_sha256="t2").startswith("it was measured on other data")


def test_carried_state_of_another_architecture_is_not_compared(two: Make) -> None:
    folder = two(other={"type": "lstm", "carry_state": True})
    summary = summarize(folder)
    comparison = summary.variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "not comparable"
    assert comparison.reason == "other carries its state, so it predicts from a longer context"
    assert any("State carried" in caution for caution in cautions(summary))


def test_carried_state_that_is_the_question_itself_is_compared_and_flagged(two: Make) -> None:
    folder = two(base={"type": "lstm"}, other={"type": "lstm", "carry_state": True})
    summary = summarize(folder)
    comparison = summary.variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "better"
    assert any("State carried" in caution for caution in cautions(summary))
    assert "(state carried)" in variants_rows(summary)[1].cells[1]


def test_other_context_length_is_compared_and_flagged(two: Make) -> None:
    sections = {"other": {"dataset": {"corpus": "python_docs", "context_length": 128}}}
    summary = summarize(two(sections=sections))
    comparison = summary.variants[1].comparison
    assert comparison is not None
    assert comparison.verdict == "better"
    assert any("(base 64, other 128)" in caution for caution in cautions(summary))


def test_longer_tokens_look_back_on_more_text_which_is_said(
    two: Make, dataset: DatasetFacts
) -> None:
    facts = _facts(dataset, bytes_per_token=3.0)
    summary = summarize(two(metric="val_bits_per_byte", datasets=facts, sections=_tokens(BPE)))
    assert any("base 65, other 192" in caution for caution in cautions(summary))


def test_refused_comparisons_do_not_count_for_holm(
    make_experiment: Make, dataset: DatasetFacts
) -> None:
    noisy = [("close", "confirm", seed, "completed", 1.5 + (-1) ** seed / 50 + seed / 90, 1e-3)
             for seed in SEEDS]  # fmt: skip
    facts = _facts(dataset)
    folder = make_experiment(
        [*_confirmed("base", 1.5), *_confirmed("other", 1.0), *noisy],
        variants={"base": {}, "other": {"num_layers": 1}, "close": {"num_layers": 2}},
        datasets={**facts, "close": facts["base"]},
        seeds=Seeds(confirm=SEEDS),
    )
    comparison = summarize(folder).variants[2].comparison
    assert comparison is not None
    assert comparison.p is not None
    assert comparison.p_holm == comparison.p


def test_written_text_is_compared_across_tokens_of_the_same_pairs(
    two: Make, dataset: DatasetFacts
) -> None:
    def verdict(sha: str) -> str:
        facts = _facts(dataset, validation_text_sha256=sha, validation_pairs=500)
        pairs = {"dataset": {"corpus": "number_words"}}
        sections = {"base": pairs, "other": {"dataset": {**pairs["dataset"], **BPE}}}
        folder = two(metric="val_bleu", datasets=facts, sections=sections, name=f"p{sha}")
        comparison = summarize(folder).variants[1].comparison
        assert comparison is not None
        return comparison.verdict

    assert (verdict("t1"), verdict("t2")) == ("worse", "not comparable")


def test_written_text_over_other_examples_is_not_compared(two: Make) -> None:
    pairs = {"dataset": {"corpus": "number_words"}}
    fewer = {"training": {"epochs": 2, "evaluate_generation": {"num_examples": 50}}}
    folder = two(metric="val_bleu", sections={"base": pairs, "other": {**pairs, **fewer}})
    comparison = summarize(folder).variants[1].comparison
    assert comparison is not None
    assert comparison.reason == "val_bleu is over other examples"
