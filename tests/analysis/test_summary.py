from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from scipy import stats

from lmtune.analysis import summarize, write_report
from lmtune.errors import UserError
from lmtune.records import DatasetFacts, ExperimentFolder, curves_table, trials_table
from lmtune.spec.search import Seeds
from lmtune.spec.sweep import Metric

Make = Callable[..., ExperimentFolder]

VARIANTS: dict[str, dict[str, int]] = {"base": {}, "num_layers=1": {"num_layers": 1}}
BASE = {1: 1.50, 2: 1.53, 3: 1.49}
SHALLOW = {1: 1.58, 2: 1.62, 3: 1.57}


def _confirmed(values: dict[str, dict[int, float]], learning_rate: float = 1e-3) -> list[Any]:
    return [
        (variant, "confirm", seed, "completed", value, learning_rate)
        for variant, by_seed in values.items()
        for seed, value in by_seed.items()
    ]


def _read(folder: ExperimentFolder) -> dict[str, Any]:
    write_report(folder)
    content: dict[str, Any] = json.loads(folder.summary_json.read_text())
    return content


def test_summary_has_the_fields_of_the_design(make_experiment: Make) -> None:
    content = _read(
        make_experiment(_confirmed({"base": BASE, "num_layers=1": SHALLOW}), variants=VARIANTS)
    )
    assert list(content) == [
        "name", "question", "metric", "variants", "best", "dataset", "finished",
    ]  # fmt: skip
    assert [list(variant) for variant in content["variants"]] == [
        [
            "variant",
            "trials",
            "completed",
            "best_trial_id",
            "parameters",
            "confirm",
            "difference",
            "at_best_checkpoint",
        ]
    ] * 2
    assert list(content["variants"][0]["confirm"]) == ["n", "mean", "interval"]
    assert list(content["variants"][1]["difference"]) == ["mean", "interval", "p", "verdict"]
    assert list(content["best"]) == ["trial_id", "variant", "value"]
    assert content["metric"] == {"name": "val_loss", "goal": "minimize"}


def test_summary_numbers_equal_those_computed_from_the_curves(make_experiment: Make) -> None:
    folder = make_experiment(_confirmed({"base": BASE, "num_layers=1": SHALLOW}), variants=VARIANTS)
    base, shallow = _read(folder)["variants"]
    last = curves_table(folder).groupby("trial_id")["val_loss"].last()
    trials = trials_table(folder)
    values = {
        name: last[group.sort_values("seed")["trial_id"]].to_numpy()
        for name, group in trials.groupby("variant")
    }
    expected = stats.ttest_rel(values["num_layers=1"], values["base"])
    interval = expected.confidence_interval(0.95)
    assert base["confirm"]["mean"] == pytest.approx(values["base"].mean())
    assert base["difference"] is None
    assert shallow["difference"]["mean"] == pytest.approx(
        (values["num_layers=1"] - values["base"]).mean()
    )
    assert shallow["difference"]["interval"] == pytest.approx([interval.low, interval.high])
    assert shallow["difference"]["p"] == pytest.approx(expected.pvalue)
    assert shallow["difference"]["verdict"] == "worse"


def test_best_is_the_best_last_value_of_all_confirm_trials(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": BASE, "num_layers=1": SHALLOW}),
            ("base", "tune", 0, "completed", 1.0, 1e-3),
            ("base", "confirm", 4, "stopped", 0.9, 1e-3),
        ],
        variants=VARIANTS,
    )
    best = _read(folder)["best"]
    assert (best["variant"], best["value"]) == ("base", 1.49)
    assert folder.trial(best["trial_id"]).read_spec().seed == 3


def test_trials_that_did_not_complete_are_counted_and_left_out_of_the_mean(
    make_experiment: Make,
) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": {**BASE, 4: 1.51}, "num_layers=1": SHALLOW}),
            ("num_layers=1", "confirm", 4, "diverged", 9.0, 1e-3),
            ("num_layers=1", "tune", 0, "stopped", 0.1, 2e-3),
            ("num_layers=1", "tune", 0, "failed", None, 3e-3),
        ],
        variants=VARIANTS,
        searched=True,
        seeds=Seeds(confirm=(1, 2, 3, 4)),
    )
    shallow = _read(folder)["variants"][1]
    assert (shallow["trials"], shallow["completed"]) == (6, 3)
    assert shallow["confirm"]["n"] == 3
    assert shallow["confirm"]["mean"] == pytest.approx(sum(SHALLOW.values()) / 3)
    pairs = [SHALLOW[seed] - BASE[seed] for seed in (1, 2, 3)]
    assert shallow["difference"]["mean"] == pytest.approx(sum(pairs) / 3)
    counts = summarize(folder).variants[1].counts
    assert counts["tune"] == {"stopped": 1, "failed": 1}
    assert counts["confirm"] == {"completed": 3, "diverged": 1}


def test_completed_trial_without_a_finite_value_is_no_number(make_experiment: Make) -> None:
    trials = _confirmed({"base": {1: 1.5, 2: math.inf, 3: math.nan}})
    content = _read(make_experiment(trials, variants={"base": {}}))
    assert content["variants"][0]["confirm"] == {"n": 1, "mean": 1.5, "interval": None}


def test_variant_of_which_nothing_completed_has_null_in_place_of_numbers(
    make_experiment: Make,
) -> None:
    diverged = [("num_layers=1", "confirm", seed, "diverged", None, 1e-3) for seed in BASE]
    folder = make_experiment([*_confirmed({"base": BASE}), *diverged], variants=VARIANTS)
    shallow = _read(folder)["variants"][1]
    assert shallow["best_trial_id"] is None
    assert shallow["confirm"] == {"n": 0, "mean": None, "interval": None}
    assert shallow["difference"] == {
        "mean": None,
        "interval": None,
        "p": None,
        "verdict": "too few seeds",
    }
    assert summarize(folder).finished


def test_answer_of_a_variant_is_the_configuration_with_the_best_mean(
    make_experiment: Make,
) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": {1: 1.6, 2: 1.6, 3: 1.0}}, 1e-3),
            *_confirmed({"base": {1: 1.3, 2: 1.3, 3: 1.3}}, 2e-3),
            *_confirmed({"base": {1: 1.4, 2: 1.4, 3: 1.4}}, 3e-3),
            *[("base", "tune", 0, "completed", rate * 1000, rate) for rate in (1e-3, 2e-3, 3e-3)],
        ],
        variants={"base": {}},
        searched=True,
        seeds=Seeds(top_k=3),
    )
    content = _read(folder)
    (base,) = content["variants"]
    assert base["parameters"] == {"optimizer.learning_rate": 2e-3}
    assert base["confirm"]["mean"] == pytest.approx(1.3)
    assert folder.trial(base["best_trial_id"]).read_spec().parameters == base["parameters"]
    assert content["best"]["value"] == 1.0  # of another configuration
    (summary,) = summarize(folder).variants
    assert (summary.num_confirmed, summary.tuned_value) == (3, 2.0)


def test_answer_of_a_variant_prefers_seeds_that_completed_to_a_lucky_few(
    make_experiment: Make,
) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": {1: 1.0}}, 1e-3),
            ("base", "confirm", 2, "diverged", None, 1e-3),
            ("base", "confirm", 3, "diverged", None, 1e-3),
            *_confirmed({"base": BASE}, 2e-3),
        ],
        variants={"base": {}},
        searched=True,
        seeds=Seeds(top_k=2),
    )
    assert _read(folder)["variants"][0]["parameters"] == {"optimizer.learning_rate": 2e-3}


def test_goal_maximize_turns_every_choice_around(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": {1: 0.50, 2: 0.53, 3: 0.49}}, 1e-3),
            *_confirmed({"base": {1: 0.40, 2: 0.43, 3: 0.39}}, 2e-3),
            *_confirmed({"num_layers=1": {1: 0.70, 2: 0.72, 3: 0.69}}, 1e-3),
        ],
        variants=VARIANTS,
        searched=True,
        metric=Metric(name="val_accuracy", goal="maximize"),
        seeds=Seeds(top_k=2),
    )
    content = _read(folder)
    assert content["variants"][0]["parameters"] == {"optimizer.learning_rate": 1e-3}
    assert content["variants"][1]["difference"]["verdict"] == "better"
    assert content["best"]["value"] == 0.72
    best_variant = summarize(folder).best_variant
    assert best_variant is not None
    assert best_variant.variant.name == "num_layers=1"


def test_single_variant_with_one_seed_has_a_value_and_no_comparison(make_experiment: Make) -> None:
    folder = make_experiment(
        _confirmed({"base": {0: 1.5}}), variants={"base": {}}, seeds=Seeds(confirm=(0,))
    )
    content = _read(folder)
    assert content["variants"][0]["confirm"] == {"n": 1, "mean": 1.5, "interval": None}
    assert content["variants"][0]["difference"] is None
    assert content["finished"] is True


def test_dataset_holds_the_entropy_rate_only_where_it_is_known(
    make_experiment: Make, dataset: DatasetFacts
) -> None:
    known = dataset.model_copy(update={"entropy_rate": 1.2})
    contents = [
        _read(make_experiment([], variants={"base": {}}, datasets={"base": facts}))["dataset"]
        for facts in (dataset, known)
    ]
    assert "entropy_rate" not in contents[0]
    assert contents[1] == {**contents[0], "entropy_rate": 1.2}


def test_sweep_that_has_not_started_is_not_finished_and_has_no_answer(
    make_experiment: Make,
) -> None:
    folder = make_experiment([], variants=VARIANTS)
    content = _read(folder)
    assert (content["finished"], content["best"]) == (False, None)
    assert summarize(folder).missing == (
        "base: 1 of 1 configurations to confirm",
        "num_layers=1: 1 of 1 configurations to confirm",
    )


def test_interrupted_and_missing_seeds_are_said(make_experiment: Make) -> None:
    folder = make_experiment(
        [
            *_confirmed({"base": BASE, "num_layers=1": {1: 1.6}}),
            ("num_layers=1", "confirm", 2, "interrupted", 1.4, 1e-3),
        ],
        variants=VARIANTS,
    )
    summary = summarize(folder)
    assert summary.missing == ("num_layers=1: confirm seed 2, 3",)
    assert summary.variants[1].confirm.n == 1


@pytest.mark.parametrize(
    ("trials", "missing"),
    [
        ([], ("base: its search is not over",)),
        ([("base", "tune", 0, "interrupted", None, 1e-3)], ("base: its search is not over",)),
        (
            [("base", "tune", 0, "completed", 1.4, 1e-3)],
            ("base: 1 of 1 configurations to confirm",),
        ),
        ([("base", "tune", 0, "diverged", None, 1e-3)], ()),
        (
            [
                *_confirmed({"base": BASE}),
                ("base", "tune", 0, "completed", 1.4, 1e-3),
                ("base", "tune", 0, "completed", 1.4, 2e-3),
            ],
            ("base: 1 of 2 configurations to confirm",),
        ),
    ],
    ids=["nothing", "tuning", "tuned", "all diverged", "one of two confirmed"],
)
def test_searched_variant_says_what_is_missing(
    make_experiment: Make, trials: list[Any], missing: tuple[str, ...]
) -> None:
    folder = make_experiment(trials, variants={"base": {}}, searched=True, seeds=Seeds(top_k=2))
    assert summarize(folder).missing == missing


def test_summarize_where_no_experiment_is_says_so(make_experiment: Make) -> None:
    folder = make_experiment([], variants=VARIANTS)
    with pytest.raises(UserError, match="no experiment here"):
        summarize(ExperimentFolder(folder.path.parent / "elsewhere"))
