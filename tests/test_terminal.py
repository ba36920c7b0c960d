"""What a person sees while a sweep runs: the counts, the live table, the plain lines."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from lmtune.datasets import PreparedDatasets
from lmtune.records import ExperimentFolder
from lmtune.spec import read_sweep
from lmtune.spec.duration import format_duration
from lmtune.spec.result import Status, TrialFacts, TrialResult
from lmtune.spec.sweep import Metric, SweepSpec
from lmtune.spec.trial import Phase, Scalar, TrialSpec
from lmtune.terminal import (
    LiveTable,
    PlainLines,
    Progress,
    planned_trials,
    terminal,
)
from lmtune.tracking import RecordsObserver
from lmtune.training import CheckpointFolder
from lmtune.training.checkpoint import Checkpoint
from lmtune.training.checkpoint import Progress as TrainingProgress
from lmtune.tuning.runner import prepare_conductor
from tests.tuning.simulation import SWEEP, Log, conductor, evaluation, load, simulate

FACTS = TrialFacts(num_parameters=12, num_non_embedding_parameters=10, flops_per_token=72, epochs=9)


class Clock:
    """Stands in for `time.monotonic`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("lmtune.terminal.time.monotonic", made)
    return made


@pytest.fixture
def sweep(tmp_path: Path) -> SweepSpec:
    """Variants `base` and `num_layers=1`, each with 6 tune and 3 confirm trials."""
    return load(tmp_path)


def make_trial(
    sweep: SweepSpec, variant: int = 0, phase: Phase = "tune", rate: float = 1e-3, seed: int = 0
) -> TrialSpec:
    chosen = sweep.variants[variant]
    parameters: dict[str, Scalar] = {"optimizer.learning_rate": rate}
    return TrialSpec(
        variant=chosen.name,
        phase=phase,
        seed=seed,
        config=chosen.trial_config(parameters),
        parameters=parameters,
        data_fingerprint="f00d",
    )


def make_result(trial: TrialSpec, status: Status, epochs: int, message: str = "") -> TrialResult:
    return TrialResult(
        trial_id=trial.trial_id,
        status=status,
        epochs_done=epochs,
        facts=FACTS,
        train_time_s=1.0,
        message=message,
    )


def run_trial(
    progress: Progress,
    trial: TrialSpec,
    *losses: float,
    status: Status = "completed",
    clock: Clock | None = None,
    seconds: float = 0.0,
    message: str = "",
) -> None:
    """Tell an observer of a whole trial."""
    progress.trial_started(trial, FACTS)
    for epoch, loss in enumerate(losses, start=1):
        progress.trial_evaluated(trial, evaluation(epoch, loss))
    if clock is not None:
        clock.now += seconds
    progress.trial_ended(trial, make_result(trial, status, len(losses), message))


def rendered(table: LiveTable, width: int = 120) -> list[str]:
    """The live table as it would be drawn now, line by line."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table._render())
    text = console.file
    assert isinstance(text, io.StringIO)
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (3599.7, "1h00m"),
        (3720, "1h02m"),
        (360_000, "100h00m"),
    ],
)
def test_duration_when_formatted_is_short_and_rounded(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_planned_trials_when_a_variant_is_searched_count_both_phases(tmp_path: Path) -> None:
    text = SWEEP.replace("confirm: [1, 2, 3]}", "confirm: [1, 2, 3], top_k: 2}")
    sweep = load(tmp_path, text)
    assert planned_trials(sweep, sweep.variants[0]) == {"tune": 6, "confirm": 6}
    start, end = SWEEP.index("parameters:"), SWEEP.index("seeds:")
    sweep = load(tmp_path, SWEEP[:start] + "seeds: 4\n" + SWEEP[end:].partition("\n")[2])
    assert planned_trials(sweep, sweep.variants[0]) == {"tune": 0, "confirm": 4}


def test_progress_when_a_real_sweep_runs_counts_all_that_was_planned(tmp_path: Path) -> None:
    spec = load(tmp_path)
    progress = Progress(spec)
    made = conductor(tmp_path, spec, Log())
    made._observers = [*made._observers, progress]
    simulate(made, num_slots=2)
    assert progress.num_ended == progress.num_planned == 2 * (6 + 3)
    assert progress.left_s() == 0
    for variant in progress.variants.values():
        assert variant.ended["tune"].total() == 6
        assert variant.ended["confirm"] == {"completed": 3}
        assert variant.ended["tune"]["stopped"] > 0
        assert not any(variant.running.values())


def test_progress_when_a_driver_died_before_it_wrote_a_result_counts_the_trial_as_completed(
    tmp_path: Path,
) -> None:
    spec = load(tmp_path)
    first = Log()
    simulate(conductor(tmp_path, spec, first))
    trial, result = first.ended[-1]
    folder = ExperimentFolder(tmp_path / "experiments" / spec.name)
    recorded = folder.trial(trial.trial_id)
    curve = recorded.read_curve()
    recorded.result_json.unlink()
    CheckpointFolder(recorded.checkpoints).save(
        Checkpoint(trial.trial_id, TrainingProgress(epoch=len(curve)), weights={}, tensors={}),
        is_best=True,
    )
    progress = Progress(spec)
    again = prepare_conductor(
        spec,
        folder=folder,
        datasets=PreparedDatasets(tmp_path),
        observers=[RecordsObserver(folder), progress],
        say=first.said.append,
    )
    again.resume()
    assert again.is_finished
    assert progress.num_ended == progress.num_planned
    assert progress.variants[trial.variant].best is not None
    assert recorded.read_curve() == curve
    assert recorded.read_result() == result


def test_progress_when_trials_complete_shows_the_best_of_them(
    sweep: SweepSpec, clock: Clock
) -> None:
    progress = Progress(sweep)
    run_trial(progress, make_trial(sweep, rate=1e-3), 3.0, 2.5)
    run_trial(progress, make_trial(sweep, rate=2e-3), 2.0, 2.2)
    run_trial(progress, make_trial(sweep, rate=3e-3), 1.0, status="stopped")  # no full budget
    run_trial(progress, make_trial(sweep, rate=4e-3), 2.9)
    assert progress.variants["base"].best == 2.2
    assert progress.variants["num_layers=1"].best is None


def test_progress_when_an_earlier_run_did_trials_counts_them_but_not_their_time(
    sweep: SweepSpec, clock: Clock
) -> None:
    progress = Progress(sweep)
    known = make_trial(sweep)
    progress.trial_known(known, make_result(known, "completed", 1), [evaluation(1, 2.0)])
    other = make_trial(sweep, rate=2e-3)
    progress.trial_known(other, make_result(other, "diverged", 0), [])
    assert progress.num_ended == 2
    assert progress.variants["base"].best == 2.0
    assert progress.left_s() is None
    assert progress.trials_per_minute() is None


def test_time_left_when_trials_run_at_once_is_shared_between_them(
    sweep: SweepSpec, clock: Clock
) -> None:
    progress = Progress(sweep)
    progress.sweep_started(sweep, {})
    assert progress.left_s() is None
    run_trial(progress, make_trial(sweep, rate=1e-3), 2.0, clock=clock, seconds=10)
    # 17 trials are left; a confirm trial is taken to last as long.
    assert progress.left_s() == 17 * 10
    for number in (2, 3):
        progress.trial_started(make_trial(sweep, rate=number * 1e-3), FACTS)
    clock.now += 4
    assert progress.left_s() == (17 * 10 - 2 * 4) / 2
    clock.now += 100  # longer than the first: not more than it lasted is counted as done
    assert progress.left_s() == (17 * 10 - 2 * 10) / 2


def test_time_left_when_tune_trials_are_stopped_expects_confirm_trials_to_last_longer(
    sweep: SweepSpec, clock: Clock
) -> None:
    progress = Progress(sweep)
    progress.sweep_started(sweep, {})
    run_trial(progress, make_trial(sweep, rate=1e-3), 2.0, clock=clock, seconds=9)
    run_trial(progress, make_trial(sweep, rate=2e-3), 2.0, status="stopped", clock=clock, seconds=1)
    tune_left, confirm_left = 2 * 6 - 2, 2 * 3
    assert progress.left_s() == tune_left * 5 + confirm_left * 9
    run_trial(progress, make_trial(sweep, phase="confirm", seed=1), 2.0, clock=clock, seconds=20)
    assert progress.left_s() == tune_left * 5 + (confirm_left - 1) * 20
    assert progress.trials_per_minute() == 60 * 3 / 30
    assert progress.elapsed_s == 30


def test_live_table_when_trials_run_shows_each_state(sweep: SweepSpec, clock: Clock) -> None:
    table = LiveTable(Console(file=io.StringIO(), force_terminal=True), sweep)
    run_trial(table, make_trial(sweep, rate=1e-3), 2.34567, clock=clock, seconds=60)
    run_trial(table, make_trial(sweep, rate=2e-3), 3.0, status="stopped")
    run_trial(table, make_trial(sweep, rate=3e-3), status="diverged")
    run_trial(table, make_trial(sweep, rate=4e-3), status="failed", message="x")
    run_trial(table, make_trial(sweep, phase="confirm", seed=1), 2.5)
    table.trial_started(make_trial(sweep, rate=5e-3), FACTS)
    table.trial_started(make_trial(sweep, phase="confirm", seed=2), FACTS)
    table.trial_started(make_trial(sweep, 1), FACTS)
    headline, header, base, other = rendered(table)
    assert headline.startswith("5 of 18 trials, 3 running, 5.0 a minute, 1m00s elapsed, ")
    assert re.split(r"\s{2,}", header) == [
        *("variant", "tuned", "stopped", "diverged", "failed", "confirmed", "running"),
        "best val_loss",
    ]
    assert re.split(r"\s{2,}", base) == [
        *("base", "4/6", "1", "1", "1", "1/3", "1 tune 1 confirm", "2.3457")
    ]
    assert re.split(r"\s{2,}", other) == ["num_layers=1", "0/6", "0/3", "1 tune", "-"]


def test_live_table_when_nothing_is_searched_has_no_tune_counts(tmp_path: Path) -> None:
    start = SWEEP.index("parameters:")
    spec = load(tmp_path, SWEEP[:start] + "seeds: 1\n")
    lines = rendered(LiveTable(Console(file=io.StringIO(), force_terminal=True), spec))
    assert lines[0].startswith("0 of 2 trials, 0 running, - a minute, ")
    assert re.split(r"\s{2,}", lines[2]) == ["base", "-", "0/1", "-"]


def test_live_table_when_names_look_like_markup_prints_them(tmp_path: Path) -> None:
    text = SWEEP.replace("ablate:\n  model.num_layers: [1]\n", "ablate:\n  model.dropout: [0.5]\n")
    lines = rendered(
        LiveTable(Console(file=io.StringIO(), force_terminal=True), load(tmp_path, text))
    )
    assert lines[3].startswith("dropout=0.5 ")


def test_live_table_when_the_sweep_ends_is_gone_from_the_screen(sweep: SweepSpec) -> None:
    output = io.StringIO()
    table = LiveTable(Console(file=output, force_terminal=True, width=100), sweep)
    table.sweep_started(sweep, {})
    run_trial(table, make_trial(sweep), 2.0)
    table._live.refresh()
    assert "1 of 18 trials" in output.getvalue()
    drawn = len(output.getvalue())
    table.sweep_ended(True)
    erase_line_above = "\x1b[1A\x1b[2K"
    assert output.getvalue()[drawn:].count(erase_line_above) >= len(rendered(table))


def lines_of(sweep: SweepSpec) -> tuple[PlainLines, io.StringIO]:
    output = io.StringIO()
    return PlainLines(Console(file=output, width=40), sweep), output


def test_plain_lines_when_a_trial_runs_are_one_an_event(sweep: SweepSpec, clock: Clock) -> None:
    lines, output = lines_of(sweep)
    trial = make_trial(sweep, rate=2e-3)
    run_trial(lines, trial, 2.5, 2.25, clock=clock, seconds=10)
    name = f"base tune {trial.trial_id}"
    times, printed = zip(
        *(line.split(" ", 1) for line in output.getvalue().splitlines()), strict=True
    )
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", time) for time in times)
    assert printed == (
        f"{name} started: seed 0 optimizer.learning_rate=0.002",
        f"{name} epoch 1/9: val_loss 2.5000",
        f"{name} epoch 2/9: val_loss 2.2500",
        f"{name} completed after epoch 2 (1 of 18 trials, 2m50s left)",
    )


def test_plain_lines_when_a_trial_fails_say_why_in_its_last_words(
    sweep: SweepSpec, clock: Clock
) -> None:
    lines, output = lines_of(sweep)
    message = 'Traceback:\n  File "a.py"\nOSError: [Errno 28] No space left on device'
    run_trial(lines, make_trial(sweep), 2.5, status="failed", message=message)
    last = output.getvalue().splitlines()[-1]
    assert "failed after epoch 1: OSError: [Errno 28] No space left on device (1 of 18" in last


def test_plain_lines_when_an_epoch_wrote_no_text_show_the_loss(sweep: SweepSpec) -> None:
    by_text = sweep.model_copy(update={"metric": Metric(name="val_bleu", goal="maximize")})
    lines, output = lines_of(by_text)
    trial = make_trial(by_text)
    lines.trial_started(trial, FACTS)
    lines.trial_evaluated(trial, evaluation(1, 2.5))
    scored = evaluation(2, 2.0).model_copy(update={"val_bleu": 31.25})
    lines.trial_evaluated(trial, scored)
    lines.trial_ended(trial, make_result(trial, "completed", 2))
    text = output.getvalue()
    assert "epoch 1/9: val_loss 2.5000" in text
    assert "epoch 2/9: val_bleu 31.2500" in text
    assert lines.variants["base"].best == 31.25


def test_terminal_when_the_output_is_one_draws_a_table_and_else_prints_lines(
    sweep: SweepSpec,
) -> None:
    assert isinstance(terminal(Console(file=io.StringIO(), force_terminal=True), sweep), LiveTable)
    assert isinstance(terminal(Console(file=io.StringIO()), sweep), PlainLines)


def test_shipped_metric_names_when_shown_are_those_of_an_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP + "metric: {name: val_accuracy}\n", encoding="utf-8")
    spec = read_sweep(path)
    progress = Progress(spec)
    for rate, accuracy in ((1e-3, 0.4), (2e-3, 0.6), (3e-3, 0.5)):
        trial = make_trial(spec, rate=rate)
        progress.trial_started(trial, FACTS)
        row = evaluation(1, 2.0).model_copy(update={"val_accuracy": accuracy})
        progress.trial_evaluated(trial, row)
        progress.trial_ended(trial, make_result(trial, "completed", 1))
    assert progress.variants["base"].best == 0.6  # the highest, where higher is better
