"""A small sweep to be disturbed, and what must hold of it after every accident."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from optuna.trial import TrialState

from lmtune.records import ExperimentFolder
from tests.e2e.command import Command, Ended
from tests.e2e.reading import Records, proposal_states, tracked

EPOCHS = 10
TRIALS = 2 * (3 + 2)
"""Of two variants: three to tune, two to confirm."""

SWEEP = f"""\
name: undisturbed
question: Is it the same whatever happens?
base:
  dataset:
    corpus: {{type: markov, length: 6000, symbols: 8}}
    tokenizer: char
    context_length: 16
  model: {{type: gpt, num_layers: 1, d_model: 16, num_heads: 2, dropout: 0.1}}
  optimizer: {{type: adamw}}
  training: {{epochs: {EPOCHS}, steps_per_epoch: 25, batch_size: 8}}
variants:
  gpt: {{}}
  lstm: {{model: {{type: lstm, num_layers: 1, hidden_size: 16}}}}
parameters:
  optimizer.learning_rate: {{distribution: log_uniform_values, min: 1e-3, max: 1e-1}}
method: qmc
budget: {{trials: 3}}
seeds: {{tune: [0], confirm: [1, 2]}}
resources: {{max_concurrent: 1}}
"""
"""One trial at a time and none stopped early: its numbers are the same whatever happens."""

CLOCKS = ["train_time_s", "tokens_per_second"]


def write_sweep(project: Path) -> None:
    """Write the sweep file into a project."""
    (project / "sweep.yaml").write_text(SWEEP, encoding="utf-8")


def arguments(name: str, *more: str) -> list[str]:
    """Of the command that runs the sweep under another name."""
    return ["sweep.yaml", "--set", f"name={name}", *more]


def num_epochs(project: Path, name: str) -> int:
    """Rows of all curves so far."""
    curves = (project / "experiments" / name).glob("trials/*/curve.jsonl")
    return sum(len(path.read_bytes().splitlines()) for path in curves)


def wait_for_epochs(command: Command, project: Path, name: str, epochs: int) -> None:
    """Wait until the curves have so many rows in all."""
    command.wait_until(lambda: num_epochs(project, name) >= epochs, f"trained {epochs} epochs")


def check_whole(project: Path, name: str) -> None:
    """No record is torn: each reads, with its checksum."""
    folder = project / "experiments" / name
    for path in folder.glob("trials/*/*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for recorded in ExperimentFolder(folder).trials():
        recorded.read()
        assert recorded.mend() == []


def check_tracked(project: Path, name: str, trial_ids: set[str]) -> None:
    """MLflow has one child for each trial, all ended."""
    runs = tracked(project, name)
    assert len(runs.parents) == 1
    assert runs.by_trial.keys() == trial_ids
    assert {run.status for run in [*runs.parents, *runs.children]} == {"FINISHED"}


def check_finished(project: Path, name: str, ended: Ended, whole: str = "undisturbed") -> None:
    """The sweep is to the bit what it is if nothing happens to it, wherever it is looked at."""
    assert ended.code == 0, ended.err
    assert "the sweep is finished" in ended.out
    assert ended.processes == {}
    check_whole(project, name)
    ours, theirs = Records(project, name), Records(project, whole)
    pd.testing.assert_frame_equal(ours.curves, theirs.curves, check_exact=True)
    pd.testing.assert_frame_equal(
        ours.trials.drop(columns=CLOCKS), theirs.trials.drop(columns=CLOCKS), check_exact=True
    )
    assert ours.last_weights() == theirs.last_weights()
    assert ours.best_weights() == theirs.best_weights()
    assert ours.summary | {"name": whole} == theirs.summary
    assert not list(ours.path.glob("trials/*/*.tmp"))
    assert not list(ours.path.glob("trials/*/checkpoints/*.*"))
    assert set(ours.trials.status) == {"completed"}
    check_tracked(project, name, set(ours.trials.index))
    states = proposal_states(project, name)
    assert states == {name: [TrialState.COMPLETE] * 3 for name in ("gpt", "lstm")}
