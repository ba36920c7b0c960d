"""(d) Many trials that cost nothing: what the sweep itself costs, and whether that grows.

The sweep is the user's command in a terminal, with Optuna, Tune, records, MLflow and the live
table; its model is a formula. Beside it bare Ray Tune runs as many trials with as many reports.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import yaml

from tests.bench.commands import ROOT, SITECUSTOMIZE
from tests.bench.events import FOLDER_VARIABLE, Event, read_events
from tests.bench.figures import Figure, ratio
from tests.bench.project import NUM_SLOTS

REPORTS = 3
HUNDRED = 100
_SAMPLE_S = 0.25


@dataclass(frozen=True)
class Loaded:
    """A command that ran many trials.

    Attributes:
        whole_s: from its start to its end.
        events: of its driver, in the order of time.
        memory: when, by the monotonic clock, the driver held so many MiB.
    """

    begin_s: float
    whole_s: float
    events: list[Event]
    memory: list[tuple[float, float]]

    def ends(self) -> list[Event]:
        """A trial's end has been dealt with, one event each."""
        return [each for each in self.events if _is(each, "Conductor.ended", "end")]

    def hundreds(self) -> list[tuple[Event, Event]]:
        """The first trial's end, or that before each hundred trials, and the hundred's last."""
        ends = self.ends()
        return list(pairwise([ends[0], *ends[HUNDRED - 1 :: HUNDRED]]))


def measure(*, num_trials: int, repetitions: int) -> list[Figure]:
    """Run the sweep and bare Tune in turns, and resume the sweep at the end."""
    sweeps, bares_s, resumed = [], [], []
    for repetition in range(repetitions):
        print(f"load, {repetition + 1} of {repetitions}: sweep, bare Tune, resume", flush=True)
        with TemporaryDirectory(prefix="lmtune-bench-load-") as name:
            project = Path(name)
            text = yaml.safe_dump(_sweep(num_trials), sort_keys=False)
            (project / "load.yaml").write_text(text, encoding="utf-8")
            sweeps.append(_run(["-m", "lmtune.run", "load.yaml"], project))
            bares_s.append(_run_bare(num_trials, project))
            resumed.append(_run(["-m", "lmtune.run", "load.yaml"], project))
    for number, sweep in enumerate(sweeps, start=1):
        if len(sweep.ends()) != num_trials:
            raise RuntimeError(f"{len(sweep.ends())} trials ended, {num_trials} expected")
        _print_curve(number, sweep)
    whole_s = [each.whole_s for each in sweeps]
    return [
        ratio("whole command: sweep / bare Ray Tune", whole_s, bares_s),
        Figure("sweep, whole command", "s", whole_s),
        Figure("bare Ray Tune, whole command", "s", bares_s),
        *_growth("driver, seconds a trial", [_seconds(each) for each in sweeps], 1000, "ms"),
        *_growth("driver, CPU seconds a trial", [_cpu_s(each) for each in sweeps], 1000, "CPU ms"),
        *_growth("driver, memory", [_memory(each) for each in sweeps], 1, "MiB"),
        *_growth("refresh of the table", [_refreshes_s(each) for each in sweeps], 1000, "ms"),
        Figure("resume, to decide what is left", "s", [_decided_s(each) for each in resumed]),
        Figure("resume, whole command", "s", [each.whole_s for each in resumed]),
    ]


def _growth(name: str, curves: Sequence[Sequence[float]], scale: float, unit: str) -> list[Figure]:
    """The first and the last hundred of each run, and their ratio."""
    first = [curve[0] * scale for curve in curves]
    last = [curve[-1] * scale for curve in curves]
    return [
        ratio(f"{name}: last hundred / first hundred", last, first),
        Figure(f"{name}, first hundred", unit, first),
        Figure(f"{name}, last hundred", unit, last),
    ]


def _seconds(sweep: Loaded) -> list[float]:
    return [(last.at_s - first.at_s) / HUNDRED for first, last in sweep.hundreds()]


def _cpu_s(sweep: Loaded) -> list[float]:
    return [(last.cpu_s - first.cpu_s) / HUNDRED for first, last in sweep.hundreds()]


def _memory(sweep: Loaded) -> list[float]:
    """The most that the driver held while each hundred ended."""
    return [
        max(mib for at_s, mib in sweep.memory if first.at_s - 2 * _SAMPLE_S <= at_s <= last.at_s)
        for first, last in sweep.hundreds()
    ]


def _refreshes_s(sweep: Loaded) -> list[float]:
    """Of the table's median refresh while each hundred ended."""
    events = [each for each in sweep.events if each.name == "LiveTable._render"]
    refreshes = [(a.at_s, b.at_s - a.at_s) for a, b in zip(events[::2], events[1::2], strict=False)]
    return [
        median(length for at_s, length in refreshes if first.at_s <= at_s <= last.at_s)
        for first, last in sweep.hundreds()
    ]


def _decided_s(resumed: Loaded) -> float:
    """From opening studies and records until it is known what is left."""
    begin = next(each for each in resumed.events if _is(each, "prepare_conductor", "begin"))
    end = next(each for each in resumed.events if _is(each, "Conductor.resume", "end"))
    return end.at_s - begin.at_s


def _is(event: Event, name: str, edge: str) -> bool:
    return (event.name, event.edge) == (name, edge)


def _print_curve(number: int, sweep: Loaded) -> None:
    print(f"sweep {number}: of each hundred trials, driver's ms a trial, CPU ms, MiB, refresh ms")
    curves = (_seconds(sweep), _cpu_s(sweep), _memory(sweep), _refreshes_s(sweep))
    for index, (wall_s, cpu_s, mib, refresh_s) in enumerate(zip(*curves, strict=True), start=1):
        print(
            f"{index * HUNDRED:6}  {1000 * wall_s:6.1f}  {1000 * cpu_s:6.1f}  {mib:6.0f}  "
            f"{1000 * refresh_s:6.2f}"
        )
    print(f"mean CPU ms a trial: {1000 * mean(curves[1]):.1f}", flush=True)


def _sweep(num_trials: int) -> dict[str, object]:
    """One variant; one of its trials confirms."""
    return {
        "name": "load",
        "question": "What does a sweep of many trials cost?",
        "base": {
            "dataset": {"corpus": {"type": "markov", "length": 4000}, "context_length": 16},
            "model": {"type": "instant", "size": "small", "noise": 0.01},
            "optimizer": {"type": "adamw"},
            "training": {"epochs": REPORTS, "steps_per_epoch": 1},
        },
        "parameters": {
            "optimizer.learning_rate": {
                "distribution": "log_uniform_values",
                "min": 0.0001,
                "max": 0.1,
            },
            "model.x": {"min": -1.0, "max": 1.0},
        },
        "budget": {"trials": num_trials - 1},
        "seeds": {"tune": [0], "confirm": [1]},
        "resources": {"cpu": 1, "max_concurrent": NUM_SLOTS},
    }


def _run_bare(num_trials: int, project: Path) -> float:
    numbers = [str(number) for number in (num_trials, REPORTS, NUM_SLOTS)]
    arguments = ["-m", "tests.bench.bare_tune", *numbers, str(project / "bare")]
    return _run(arguments, project).whole_s


def _run(arguments: Sequence[str], project: Path) -> Loaded:
    """Run Python in a terminal of its own, and watch its memory.

    Raises:
        RuntimeError: it ended with another exit code than 0.
    """
    with TemporaryDirectory(prefix="lmtune-bench-events-") as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        events = folder / "events"
        events.mkdir()
        paths = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": paths, FOLDER_VARIABLE: str(events)}
        environment |= {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
        master, slave = pty.openpty()
        begin_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        printed: list[bytes] = []
        reader = threading.Thread(target=_drain, args=(master, printed), daemon=True)
        reader.start()
        memory = _watch_memory(process)
        whole_s = time.monotonic() - begin_s
        if process.returncode:
            text = b"".join(printed)[-3000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{text}")
        found = [each for each in read_events(events) if each.pid == process.pid]
    return Loaded(begin_s, whole_s, found, memory)


def _drain(master: int, printed: list[bytes]) -> None:
    """Read what is printed, until nobody can print any more."""
    while True:
        try:
            printed.append(os.read(master, 1 << 16))
        except OSError:
            return


def _watch_memory(process: subprocess.Popen[bytes]) -> list[tuple[float, float]]:
    """Resident memory from now to the process's end; nothing where the system does not say."""
    statm = Path(f"/proc/{process.pid}/statm")
    found = []
    while process.poll() is None:
        try:
            pages = int(statm.read_text().split()[1])
        except (OSError, IndexError):
            pages = 0
        found.append((time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20))
        time.sleep(_SAMPLE_S)
    return found
