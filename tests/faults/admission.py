"""Reads sweep files as the commands do, up to the first trial: each in a process with limits.

`python -m tests.faults.admission` is a server: a line of JSON for each sweep file, and one with
what came of it. It forks for each file, which costs milliseconds where a new interpreter costs half
a second, and it has a single thread, so that forking is safe.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmtune.errors import Problem, UserError
from lmtune.preflight import check_surroundings, prepare_datasets
from lmtune.spec import read_sweep

ROOT = Path(__file__).parents[2]
MAX_REFUSAL_CPU_S = 2.0
MAX_RSS_MIB = 1024
"""Of the process, what the interpreter and the libraries take included."""

_MAX_CPU_S = 60
_MAX_WALL_S = 180.0
_MAX_GROWTH_BYTES = 4 << 30
"""Of the address space: a guard of the machine, far beyond what is allowed."""


@dataclass(frozen=True)
class Outcome:
    """What came of a sweep file.

    Attributes:
        problems: where, what, expected and fix of each; empty where it was accepted.
        failure: a traceback, or how the process died; empty where it was read or refused.
        stage: how far it came: read, check, prepare, accepted.
        reading_cpu_s: processor time until the data is prepared.
        cpu_s: processor time of all.
        rss_mib: the most memory that the process had.
    """

    problems: list[list[str]]
    failure: str
    stage: str
    reading_cpu_s: float
    cpu_s: float
    rss_mib: float

    @property
    def is_refused(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.problems)


MAX_SAID_CHARS = 4000


def fault(outcome: Outcome, *, max_cpu_s: float = MAX_REFUSAL_CPU_S) -> str:
    """What is wrong with how a sweep file was read or refused; empty if nothing is.

    Args:
        outcome: what came of it.
        max_cpu_s: in which it must be refused.
    """
    said = [Problem(*problem) for problem in outcome.problems]
    texts = [*map(str, said)]
    if outcome.failure:
        return outcome.failure
    if not all(problem.where and problem.what and problem.fix for problem in said):
        return f"where, what or fix is missing: {said}"
    for text in texts:
        if not all(line.isprintable() for line in text.split("\n")):
            return f"this would disturb a terminal: {text!r}"
        if len(text) > MAX_SAID_CHARS:
            return f"this is too long to be read: {text}"
    if outcome.reading_cpu_s > MAX_REFUSAL_CPU_S or (said and outcome.cpu_s > max_cpu_s):
        return f"{outcome.reading_cpu_s:.1f} s to read it, {outcome.cpu_s:.1f} s in all"
    if outcome.rss_mib > MAX_RSS_MIB:
        return f"it took {outcome.rss_mib:.0f} MiB"
    return ""


@dataclass
class Tally:
    """What came of many sweep files."""

    num_refused: int = 0
    num_accepted: int = 0
    slowest_refusal_s: float = 0.0
    slowest_reading_s: float = 0.0
    most_mib: float = 0.0

    def add(self, outcome: Outcome, *, is_timed: bool = True) -> None:
        """Count a file.

        Args:
            outcome: what came of it.
            is_timed: whether its refusal is among those whose slowest is said.
        """
        self.num_refused += outcome.is_refused
        self.num_accepted += outcome.stage == "accepted"
        if outcome.is_refused and is_timed:
            self.slowest_refusal_s = max(self.slowest_refusal_s, outcome.cpu_s)
        self.slowest_reading_s = max(self.slowest_reading_s, outcome.reading_cpu_s)
        self.most_mib = max(self.most_mib, outcome.rss_mib)

    def __str__(self) -> str:
        return (
            f"{self.num_refused + self.num_accepted}: {self.num_refused} refused, "
            f"{self.num_accepted} valid; the slowest refusal took {self.slowest_refusal_s:.2f} s "
            f"of CPU, the slowest reading {self.slowest_reading_s:.2f} s, the largest process "
            f"{self.most_mib:.0f} MiB"
        )


class Admission:
    """A running server, asked for one sweep file after the other."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def admit(self, spec: Path, project: Path) -> Outcome:
        """Have a sweep file read, checked, and its data prepared.

        Args:
            spec: the file.
            project: the folder that the command is run in.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([str(spec), str(project)]) + "\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))


@contextmanager
def admission() -> Iterator[Admission]:
    """Start a server, and end it with the block."""
    # Libraries would start a thread for each core otherwise.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["HF_HUB_OFFLINE"] = "1"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.admission"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        yield Admission(server)
        assert server.stdin is not None
        server.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        spec, project = json.loads(line)
        print(json.dumps(asdict(_in_a_process(Path(spec), Path(project)))), flush=True)  # noqa: T201


def _in_a_process(spec: Path, project: Path) -> Outcome:
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiver)
        with os.fdopen(sender, "w", encoding="utf-8") as pipe:
            json.dump(_admit(spec, project), pipe)
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, encoding="utf-8") as pipe:
        if not select.select([pipe], [], [], _MAX_WALL_S)[0]:
            os.kill(pid, signal.SIGKILL)
        said = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    found = json.loads(said) if said else {**_NOTHING, "failure": f"it died with status {status}"}
    cpu_s = usage.ru_utime + usage.ru_stime
    return Outcome(**found, cpu_s=cpu_s, rss_mib=usage.ru_maxrss / 1024)


_NOTHING: dict[str, Any] = {"problems": [], "failure": "", "stage": "read", "reading_cpu_s": 0.0}


def _admit(spec: Path, project: Path) -> dict[str, Any]:
    """The part of an `Outcome` that only the process itself knows."""
    _limit()
    os.chdir(project)
    found = dict(_NOTHING)
    try:
        sweep = read_sweep(spec)
        found["stage"] = "check"
        check_surroundings(sweep, spec, project, is_local=True)
        found["reading_cpu_s"] = _cpu_s()
        found["stage"] = "prepare"
        prepare_datasets(sweep, spec, project)
        found["stage"] = "accepted"
    except UserError as error:
        found["problems"] = [list(asdict(problem).values()) for problem in error.problems]
    except BaseException:
        found["failure"] = traceback.format_exc()
    found["reading_cpu_s"] = found["reading_cpu_s"] or _cpu_s()
    return found


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + _MAX_GROWTH_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_S, _MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    _serve()
