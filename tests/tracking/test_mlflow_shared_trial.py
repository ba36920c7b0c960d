"""A trial that serves two variants has one run in MLflow, whoever asks for it."""

from __future__ import annotations

from pathlib import Path

from tests.tracking.simulation import Sweep, make_trial


def test_trial_that_two_variants_ask_for_is_one_child(project: Path) -> None:
    trial, other = make_trial(), make_trial(variant="wide")
    assert trial.trial_id == other.trial_id
    for _ in range(2):  # the second time as a command that finds nothing left to do
        sweep = Sweep(project)
        sweep.start()
        record = sweep.records.trial(trial.trial_id)
        if not record.spec_json.exists():
            sweep.run_trial(trial)
        result, curve = record.read_result(), record.read_curve()
        assert result is not None
        for asked in (trial, other):
            for observer in sweep.observers:
                observer.trial_known(asked, result, curve)
        sweep.end()
        assert sweep.mlflow.problems == []
    tracked = sweep.tracked()
    assert tracked.children.keys() == {trial.trial_id}
    run = tracked.children[trial.trial_id]
    assert run.info.status == "FINISHED"
    assert tracked.points(trial, "val_loss") == [(1, 2.5), (2, 2.0), (3, 2.3), (4, 2.4)]
