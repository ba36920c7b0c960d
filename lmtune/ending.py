"""What a person reads when a sweep ends: the answer, the table, and where the rest is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from lmtune.analysis.experiment import Experiment
from lmtune.printed_answer import print_answer
from lmtune.records import ExperimentFolder
from lmtune.tuning.failures import ALIKE_IN_A_SWEEP, ALIKE_IN_A_VARIANT
from lmtune.tuning.runner import SweepOutcome


def print_ending(experiment: Experiment, outcome: SweepOutcome, console: Console) -> None:
    """Print how the run ended, what the sweep found and where to read on.

    Args:
        experiment: its records as they now are.
        outcome: of this run.
        console: where to.
    """
    folder, summary, others = experiment.folder, experiment.summary, experiment.others
    console.print(Text(_how_it_ended(outcome)))
    _print_failures(outcome, folder, console)
    console.print()
    print_answer(summary, console)
    if others:
        are = "is" if len(others) == 1 else "are"
        console.print(
            Text(
                f"{_trials(len(others))} of earlier versions of the file or the data {are} kept in "
                "the records and left out here; --why TRIAL says why, such as "
                f"--why {next(iter(others))}.",
                style="dim",
            )
        )
    console.print(Text(f"Report   {_shown(folder.report_html)}"))
    console.print(Text(f"Records  {_shown(folder.path)}"))
    if summary.sweep.tracking.mlflow is not None:
        console.print(Text("MLflow   make ui, or python -m lmtune.ui"))


def _how_it_ended(outcome: SweepOutcome) -> str:
    if outcome.is_finished and not outcome.num_run:
        return "Nothing was left to run."
    ended = f"{_trials(outcome.num_run)} ended in this run"
    if outcome.is_finished:
        return f"{ended}; the sweep is finished."
    if outcome.failures.broken is not None:
        return (
            f"Stopped: {ended}, and {ALIKE_IN_A_SWEEP} trials failed alike before any had finished."
        )
    if outcome.failures.stopped and outcome.signal is None and not outcome.time_is_up:
        names = ", ".join(outcome.failures.stopped)
        return (
            f"{ended}. Stopped, because {ALIKE_IN_A_VARIANT} trials failed alike before any had "
            f"finished: {names}."
        )
    saved = f"{ended}, and what is under way is saved"
    if outcome.time_is_up:
        return (
            f"The time budget is spent, earlier runs included: {saved}. "
            "To go on from here, raise budget.time."
        )
    return f"Interrupted: {saved}. The same command goes on from here."


def _print_failures(outcome: SweepOutcome, folder: ExperimentFolder, console: Console) -> None:
    for result in outcome.results.values():
        if result.parts > 1:
            console.print(
                Text(
                    f"Trial {result.trial_id} did not fit into memory: each part of a batch was "
                    f"computed in {result.parts}, which is the same step but for rounding."
                )
            )
    failed = [result for result in outcome.results.values() if result.status == "failed"]
    if not failed:
        return
    first = failed[0]
    which = first.trial_id if len(failed) == 1 else f"the first of them {first.trial_id}"
    console.print(Text(f"{_trials(len(failed))} failed, {which}:"))
    console.print(Text(first.message), style="red", soft_wrap=True)  # paths in it stay whole
    where = "in the folder of each" if len(failed) > 1 else "in its folder"
    console.print(
        Text(f"error.txt {where} has this, in {_shown(folder.trial(first.trial_id).path.parent)}.")
    )
    console.print(Text(f"The same command tries {'them' if len(failed) > 1 else 'it'} again."))


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _shown(path: Path) -> str:
    """Relative to where the user stands, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
