"""A sweep of all models: what it learns, and that nothing which happens to it changes that.

First nobody disturbs it. Then each test is about the next thing that happens to a second one: the
time budget ends it, SIGINT, SIGTERM and SIGKILL end it, a worker is killed, a checkpoint is
spoilt. In the end the two must be the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from lmtune.datasets import prepare_text
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from tests.e2e.command import Command, Ended, processes, run, start
from tests.e2e.reading import Records, proposal_states, tracked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = "disturbed"
COMMAND = ("models.yaml", "--set", f"name={NAME}")
EPOCHS = 8
GOES_ON = "The same command goes on from here."


@pytest.fixture(scope="module")
def names(project: Path, undisturbed: Ended) -> dict[str, str]:
    """Trial ids of the variants' confirm trials; they do not depend on the sweep's name."""
    assert undisturbed.code == 0, undisturbed.err
    trials = Records(project, "models").trials
    confirmed = trials[trials.phase == "confirm"]
    return dict(zip(confirmed.variant, confirmed.index, strict=True))


@pytest.fixture(scope="module")
def records(project: Path) -> Records:
    return Records(project, NAME)


@pytest.fixture(scope="module")
def timed(project: Path, names: dict[str, str]) -> Ended:
    """The first run, with seconds to spend that are not enough."""
    return run(project, *COMMAND, "--set", "budget.time=2s")


@dataclass(frozen=True)
class TwoAtOnce:
    """Two commands in one experiment.

    Attributes:
        first: was told to stop (SIGINT) when the GPT had trained for a while.
        late: was started while the first ran.
        hosts: addresses of this machine that the first one's dashboard was to be had at.
    """

    first: Ended
    late: Ended
    hosts: set[str]


@pytest.fixture(scope="module")
def two(project: Path, timed: Ended, names: dict[str, str], records: Records) -> TwoAtOnce:
    """The second run, and another in vain."""
    with start(project, *COMMAND) as command:
        command.wait_until(lambda: "Ray dashboard: " in command.out, "had Ray started")
        late = run(project, *COMMAND)
        hosts = dashboard_hosts(command.out)
        wait_for_epochs(command, records, names["gpt"], 2)
        command.send(signal.SIGINT)
        return TwoAtOnce(command.wait(), late, hosts)


@pytest.fixture(scope="module")
def spoilt(two: TwoAtOnce, names: dict[str, str], records: Records) -> Path:
    """A checkpoint of the GPT, a byte of which has changed on the disk."""
    path = records.path / "trials" / names["gpt"] / "checkpoints/last/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def terminated(project: Path, spoilt: Path, names: dict[str, str], records: Records) -> Ended:
    """The third run, whose whole job is sent SIGTERM while the RNN trains."""
    with start(project, *COMMAND) as command:
        wait_for_epochs(command, records, names["rnn"], 2)
        command.send_to_job(signal.SIGTERM)
        return command.wait()


@pytest.fixture(scope="module")
def killed(project: Path, terminated: Ended, names: dict[str, str], records: Records) -> Ended:
    """The fourth run: the RNN's worker is killed at half, then the driver, as the LSTM trains."""
    with start(project, *COMMAND) as command:
        wait_for_epochs(command, records, names["rnn"], EPOCHS // 2)
        kill_worker(command, names["rnn"])
        failure = f"rnn confirm {names['rnn']} failed after epoch"
        command.wait_until(lambda: failure in command.out, "saw the worker die")
        command.wait_until(lambda: "lstm tune" in evaluations(command), "tuned the LSTM")
        command.send(signal.SIGKILL)
        return command.wait()


@pytest.fixture(scope="module")
def failed(project: Path, killed: Ended, names: dict[str, str], records: Records) -> Ended:
    """The fifth run: the RNN's worker is killed again, and nothing else is disturbed."""
    with start(project, *COMMAND) as command:
        wait_for_epochs(command, records, names["rnn"], EPOCHS - 1)
        kill_worker(command, names["rnn"])
        return command.wait()


@pytest.fixture(scope="module")
def mended(project: Path, failed: Ended) -> Ended:
    """The last run, which nobody disturbs."""
    return run(project, *COMMAND)


def wait_for_epochs(command: Command, records: Records, trial_id: str, epochs: int) -> None:
    """Wait until a trial trains, has so many epochs behind it, and some before it.

    The checkpoint of the last but one of them is then safe.
    """
    command.wait_until(
        lambda: trial_id in evaluations(command) and records.epochs(trial_id) >= epochs,
        f"trained {epochs} epochs of {trial_id}",
    )
    assert not records.has_ended(trial_id)


def kill_worker(command: Command, trial_id: str) -> None:
    """Kill the process that trains a trial; its title says which, but for moments."""
    workers: list[int] = []

    def find() -> bool:
        titles = processes(command.pid)
        workers[:] = [pid for pid, title in titles.items() if trial_id in title]
        return bool(workers)

    command.wait_until(find, f"showed a process that trains {trial_id}")
    os.kill(workers[0], signal.SIGKILL)


def evaluations(command: Command) -> str:
    """The lines about evaluations that a command has printed so far."""
    return "\n".join(line for line in command.out.splitlines() if " epoch " in line)


def dashboard_hosts(out: str) -> set[str]:
    """Addresses of this machine that answer on the port of the dashboard that was printed."""
    found = re.search(r"Ray dashboard: http://127\.0\.0\.1:(\d+) ", out)
    assert found, out
    answering = set()
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        with suppress(OSError):
            socket.create_connection((host, int(found[1])), timeout=10).close()
            answering.add(host)
    return answering


def first_epoch(ended: Ended, trial_id: str) -> int:
    """The first epoch that a run trained of a trial."""
    rows = (line for line in ended.out.splitlines() if f"{trial_id} epoch " in line)
    return int(next(rows).partition(" epoch ")[2].partition("/")[0])


@pytest.mark.science
@pytest.mark.parametrize("variant", ["gpt", "transformer", "rnn", "lstm"])
def test_model_when_trained_on_a_markov_source_ends_at_its_entropy(
    project: Path, undisturbed: Ended, variant: str
) -> None:
    assert undisturbed.code == 0, undisturbed.err
    config = read_sweep(project / "models.yaml").variants[0].config.dataset
    source_loss = prepare_text(config, project=project).validation.source_loss
    assert source_loss is not None
    trials = Records(project, "models").trials
    confirmed = trials[(trials.variant == variant) & (trials.phase == "confirm")]
    assert list(confirmed.status) == ["completed"]
    excess = confirmed.val_loss.iloc[0] - source_loss
    # The source's loss is of these very tokens, which leaves to luck no more than about
    # sqrt(2 * excess / tokens): 0.001 nats for 10,000 tokens.
    assert -0.003 <= excess <= 0.02


def test_summary_when_the_source_is_known_has_its_entropy(
    project: Path, undisturbed: Ended
) -> None:
    summary = Records(project, "models").summary
    assert undisturbed.code == 0
    best = summary["best"]["value"]
    assert best == pytest.approx(summary["dataset"]["entropy_rate"], abs=0.02)


def test_sweep_when_its_time_is_up_ends_well_and_says_how_to_go_on(
    timed: Ended, records: Records
) -> None:
    assert timed.code == 0, timed.err
    assert "The time budget is spent" in timed.out
    assert "To go on from here, raise budget.time." in timed.out
    (run,) = ExperimentFolder(records.path).timeline.runs()
    assert run.running_s >= 2
    assert run.starting_s > 0
    assert run.content_hash == records.json("plan.json")["content_hash"]
    assert records.summary["finished"] is False
    assert timed.processes == {}


def test_sweep_when_in_use_refuses_a_second_command_and_goes_on(two: TwoAtOnce) -> None:
    assert two.late.code == 2
    assert f"the experiment is in use by process {two.first.pid} on " in two.late.err
    assert "  Fix: " in two.late.err
    assert "Traceback" not in two.late.err
    assert two.late.out == ""
    assert " epoch " in two.first.out


def test_dashboard_when_ray_runs_is_on_this_machine_alone(two: TwoAtOnce) -> None:
    assert two.hosts == {"127.0.0.1"}


def test_sweep_when_interrupted_ends_in_good_order_and_goes_on_later(
    project: Path, two: TwoAtOnce, names: dict[str, str], records: Records
) -> None:
    ended = two.first
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert "Interrupted: " in ended.out
    assert GOES_ON in ended.out
    assert ended.processes == {}
    assert ended.ray_sessions == []
    assert records.trials.loc[names["gpt"]].status == "interrupted"
    runs = tracked(project, NAME)
    for each in (runs.parents[0], runs.by_trial[names["gpt"]]):
        assert (each.status, each.tags["lmtune.status"]) == ("KILLED", "interrupted")
    assert "RUNNING" not in {run.status for run in runs.children}


def test_sweep_when_terminated_ends_in_good_order_and_goes_on_later(
    project: Path, terminated: Ended, names: dict[str, str], records: Records
) -> None:
    assert terminated.code == 130, terminated.err
    assert "Traceback" not in terminated.err
    assert GOES_ON in terminated.out
    assert terminated.processes == {}
    assert terminated.ray_sessions == []
    assert records.trials.loc[names["rnn"]].status == "interrupted"
    runs = tracked(project, NAME)
    assert "RUNNING" not in {run.status for run in [*runs.parents, *runs.children]}


def test_sweep_when_a_worker_is_killed_fails_that_trial_alone(
    killed: Ended, names: dict[str, str]
) -> None:
    assert first_epoch(killed, names["rnn"]) > 1
    (line,) = (
        line
        for line in killed.out.splitlines()
        if " failed after epoch " in line and names["rnn"] in line
    )
    assert "died" in line


def test_sweep_when_the_driver_is_killed_leaves_no_worker(killed: Ended) -> None:
    assert killed.code == -signal.SIGKILL
    # Two of Ray's own processes notice only after a minute.
    assert set(killed.processes.values()) <= {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}


def test_sweep_when_a_checkpoint_is_spoilt_uses_the_one_before_and_says_so(
    terminated: Ended, spoilt: Path, names: dict[str, str], records: Records
) -> None:
    (line,) = (line for line in terminated.out.splitlines() if str(spoilt) in line)
    assert "the checkpoint is torn or was altered" in line
    assert line.endswith("The one before is used instead.")
    assert first_epoch(terminated, names["gpt"]) > 1
    assert records.trials.loc[names["gpt"]].status == "completed"


def test_sweep_when_a_trial_fails_goes_on_and_says_why_and_what_to_do(
    project: Path, failed: Ended, names: dict[str, str], records: Records
) -> None:
    assert failed.code == 1, failed.err
    assert "1 trial failed, " in failed.out
    trials = records.trials
    assert trials.loc[names["rnn"]].status == "failed"
    assert set(trials.drop(names["rnn"]).status) == {"completed"}
    message = records.json("trials", names["rnn"], "result.json")["message"]
    assert message in failed.out
    assert (records.path / "trials" / names["rnn"] / "error.txt").read_text() == message + "\n"
    assert first_epoch(failed, names["rnn"]) > EPOCHS // 4  # it went on, killed as it was
    child = tracked(project, NAME).by_trial[names["rnn"]]
    assert (child.status, child.tags["lmtune.status"]) == ("FAILED", "failed")


def test_sweep_when_it_is_done_at_last_is_to_the_bit_what_it_would_have_been(
    project: Path, mended: Ended, records: Records
) -> None:
    assert mended.code == 0, mended.err
    assert "1 trial ended in this run; the sweep is finished." in mended.out
    whole = Records(project, "models")
    pd.testing.assert_frame_equal(records.curves, whole.curves, check_exact=True)
    clocks = ["train_time_s", "tokens_per_second"]
    pd.testing.assert_frame_equal(
        records.trials.drop(columns=clocks), whole.trials.drop(columns=clocks), check_exact=True
    )
    assert records.last_weights() == whole.last_weights()
    assert records.best_weights() == whole.best_weights()
    assert len(records.last_weights()) == 6
    assert records.summary | {"name": "models"} == whole.summary


def test_mlflow_when_it_is_done_at_last_has_each_trial_and_each_epoch_once(
    project: Path, mended: Ended, records: Records
) -> None:
    runs = tracked(project, NAME)
    (parent,) = runs.parents
    assert parent.status == "FINISHED"
    assert mended.code == 0
    assert runs.by_trial.keys() == set(records.trials.index)
    for trial_id, child in runs.by_trial.items():
        assert child.status == "FINISHED"
        curve = records.curves[records.curves.trial_id == trial_id]
        for metric in ("train_loss", "val_loss", "step"):
            expected = list(zip(curve.epoch, curve[metric], strict=True))
            assert child.points[metric] == expected


def test_studies_when_it_is_done_at_last_have_no_proposal_open(
    project: Path, mended: Ended
) -> None:
    assert mended.code == 0
    assert proposal_states(project, NAME) == {"lstm": [TrialState.COMPLETE] * 2}


def test_records_when_the_driver_was_killed_hold_no_torn_file(
    mended: Ended, records: Records
) -> None:
    assert mended.code == 0
    for path in records.path.glob("trials/*/*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in records.path.glob("trials/*/curve.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line)
    assert not list(records.path.glob("trials/*/*.tmp"))
