"""Runs a command as a user does: in a process of its own, in a project of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 200.0
"""For a machine that others use too; a command here takes 5 to 20 seconds of an idle one."""

_SLOW_TO_NOTICE = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}


@dataclass(frozen=True)
class Ended:
    """What a command left behind.

    Attributes:
        code: exit code; negative for the signal that killed it.
        out: standard output.
        err: standard error.
        pid: of the process.
        processes: titles of those that did not end with it, by id.
        ray_sessions: temporary folders of its Ray.
    """

    code: int
    out: str
    err: str
    pid: int
    processes: dict[int, str]
    ray_sessions: list[Path]


class Command:
    """A command that is under way.

    Attributes:
        pid: of the process, which is also the session of all that it starts.
    """

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err
        self.pid = process.pid

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text(encoding="utf-8")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._process.send_signal(number)

    def send_to_job(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group, as a terminal and `timeout` do."""
        os.killpg(self.pid, number)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something while the command runs; it must not end before."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self._process.poll() is None, f"it ended before {what}:\n{self._all()}"
            assert time.monotonic() < deadline, f"never {what}:\n{self._all()}"
            time.sleep(0.02)

    def wait(self) -> Ended:
        """Wait for its end."""
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self._all()}") from None
        return Ended(
            code,
            self.out,
            self._err.read_text(encoding="utf-8"),
            self.pid,
            _left_over(self.pid, was_killed=code == -signal.SIGKILL),
            _ray_sessions(self.pid),
        )

    def _all(self) -> str:
        return f"{self.out}\n{self._err.read_text(encoding='utf-8')}"


@contextmanager
def start(project: Path, *arguments: str, python: Sequence[str] = ()) -> Iterator[Command]:
    """Start `python -m lmtune.run` in a project; all that is left of it is killed in the end.

    Args:
        project: the directory that it runs in.
        arguments: of the command.
        python: options of the interpreter.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [sys.executable, *python, "-m", "lmtune.run", *arguments],
                cwd=project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        try:
            yield Command(process, out, err)
        finally:
            for pid in processes(process.pid):
                _kill(pid)
            process.wait()
            for session in _ray_sessions(process.pid):
                shutil.rmtree(session, ignore_errors=True)


def run(project: Path, *arguments: str, python: Sequence[str] = ()) -> Ended:
    """Run `python -m lmtune.run` to its end."""
    with start(project, *arguments, python=python) as command:
        return command.wait()


def processes(session: int) -> dict[int, str]:
    """Titles of the processes that a command has started, itself included, by id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, *fields = (folder / "stat").read_text().rpartition(")")[2].split()
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == session and state != "Z":
            found[int(folder.name)] = title.decode(errors="replace").strip()
    return found


def _left_over(session: int, *, was_killed: bool) -> dict[int, str]:
    """What of a command that has ended does not end soon after it.

    Two processes of Ray may: they notice only after a minute that a driver was killed.
    """
    tolerated = _SLOW_TO_NOTICE if was_killed else set()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        left = processes(session)
        if time.monotonic() > deadline or set(left.values()) <= tolerated:
            return left
        time.sleep(0.1)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, signal.SIGKILL)


def _ray_sessions(pid: int) -> list[Path]:
    """Temporary folders of the Ray that a command started, which are named for it."""
    return list(Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray").glob(f"session_*_{pid}"))
