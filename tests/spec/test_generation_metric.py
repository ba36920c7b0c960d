"""A metric of the model's own text needs that text, wherever a trial is judged by it."""

from __future__ import annotations

import pytest

from tests.spec.conftest import BASE, Read, Refusal

PAIRS = BASE.replace("python_docs", "number_words")
ASHA = (
    "parameters: {optimizer.beta1: {min: 0.5, max: 0.9}}\n"
    "early_terminate: {type: asha, min_iter: 2}\n"
)


def _asked(text: str, written: str) -> str:
    return text.replace("batch_size: 16", f"evaluate_generation: {written}")


@pytest.mark.parametrize("metric", ["val_bleu", "val_chrf", "val_exact_match"])
def test_goal_of_a_generation_metric_is_to_maximize(read: Read, metric: str) -> None:
    assert read(PAIRS + f"metric: {{name: {metric}}}\n").metric.goal == "maximize"


def test_generation_metric_where_no_text_is_written_is_refused(refusal_of: Refusal) -> None:
    assert refusal_of("metric: {name: val_bleu}") == (
        "sweep.yaml:8: metric.name: val_bleu scores the model's own text, and variant `base` "
        "writes none\n"
        "  Expected: training.evaluate_generation, or a corpus of pairs\n"
        "  Fix: add evaluate_generation: true to training, or take another metric"
    )


def test_generation_metric_where_one_variant_writes_no_text_names_it(refusal: Refusal) -> None:
    message = refusal(
        PAIRS
        + "metric: {name: val_bleu}\n"
        + "variants: {a: {}, b: {training: {evaluate_generation: false}}}\n"
    )

    assert "variant `b` writes none" in message


def test_generation_metric_of_text_is_allowed_where_it_is_asked_for(read: Read) -> None:
    assert read(_asked(BASE, "true") + "metric: {name: val_bleu}\n").metric.name == "val_bleu"


def test_early_stopping_by_what_only_the_last_epoch_knows_is_refused(refusal: Refusal) -> None:
    assert refusal(PAIRS + "metric: {name: val_bleu}\n" + ASHA) == (
        "sweep.yaml:10: early_terminate: trials would be stopped by val_bleu, which variant "
        "`base` knows after its last epoch alone\n"
        "  Expected: training.evaluate_generation with when: every_epoch\n"
        "  Fix: add evaluate_generation: {when: every_epoch} to training, or remove "
        "early_terminate"
    )


def test_early_stopping_by_text_of_every_epoch_or_by_the_loss_is_allowed(read: Read) -> None:
    every = _asked(PAIRS, "{when: every_epoch}")

    assert read(every + "metric: {name: val_chrf}\n" + ASHA).early_terminate is not None
    assert read(PAIRS + ASHA).early_terminate is not None
