"""(a) What a sweep adds: sixteen equal trials, against two bare processes that train the same.

The sweep is the user's command with all that it does: Ray, Optuna, records, checkpoints, MLflow.
Each bare process calls `lmtune.training.train` on half of the sweep's trials, one after the other,
and writes nothing. Both have their data tokenized. The same trials give the same losses, to the
bit, which is checked: both sides have done the same work.

On a busy machine the ratios of seconds mean nothing: Ray's workers have another priority (nice 15)
and sessions of their own, so the other work does not slow both sides alike. The ratio of CPU
seconds holds better.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median

from tests.bench.commands import CommandTimes, TrialTimes, run_commands
from tests.bench.figures import Figure, ratio
from tests.bench.project import (
    NUM_SLOTS,
    Project,
    TrialShape,
    search_handovers,
    temporary_project,
)


def measure(shape: TrialShape, *, repetitions: int) -> list[Figure]:
    """Run both sides in turns: sweep, bare, bare, sweep, sweep, ..."""
    sweeps: list[CommandTimes] = []
    bares: list[CommandTimes] = []
    with temporary_project(shape) as project:
        for repetition in range(repetitions):
            # The first bare run needs the trials of a sweep; from then on the first one changes.
            sides = ["sweep", "bare"] if repetition % 2 == 0 else ["bare", "sweep"]
            for side in sides:
                print(f"sweep efficiency, {repetition + 1} of {repetitions}: {side}", flush=True)
                if side == "sweep":
                    sweeps.append(project.run_sweep())
                else:
                    bares.append(_run_bare(project))
    return _figures(sweeps, bares)


def _run_bare(project: Project) -> CommandTimes:
    """Train the trials of the last sweep in as many bare processes as the sweep has slots."""
    folders = project.experiment.trials()
    commands = []
    for slot in range(NUM_SLOTS):
        trials = [folder.read_spec().model_dump_json() for folder in folders[slot::NUM_SLOTS]]
        trials_json = project.path / f"bare{slot}.json"
        trials_json.write_text(json.dumps(trials))
        dataset = project.dataset().folder
        commands.append(["-m", "tests.bench.bare", str(dataset), str(trials_json)])
    times = run_commands(commands, project.path)
    losses = {
        trial_id: loss
        for output in times.outputs
        for trial_id, loss in json.loads(output.splitlines()[-1]).items()
    }
    recorded = {folder.trial_id: folder.read_curve()[-1].val_loss for folder in folders}
    if losses != recorded:
        raise RuntimeError(f"not the same work: bare {losses}, sweep {recorded}")
    return times


def _figures(sweeps: Sequence[CommandTimes], bares: Sequence[CommandTimes]) -> list[Figure]:
    sweep_training = [times.training().length_s for times in sweeps]
    bare_training = [times.training().length_s for times in bares]
    sweep_whole = [times.whole.length_s for times in sweeps]
    bare_whole = [times.whole.length_s for times in bares]
    return [
        ratio(
            "efficiency from first step to last end: bare / sweep", bare_training, sweep_training
        ),
        ratio("efficiency of the whole command: bare / sweep", bare_whole, sweep_whole),
        ratio("seconds inside epochs: bare / sweep", _epochs_s(bares), _epochs_s(sweeps)),
        ratio(
            "CPU seconds inside epochs: bare / sweep", _epochs_cpu_s(bares), _epochs_cpu_s(sweeps)
        ),
        Figure("sweep, first step to last end", "s", sweep_training),
        Figure("bare, first step to last end", "s", bare_training),
        Figure("sweep, whole command", "s", sweep_whole),
        Figure("bare, both processes", "s", bare_whole),
        Figure("sweep, epochs of the median trial", "s", _epochs_s(sweeps)),
        Figure("bare, epochs of the median trial", "s", _epochs_s(bares)),
        Figure("sweep, epochs of the median trial", "CPU s", _epochs_cpu_s(sweeps)),
        Figure("bare, epochs of the median trial", "CPU s", _epochs_cpu_s(bares)),
        *_losses(sweeps),
    ]


def _epochs_s(runs: Sequence[CommandTimes]) -> list[float]:
    """Seconds of training and evaluation of the median trial of each run."""
    return [
        median(sum(epoch.length_s for epoch in trial.epochs) for trial in times.trials())
        for times in runs
    ]


def _epochs_cpu_s(runs: Sequence[CommandTimes]) -> list[float]:
    """CPU seconds of the same: what waiting for a core does not change."""
    return [
        median(sum(epoch.cpu_s for epoch in trial.epochs) for trial in times.trials())
        for times in runs
    ]


def _losses(sweeps: Sequence[CommandTimes]) -> list[Figure]:
    """What the slots did, from the first step to the last end, while they did not train."""
    parts: dict[str, list[float]] = {}
    for times in sweeps:
        slots_s = NUM_SLOTS * times.training().length_s
        trials = times.trials()
        epochs_s = sum(epoch.length_s for trial in trials for epoch in trial.epochs)
        saves_s = sum(save.length_s for trial in trials for save in trial.saves)
        trials_s = sum(trial.whole.end_s - trial.first_step_s for trial in trials)
        all_between_s = _between_s(times.handovers())
        between_s = _between_s(search_handovers(times))
        for name, seconds in {
            "writing checkpoints": saves_s,
            "reporting evaluations": trials_s - epochs_s - saves_s,
            "between trials of the search": between_s,
            "before a confirm trial, which waits for the search": all_between_s - between_s,
            "before a slot's first and after its last trial": slots_s - trials_s - all_between_s,
        }.items():
            parts.setdefault(name, []).append(100 * seconds / slots_s)
    return [Figure(f"sweep, slots' time: {name}", "%", shares) for name, shares in parts.items()]


def _between_s(handovers: Sequence[tuple[TrialTimes, TrialTimes]]) -> float:
    return sum(after.first_step_s - before.whole.end_s for before, after in handovers)
