"""What the sections of a sweep file ask of each other."""

from __future__ import annotations

import pytest

from tests.spec.conftest import Read, Refusal

LEARNING_RATE = "optimizer.learning_rate: {min: 1e-4, max: 1e-2}"
SEARCH = f"parameters: {{{LEARNING_RATE}}}\n"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("method: qmc", "method"),
        ("early_terminate: {type: asha}", "early_terminate"),
        ("budget: {trials: 3}", "budget.trials"),
        ("seeds: {tune: [5]}", "seeds.tune"),
        ("seeds: {top_k: 2}", "seeds.top_k"),
    ],
)
def test_key_that_only_a_search_reads_is_refused_without_one(
    refusal_of: Refusal, more: str, path: str
) -> None:
    assert refusal_of(more) == (
        f"sweep.yaml:8: {path}: there is nothing to tune, so nothing reads this\n"
        "  Fix: remove it, or give parameters: to search"
    )


def test_search_lost_to_a_mistake_is_not_told_as_none(refusal_of: Refusal) -> None:
    message = refusal_of("parameters: {optimizer.beta1: {min: 2, max: 1}}\nmethod: qmc\n")

    assert "nothing to tune" not in message
    assert message.startswith("sweep.yaml:8: parameters.optimizer.beta1.min: ")


def test_parameters_that_are_all_set_are_nothing_to_tune(refusal_of: Refusal) -> None:
    message = refusal_of("parameters: {optimizer.beta1: {value: 0.5}}\nmethod: qmc\n")

    assert message.startswith("sweep.yaml:9: method: there is nothing to tune")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "early_terminate: {type: asha, min_iter: 8}",
            (
                "sweep.yaml:9: early_terminate.min_iter: min_iter: 8 is not below the 8 epochs of "
                "variant `base`, so nothing would stop early\n"
                "  Expected: min_iter below 8\n"
                "  Fix: lower min_iter, raise training.epochs, or remove early_terminate"
            ),
        ),
        (
            "early_terminate: {type: asha, eta: 1}",
            (
                "sweep.yaml:9: early_terminate.eta: `1` is out of range\n"
                "  Expected: a whole number of at least 2\n"
                "  Fix: write a value of at least 2, or leave it out for 3"
            ),
        ),
        (
            "early_terminate: {min_iter: 2}",
            (
                "sweep.yaml:9: early_terminate.type: missing key\n"
                "  Expected: one of: asha\n"
                "  Fix: add `type: asha`"
            ),
        ),
        (
            "seeds: {tune: [1], confirm: [1, 2]}",
            (
                "sweep.yaml:9: seeds.tune: seed 1 is in confirm, too\n"
                "  Expected: confirm seeds that no tuned trial has seen\n"
                "  Fix: write tune: [0]"
            ),
        ),
        (
            "seeds: {tune: [5, 6]}",
            (
                "sweep.yaml:9: seeds.tune: 2 seeds to tune with\n"
                "  Expected: one seed: every trial of a search is trained once\n"
                "  Fix: write tune: [5]; confirm: takes any number of seeds"
            ),
        ),
        (
            "budget: {trials: 4}\nseeds: {top_k: 5}",
            (
                "sweep.yaml:10: seeds.top_k: top_k: 5 is more than the 4 trials of a variant\n"
                "  Expected: at most 4\n"
                "  Fix: lower top_k or raise budget.trials"
            ),
        ),
        (
            "method: grid",
            (
                "sweep.yaml:9: method: a grid needs single values, and optimizer.learning_rate is "
                "a "
                "range of real numbers\n"
                "  Expected: values, a range of whole numbers, or q_uniform\n"
                "  Fix: write optimizer.learning_rate: {values: [...]}, or take method: qmc"
            ),
        ),
        (
            "method: cmaes",
            (
                "sweep.yaml:9: method: cmaes needs two parameters or more, and variant `base` has "
                "1\n"
                "  Fix: take method: gp or qmc"
            ),
        ),
        (
            "method: bayes",
            (
                "sweep.yaml:9: method: `bayes` is not known here\n"
                "  Expected: one of: grid, random, qmc, tpe, cmaes, gp\n"
                "  Fix: did you mean `tpe`?"
            ),
        ),
    ],
)
def test_search_that_cannot_be_run_is_refused(refusal_of: Refusal, more: str, message: str) -> None:
    assert refusal_of(SEARCH + more) == message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            (
                "parameters: {training.batch_size: {values: [8, 16, 32]}}\n"
                "method: grid\nbudget: {trials: 2}"
            ),
            (
                "sweep.yaml:10: budget.trials: 2 trials are not the 3 points of variant `base`, "
                "all "
                "of which a grid runs\n"
                "  Fix: leave budget.trials out, or take method: qmc"
            ),
        ),
        (
            (
                "parameters: {schedule.warmup_steps: {min: 0, max: 1999}, training.batch_size: "
                "{min: 1, max: 64}}\nmethod: grid"
            ),
            (
                "sweep.yaml:9: method: the grid of variant `base` has 128000 points\n"
                "  Expected: at most 10000\n"
                "  Fix: give fewer values, or take method: qmc with budget.trials"
            ),
        ),
        (
            (
                f"parameters: {{{LEARNING_RATE}, training.batch_size: {{values: [8, 16]}}}}\n"
                "method: cmaes"
            ),
            (
                "sweep.yaml:9: method: cmaes searches numbers, and training.batch_size has a list "
                "of "
                "values\n"
                "  Expected: ranges (min, max) alone\n"
                "  Fix: take method: tpe or qmc"
            ),
        ),
        (
            "parameters: {training.epochs: {min: 3, max: 9}}\nearly_terminate: {type: asha}",
            (
                "sweep.yaml:9: early_terminate: early stopping needs trials of one length, and "
                "training.epochs is searched\n"
                "  Fix: remove early_terminate, or take training.epochs out of parameters"
            ),
        ),
    ],
)
def test_method_that_cannot_search_such_a_space_is_refused(
    refusal_of: Refusal, more: str, message: str
) -> None:
    assert refusal_of(more) == message


@pytest.mark.parametrize("method", ["grid", "random", "qmc", "tpe", "gp"])
def test_lists_of_values_can_be_searched_by_all_methods_but_cmaes(
    extended: Read, method: str
) -> None:
    more = f"parameters: {{training.batch_size: {{values: [8, 16]}}}}\nmethod: {method}"

    assert extended(more).method == method


def test_grid_with_the_number_of_its_points_as_budget_is_allowed(extended: Read) -> None:
    more = "parameters: {training.batch_size: {min: 1, max: 4}}\nmethod: grid\nbudget: {trials: 4}"

    assert extended(more).budget.trials is None


def test_early_stopping_is_checked_against_every_variant(refusal_of: Refusal) -> None:
    message = refusal_of(
        "ablate: {training.epochs: [2]}\n" + SEARCH + "early_terminate: {type: asha, min_iter: 2}"
    )

    assert "min_iter: 2 is not below the 2 epochs of variant `epochs=2`" in message
