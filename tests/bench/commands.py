"""Runs commands in a project folder, to their end, and keeps when what happened in them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.events import FOLDER_VARIABLE, Edge, Event, read_events

ROOT = Path(__file__).parents[2]
SITECUSTOMIZE = "from tests.bench.events import install\n\ninstall()\n"


@dataclass(frozen=True)
class Interval:
    """From when to when, by the machine's monotonic clock.

    Attributes:
        begin_s: its first moment.
        end_s: its last.
        cpu_s: that the process used meanwhile; 0 where it was not measured.
    """

    begin_s: float
    end_s: float
    cpu_s: float = 0.0

    @property
    def length_s(self) -> float:
        return self.end_s - self.begin_s


@dataclass(frozen=True)
class TrialTimes:
    """When what happened in one call of `lmtune.training.train`.

    Attributes:
        pid: of the process.
        whole: from the first evaluation being asked for to the generator's end.
        epochs: training and evaluation; the first begins with the first step.
        saves: writing checkpoints.
    """

    pid: int
    whole: Interval
    epochs: list[Interval]
    saves: list[Interval]

    @property
    def first_step_s(self) -> float:
        return self.epochs[0].begin_s

    @property
    def length_s(self) -> float:
        """From the first step to the end."""
        return self.whole.end_s - self.first_step_s


@dataclass(frozen=True)
class CommandTimes:
    """Commands that ran at once.

    Attributes:
        whole: from the first one's start until all had ended.
        events: of all their processes, in the order of time.
        outputs: what each printed.
    """

    whole: Interval
    events: list[Event]
    outputs: list[str]

    def moment_s(self, name: str, edge: Edge, *, after_s: float = 0.0, pid: int = 0) -> float:
        """When the first such event happened, in any process if no pid is given."""
        return next(
            event.at_s
            for event in self.events
            if (event.name, event.edge) == (name, edge)
            and event.at_s >= after_s
            and pid in (0, event.pid)
        )

    def trials(self) -> list[TrialTimes]:
        """Each trial that ended, in the order of their first steps."""
        trials = [
            TrialTimes(
                pid=pid,
                whole=whole,
                epochs=self._intervals("TrainingRun.train_epoch", pid, whole),
                saves=self._intervals("CheckpointFolder.save", pid, whole),
            )
            for pid in {event.pid for event in self.events}
            for whole in self._intervals("train", pid, self.whole)
        ]
        return sorted(trials, key=lambda trial: trial.first_step_s)

    def training(self) -> Interval:
        """From the first trial's first step to the last trial's end."""
        trials = self.trials()
        return Interval(trials[0].first_step_s, max(trial.whole.end_s for trial in trials))

    def handovers(self) -> list[tuple[TrialTimes, TrialTimes]]:
        """A trial and the next one in the same process, for all that have a next."""
        trials = self.trials()
        return [
            pair
            for pid in {trial.pid for trial in trials}
            for pair in pairwise(trial for trial in trials if trial.pid == pid)
        ]

    def _intervals(self, name: str, pid: int, within: Interval) -> list[Interval]:
        """The calls of a function in a process; they do not overlap."""
        found = [
            event
            for event in self.events
            if (event.name, event.pid) == (name, pid)
            and within.begin_s <= event.at_s <= within.end_s
        ]
        pairs = zip(found[::2], found[1::2], strict=True)
        return [Interval(begin.at_s, end.at_s, end.cpu_s - begin.cpu_s) for begin, end in pairs]


def run_commands(commands: Sequence[Sequence[str]], project: Path) -> CommandTimes:
    """Run Python with each list of arguments, all at once, in a project folder.

    Raises:
        RuntimeError: one ended with another exit code than 0.
    """
    with tempfile.TemporaryDirectory(prefix="lmtune-bench-events-") as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        events = folder / "events"
        events.mkdir()
        paths = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": paths, FOLDER_VARIABLE: str(events)}
        logs = [folder / f"{number}.log" for number in range(len(commands))]
        begin_s = time.monotonic()
        running = [
            _start(arguments, project, environment, log)
            for arguments, log in zip(commands, logs, strict=True)
        ]
        codes = [process.wait() for process in running]
        whole = Interval(begin_s, time.monotonic())
        outputs = [log.read_text() for log in logs]
        for arguments, code, output in zip(commands, codes, outputs, strict=True):
            if code != 0:
                raise RuntimeError(f"python {' '.join(arguments)}: exit code {code}\n{output}")
        return CommandTimes(whole, read_events(events), outputs)


def _start(
    arguments: Sequence[str], project: Path, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """A process whose output goes to a file: a pipe would stay open as long as Ray's daemons."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=project,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
