"""BLEU, chrF and exact matches in the table, with what they rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lmtune.analysis import report, summarize, variants_header, variants_rows
from lmtune.analysis.cautions import cautions
from lmtune.records import DatasetFacts, ExperimentFolder
from lmtune.spec.search import Seeds
from lmtune.spec.sweep import Metric

Make = Callable[..., ExperimentFolder]

SEEDS = (1, 2, 3, 4, 5)
SCORES = {
    "val_bleu": 97.432,
    "val_chrf": 98.0,
    "val_exact_match": 0.951,
    "val_brevity_penalty": 0.97,
}
PAIRS = {"corpus": "number_words"}


@pytest.fixture
def translated(make_experiment: Make, dataset: DatasetFacts) -> Make:
    """A base that writes text and, if asked for, another variant that does not."""

    def make(
        *,
        metric: str = "val_loss",
        num_pairs: int = 1000,
        scores: dict[str, float] | None = None,
        generation: dict[str, Any] | None = None,
        silent: bool = False,
    ) -> ExperimentFolder:
        names = ["base", *(["silent"] if silent else [])]
        training: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 10}
        asked = {"training": {**training, "evaluate_generation": generation}} if generation else {}
        return make_experiment(
            [(name, "confirm", seed, "completed", 0.5, 1e-3) for name in names for seed in SEEDS],
            variants={name: {"num_layers": 4 - number} for number, name in enumerate(names)},
            datasets=dict.fromkeys(
                names, dataset.model_copy(update={"validation_pairs": num_pairs})
            ),
            metric=Metric.model_validate({"name": metric}),
            sections={name: {"dataset": PAIRS, **asked} for name in names},
            measured={"base": SCORES if scores is None else scores},
            seeds=Seeds(confirm=SEEDS),
        )

    return make


def test_scores_of_text_are_columns_of_the_table(translated: Make) -> None:
    summary = summarize(translated(silent=True))
    header = variants_header(summary)
    base, silent = (dict(zip(header, row.cells, strict=True)) for row in variants_rows(summary))
    assert (base["BLEU"], base["chrF"], base["exact match"]) == ("97.43", "98.00", "0.951")
    assert (silent["BLEU"], silent["chrF"], silent["exact match"]) == ("-", "-", "-")


def test_scores_that_nothing_has_are_no_columns(translated: Make) -> None:
    assert "BLEU" not in variants_header(summarize(translated(scores={})))


def test_score_that_is_the_metric_is_no_second_column(translated: Make) -> None:
    header = variants_header(summarize(translated(metric="val_bleu")))
    assert "BLEU" not in header
    assert header[1] == "val_bleu"
    assert "chrF" in header


def test_signature_and_decoding_stand_below_the_table(translated: Make) -> None:
    def note(folder: ExperimentFolder) -> str:
        variants = report(folder, summarize(folder)).split("## Variants\n")[1].split("\n## ")[0]
        (line,) = [line for line in variants.splitlines() if "Text scores" in line]
        return line

    assert note(translated()) == (
        "- Text scores: 200 validation pairs, greedy decoding. BLEU nrefs:1; chrF nc:6."
    )
    beam = {"decoding": {"type": "beam", "beam_size": 3}, "num_examples": 5000}
    assert "1000 validation pairs, beam (beam_size 3, length_penalty 0.6) decoding" in note(
        translated(generation=beam)
    )


def test_evaluation_of_pairs_is_told_as_such(translated: Make) -> None:
    folder = translated()
    text = report(folder, summarize(folder))
    assert "every token of every validation target, and its end, is scored exactly once" in text
    assert "from at most" not in text


def test_few_examples_are_said(translated: Make) -> None:
    def found(num_pairs: int) -> list[str]:
        return [each for each in cautions(summarize(translated(num_pairs=num_pairs)))
                if "examples" in each]  # fmt: skip

    assert found(1000) == []
    (said,) = found(150)
    assert said.startswith("Text scores are of 150 examples: under 200")


@pytest.mark.parametrize(("penalty", "is_said"), [(0.91, False), (0.89, True)])
def test_short_texts_are_said(translated: Make, penalty: float, is_said: bool) -> None:
    scores = {**SCORES, "val_brevity_penalty": penalty}
    found = cautions(summarize(translated(scores=scores)))
    assert any("below 0.9 for base (0.89)" in caution for caution in found) == is_said


def test_generation_metric_that_a_trial_lacks_is_no_number(make_experiment: Make) -> None:
    folder = make_experiment(
        [("base", "confirm", 1, "completed", 0.5, 1e-3)],
        variants={"base": {}},
        seeds=Seeds(confirm=(1,)),
    )
    sweep = folder.read_sweep()
    metric = Metric.model_validate({"name": "val_bleu"})
    folder.write_sweep(sweep.model_copy(update={"metric": metric}), folder.read_datasets())
    assert summarize(folder).variants[0].confirm.n == 0
