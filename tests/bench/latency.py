"""(b) How long a user waits: for the first training step, and between two trials of a worker.

Cold is a project without data, experiments and MLflow's database; warm is the same command in the
same project again, the records of the sweep removed. The disk's cache is warm in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.bench.commands import CommandTimes
from tests.bench.figures import Figure, ratio
from tests.bench.project import SHORT, search_handovers, temporary_project


def measure(*, repetitions: int) -> list[Figure]:
    """Run sweeps of short trials in turns: cold, warm, cold, warm, ..."""
    cold: list[CommandTimes] = []
    warm: list[CommandTimes] = []
    with temporary_project(SHORT) as project:
        for repetition in range(repetitions):
            print(f"latency, {repetition + 1} of {repetitions}: cold, then warm", flush=True)
            project.forget_data()
            cold.append(project.run_sweep())
            warm.append(project.run_sweep())
    cold_s, warm_s = _to_first_step(cold), _to_first_step(warm)
    return [
        Figure("cold, command to first training step", "s", cold_s),
        Figure("warm, command to first training step", "s", warm_s),
        ratio("command to first training step: cold / warm", cold_s, warm_s),
        *_stages("cold", cold),
        *_stages("warm", warm),
        *_gaps([*cold, *warm]),
    ]


def _to_first_step(runs: Sequence[CommandTimes]) -> list[float]:
    return [times.training().begin_s - times.whole.begin_s for times in runs]


def _stages(name: str, runs: Sequence[CommandTimes]) -> list[Figure]:
    """Where the time before the first step and after the last trial goes; the stages add up."""
    stages: dict[str, list[float]] = {}
    for times in runs:
        moments = _moments(times)
        labels = list(moments)
        for before, after in pairwise(labels):
            stages.setdefault(after, []).append(moments[after] - moments[before])
    return [Figure(f"{name}, until {stage}", "s", values) for stage, values in stages.items()]


def _moments(times: CommandTimes) -> dict[str, float]:
    """Landmarks of a run in their order: what was reached, and when.

    The worker is the one that takes the first step; it starts while the driver does other things.
    """
    first = times.trials()[0]
    training = times.training()
    driver = times.events[0].pid
    return {
        "the command": times.whole.begin_s,
        "the file is checked and data are prepared": times.moment_s(
            "import lmtune.driver", "begin"
        ),
        "the driver has imported its libraries": times.moment_s("drive", "begin"),
        "records and MLflow's thread have started": times.moment_s("Conductor.resume", "begin"),
        "Ray has started": times.moment_s("run_sweep", "begin"),
        "a worker begins to import lmtune": times.moment_s(
            "import lmtune.tuning", "begin", pid=first.pid
        ),
        "it has imported lmtune and calls train()": first.whole.begin_s,
        "the first training step": first.first_step_s,
        "the last trial's end": training.end_s,
        "Tune has ended": times.moment_s("run_sweep", "end", pid=driver),
        "Ray, MLflow and the report have ended": times.moment_s("drive", "end", pid=driver),
        "the command's end": times.whole.end_s,
    }


def _gaps(runs: Sequence[CommandTimes]) -> list[Figure]:
    """Between two trials of one worker, as a whole and in parts."""
    handovers = [pair for times in runs for pair in search_handovers(times)]
    return [
        Figure(
            "gap, a trial's end to the next first step",
            "s",
            [after.first_step_s - before.whole.end_s for before, after in handovers],
        ),
        Figure(
            "gap with report and checkpoint, last evaluation to next step",
            "s",
            [after.first_step_s - before.epochs[-1].end_s for before, after in handovers],
        ),
        Figure(
            "part: last evaluation to the trial's end (report, checkpoint)",
            "s",
            [before.whole.end_s - before.epochs[-1].end_s for before, _ in handovers],
        ),
        Figure(
            "part: the trial's end to the next call of train() (Tune, the driver)",
            "s",
            [after.whole.begin_s - before.whole.end_s for before, after in handovers],
        ),
        Figure(
            "part: train() to its first step (model, optimizer)",
            "s",
            [after.first_step_s - after.whole.begin_s for _, after in handovers],
        ),
    ]
