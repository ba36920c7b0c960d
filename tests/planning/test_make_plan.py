"""A sweep's plan: what is counted, what is probed, and what that adds up to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.datasets import PreparedDatasets
from lmtune.models import build_model
from lmtune.planning.forecast import (
    HANDOVER_S,
    RECORDS_MIB,
    START_AND_END_S,
    forecast,
)
from lmtune.planning.halving import expected_epochs
from lmtune.planning.identity import content_hash
from lmtune.planning.make import make_plan
from lmtune.planning.typical import shape_of, typical_trials
from lmtune.spec.plan import Plan
from lmtune.spec.sweep import Keep, SweepSpec
from lmtune.spec.trial import TrialConfig

Load = Callable[..., SweepSpec]


def quiet(done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def plan(load: Load, prepared: PreparedDatasets, tmp_path: Path, given_costs: list[int]) -> Plan:
    made = make_plan(load(), prepared, tmp_path, probe=quiet)
    assert given_costs == [2]  # two depths, whatever the learning rate
    return made


def test_plan_when_made_counts_trials_parameters_and_tokens(
    plan: Plan, load: Load, prepared: PreparedDatasets
) -> None:
    assert [(each.variant, each.tune, each.confirm) for each in plan.variants] == [
        ("base", 8, 3),
        ("num_layers=1", 8, 3),
    ]
    assert plan.trials == 22
    for each, variant in zip(plan.variants, load().variants, strict=True):
        dataset = prepared.get(variant.config.dataset)
        model = build_model(
            variant.config.model, vocab_size=dataset.vocab_size, context_length=8, seed=0
        )
        count = sum(parameter.numel() for parameter in model.parameters())
        assert each.num_parameters == (count, count)
        assert each.tokens_per_trial == 9 * 10 * 2 * 8
        assert [rung.epoch for rung in each.rungs] == [1, 3, 9]
    epochs = sum(expected_epochs(each.rungs) + 3 * 9 for each in plan.variants)
    assert plan.train_tokens == round(epochs * 10 * 2 * 8)


def test_plan_when_probed_adds_up_what_trials_cost(plan: Plan) -> None:
    found = plan.forecast
    assert found is not None
    assert all(each.cost and each.cost.trial_s == pytest.approx(18) for each in plan.variants)
    epochs = sum(expected_epochs(each.rungs) + 3 * 9 for each in plan.variants)
    busy_s = 2 * epochs + plan.trials * HANDOVER_S
    at_once = min(2, plan.machine.trials_at_once)
    idle_s = (at_once - 1) * busy_s / plan.trials / 2
    assert found.time_s == pytest.approx(START_AND_END_S + (busy_s + idle_s) / at_once)
    assert found.tune_s + found.confirm_s == pytest.approx(found.time_s - START_AND_END_S)
    assert found.disk_mib == pytest.approx(22 * (2.0 + RECORDS_MIB))


@pytest.mark.parametrize(
    ("keep", "kept_mib"),
    [({"checkpoints": "best"}, 22 * 0.5), ({"checkpoints": "last", "top_k": 3}, 3 * 1.5)],
)
def test_plan_counts_the_checkpoints_that_are_kept(
    plan: Plan, keep: dict[str, object], kept_mib: float
) -> None:
    found = forecast(plan.variants, trials_at_once=1, on_gpu=False, keep=Keep.model_validate(keep))
    assert found is not None
    assert found.disk_mib == pytest.approx(kept_mib + 22 * RECORDS_MIB)


def test_plan_when_not_probed_has_counts_alone(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, given_costs: list[int]
) -> None:
    made = make_plan(load(), prepared, tmp_path, probe=None)
    assert made.forecast is None
    assert made.trials == 22
    assert given_costs == []


def test_plan_when_one_trial_is_all_takes_as_long_as_it(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, given_costs: list[int]
) -> None:
    sweep = load()
    alone = sweep.model_copy(
        update={
            "variants": (sweep.variants[0].model_copy(update={"parameters": {}}),),
            "seeds": sweep.seeds.model_copy(update={"confirm": (1,)}),
        }
    )
    found = make_plan(alone, prepared, tmp_path, probe=quiet).forecast
    assert found is not None
    assert found.time_s == pytest.approx(START_AND_END_S + 18 + HANDOVER_S)


def test_plan_when_sizes_are_searched_gives_ends_and_probes_a_few(
    load: Load, prepared: PreparedDatasets, tmp_path: Path, given_costs: list[int]
) -> None:
    sweep = load(
        **{
            "ablate:\n  model.num_layers: [1]\n": "",
            "parameters:\n": "parameters:\n  model.num_layers: {min: 1, max: 12}\n",
        }
    )
    (variant,) = make_plan(sweep, prepared, tmp_path, probe=quiet).variants
    assert given_costs == [3]
    assert variant.num_parameters[0] < variant.num_parameters[1]
    assert variant.flops_per_token[0] < variant.flops_per_token[1]


@pytest.mark.parametrize(
    ("path", "value", "is_same"),
    [
        ("optimizer.learning_rate", 0.5, True),
        ("schedule.type", "cosine", True),
        ("training.epochs", 3, True),
        ("model.dropout", 0.1, False),
        ("model.num_layers", 3, False),
        ("training.batch_size", 4, False),
        ("optimizer.type", "sgd", False),
    ],
)
def test_shape_when_a_field_changes_is_the_same_where_the_work_is(
    load: Load, path: str, value: object, is_same: bool
) -> None:
    config = load().variants[0].config
    section, field = path.split(".")
    given = config.model_dump(mode="json")
    if field == "type":
        given[section] = {"type": value}
    else:
        given[section][field] = value
        if field == "dropout":
            given[section] = {"type": "gpt", "num_layers": 2, "d_model": 16, "num_heads": 2}
            given[section]["dropout"] = value
    changed = TrialConfig.model_validate(given)
    assert (shape_of(changed) == shape_of(config)) == is_same


def test_trials_when_only_real_numbers_are_searched_are_one(
    load: Load, prepared: PreparedDatasets
) -> None:
    (trial,) = typical_trials(load().variants[0], prepared, 32)
    assert trial.tokens_per_step == 16
    assert trial.flops_per_step == 16 * trial.facts.flops_per_token


def test_content_hash_when_trials_change_does_and_else_does_not(
    load: Load, prepared: PreparedDatasets
) -> None:
    before = content_hash(load(), prepared)
    same = {"What will it cost?": "How much?", "trials: 8}": "trials: 8, time: 5m}"}
    assert content_hash(load(**same), prepared) == before
    for old, new in {"trials: 8": "trials: 9", "[1, 2, 3]": "[1, 2]", "1e-4": "1e-5"}.items():
        assert content_hash(load(**{old: new}), prepared) != before
