"""What Optuna proposes, and what it is told; with real storages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState
from pydantic import TypeAdapter

from lmtune.spec.result import Status
from lmtune.spec.search import Distribution, Method
from lmtune.spec.sweep import Metric
from lmtune.spec.trial import Scalar
from lmtune.tuning.study import (
    VariantStudy,
    close_other_studies,
    grid_points,
    open_storage,
    optuna_distribution,
)
from tests.tuning.proposals import GRID, METHODS, NUM_TRIALS, loss, propose, study, variant
from tests.tuning.simulation import evaluation

ROOT = Path(__file__).parents[2]

Proposed = dict[Method, list[dict[str, Scalar]]]

RULES: dict[str, Callable[[Scalar], bool]] = {
    "optimizer.learning_rate": lambda x: type(x) is float and 1e-4 <= x <= 1e-1,
    "model.dropout": lambda x: type(x) is float and 0 <= x <= 0.5,
    "model.num_layers": lambda x: type(x) is int and x in (1, 2, 3),
    "training.batch_size": lambda x: type(x) is int and 1 <= x <= 64,
    "model.d_model": lambda x: type(x) is int and x in (8, 16, 24, 32, 40),
    "optimizer.beta1": lambda x: (
        type(x) is float and any(abs(x - step) < 1e-9 for step in (0.8, 0.85, 0.9, 0.95))
    ),
    "model.num_heads": lambda x: type(x) is int and x in (1, 2, 4),
}


def trials_of(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """What the only study of a storage holds, read anew."""
    storage = open_storage(folder / "study")
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage).get_trials()


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Proposed:
    """What each method proposes with seed 0."""
    folder = tmp_path_factory.mktemp("proposed")
    return {method: propose(folder / method, method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_proposals_when_ranges_are_searched_stay_in_them_with_their_types(
    tmp_path: Path, proposed: Proposed, method: Method
) -> None:
    searched = variant(tmp_path)
    assert len(proposed[method]) == NUM_TRIALS
    for proposal in proposed[method]:
        assert proposal.keys() == RULES.keys()
        for path, value in proposal.items():
            assert RULES[path](value), (path, value)
        config = searched.trial_config(proposal)
        assert config.optimizer.learning_rate == proposal["optimizer.learning_rate"]
        assert config.training.batch_size == proposal["training.batch_size"]
    for path in RULES:
        assert len({proposal[path] for proposal in proposed[method]}) > 1


def test_proposals_when_asked_for_in_another_process_are_the_same(
    tmp_path: Path, proposed: Proposed
) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.tuning.proposals", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(answer) == proposed


@pytest.mark.parametrize("method", METHODS)
def test_proposals_when_the_study_is_opened_anew_for_each_are_the_same(
    tmp_path: Path, proposed: Proposed, method: Method
) -> None:
    one_by_one = []
    for _ in range(NUM_TRIALS):
        opened = study(tmp_path, method)
        proposal = opened.ask()
        one_by_one.append(proposal.params)
        opened.tell(proposal, "completed", [evaluation(1, loss(proposal.params))])
    assert one_by_one == proposed[method]
    assert study(tmp_path, method).num_left == 0


@pytest.mark.parametrize("method", METHODS)
def test_proposals_when_the_seed_is_another_are_others(
    tmp_path: Path, proposed: Proposed, method: Method
) -> None:
    asked = study(tmp_path, method, seed=1)
    rates = {asked.ask().params["optimizer.learning_rate"] for _ in range(5)}
    assert not rates & {proposal["optimizer.learning_rate"] for proposal in proposed[method]}


def test_quasi_random_proposals_when_there_are_eight_fall_into_eight_equal_parts_of_a_range(
    proposed: Proposed,
) -> None:
    # Optuna draws the first at random: the sequence begins with the second.
    dropouts = [float(str(proposal["model.dropout"])) for proposal in proposed["qmc"][1:9]]
    assert sorted(int(16 * dropout) for dropout in dropouts) == list(range(8))


def test_grid_when_asked_for_proposes_each_point_once(tmp_path: Path) -> None:
    points = grid_points(variant(tmp_path, GRID).parameters)
    assert len(points) == 3 * 4 * 2
    asked = study(tmp_path, "grid", parameters=GRID, num_trials=24)
    proposals = [asked.ask().params for _ in range(24)]
    assert proposals == points
    assert asked.num_left == 0
    assert all(type(each["model.num_layers"]) is int for each in proposals)
    assert all(type(each["optimizer.beta1"]) is float for each in proposals)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"min": 0.0, "max": 1.0}, FloatDistribution(0.0, 1.0)),
        (
            {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
            FloatDistribution(1e-4, 1e-1, log=True),
        ),
        ({"min": 1, "max": 9}, IntDistribution(1, 9)),
        (
            {"distribution": "int_log_uniform_values", "min": 1, "max": 9},
            IntDistribution(1, 9, log=True),
        ),
        ({"distribution": "q_uniform", "min": 2, "max": 8, "q": 2}, IntDistribution(2, 8, step=2)),
        (
            {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25},
            FloatDistribution(0, 1, step=0.25),
        ),
        ({"values": [1, "two", True, None]}, CategoricalDistribution((1, "two", True, None))),
    ],
)
def test_range_when_given_to_optuna_keeps_its_meaning(
    written: dict[str, object],
    expected: FloatDistribution | IntDistribution | CategoricalDistribution,
) -> None:
    distribution: Distribution = TypeAdapter[Distribution](Distribution).validate_python(written)
    assert optuna_distribution(distribution) == expected


@pytest.mark.parametrize(
    ("status", "state", "value"),
    [
        ("completed", TrialState.COMPLETE, 2.0),
        ("stopped", TrialState.PRUNED, 2.0),  # Optuna's own: the last intermediate value
        ("diverged", TrialState.FAIL, None),
        ("failed", TrialState.FAIL, None),
    ],
)
def test_study_when_told_of_an_outcome_keeps_state_and_curve(
    tmp_path: Path, status: Status, state: TrialState, value: float | None
) -> None:
    asked = study(tmp_path, "random")
    proposal = asked.ask()
    curve = [evaluation(1, 3.0), evaluation(2, 2.0)]
    asked.tell(proposal, status, curve)
    asked.tell(proposal, "failed", [])  # it knows already
    (trial,) = trials_of(tmp_path)
    assert (trial.state, trial.value) == (state, value)
    assert trial.intermediate_values == {1: 3.0, 2: 2.0}


def test_study_when_the_metric_is_of_text_is_told_of_the_epochs_that_wrote_some(
    tmp_path: Path,
) -> None:
    searched = variant(tmp_path)
    asked = VariantStudy(
        searched,
        method="random",
        num_trials=NUM_TRIALS,
        seed=0,
        metric=Metric(name="val_bleu", goal="maximize"),
        data_fingerprint="f00d",
        storage=open_storage(tmp_path / "study"),
    )
    last = evaluation(2, 2.0).model_copy(update={"val_bleu": 31.25})
    asked.tell(asked.ask(), "completed", [evaluation(1, 2.5), last])
    (trial,) = trials_of(tmp_path)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 31.25)
    assert trial.intermediate_values == {2: 31.25}


def test_study_when_opened_again_goes_on_with_its_open_proposals(tmp_path: Path) -> None:
    first = study(tmp_path, "random")
    told, left_open = first.ask(), first.ask()
    first.tell(told, "completed", [evaluation(1, 2.0)])
    again = study(tmp_path, "random")
    assert [proposal.params for proposal in again.proposals()] == [told.params, left_open.params]
    assert again.num_left == NUM_TRIALS - 2
    again.tell(left_open, "stopped", [evaluation(1, 3.0)])
    assert [trial.state for trial in trials_of(tmp_path)] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
    ]


def test_study_when_the_data_is_other_starts_anew(tmp_path: Path) -> None:
    study(tmp_path, "random").ask()
    assert study(tmp_path, "random", data="beef").proposals() == []


@pytest.mark.parametrize("method", ["random", "grid"])
def test_study_when_the_budget_is_lowered_proposes_no_more(tmp_path: Path, method: Method) -> None:
    asked = study(tmp_path, method, parameters=GRID, num_trials=5)
    for _ in range(5):
        asked.tell(asked.ask(), "completed", [evaluation(1, 2.0)])
    lowered = study(tmp_path, method, parameters=GRID, num_trials=3)
    assert lowered.num_left == 0


def tear(asked: VariantStudy) -> None:
    """What a driver leaves that dies while it asks: a proposal without its values."""
    asked._study.ask()


@pytest.mark.parametrize("method", [*METHODS, "grid"])
def test_study_when_the_driver_died_while_it_asked_loses_no_proposal(
    tmp_path: Path, method: Method
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    whole.mkdir()
    torn.mkdir()
    asked = study(whole, method, parameters=GRID, num_trials=6)
    expected = [asked.ask().params for _ in range(6)]
    asked = study(torn, method, parameters=GRID, num_trials=6)
    proposals = [asked.ask().params for _ in range(2)]
    tear(asked)
    again = study(torn, method, parameters=GRID, num_trials=6)
    assert [proposal.params for proposal in again.proposals()] == proposals
    proposals += [again.ask().params for _ in range(again.num_left)]
    assert sorted(map(str, proposals)) == sorted(map(str, expected))
    states = [trial.state for trial in trials_of(torn)]
    assert states.count(TrialState.FAIL) == 1
    assert states.count(TrialState.RUNNING) == 6


def test_storage_when_a_kill_tore_its_last_line_goes_on_from_the_one_before(
    tmp_path: Path,
) -> None:
    study(tmp_path, "random").ask()
    journal = tmp_path / "study" / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker_id":"torn')
    (tmp_path / "study" / "journal.log.lock").symlink_to("held by a process that was killed")
    again = study(tmp_path, "random")
    assert len(again.proposals()) == 1
    again.ask()
    assert len(study(tmp_path, "random").proposals()) == 2
    assert journal.read_bytes().startswith(whole)


def test_studies_of_another_question_when_closed_leave_no_proposal_open(tmp_path: Path) -> None:
    old, new = study(tmp_path, "random", data="old"), study(tmp_path, "random", data="new")
    old.ask()
    new.ask()
    storage = open_storage(tmp_path / "study")
    close_other_studies(storage, [new.name])
    states = {
        each.study_name: [trial.state for trial in storage.get_all_trials(each._study_id)]
        for each in storage.get_all_studies()
    }
    assert states == {old.name: [TrialState.FAIL], new.name: [TrialState.RUNNING]}
