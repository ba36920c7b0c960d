"""Sweep files with something wrong in them, in bulk: each is read, or refused with words."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.admission import (
    MAX_REFUSAL_CPU_S,
    MAX_RSS_MIB,
    ROOT,
    Admission,
    Tally,
    admission,
    fault,
)
from tests.faults.figures import show
from tests.faults.mutations import FAST, KINDS, SHIPPED, mutated

NUM_QUICK = 2
NUM_BULK = 20
"""Files of each kind: 500 in all."""
COLLECTING_CPU_S = 20.0
"""For the corpus of docstrings: the whole standard library is parsed before it can be refused."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which all files are read, so that a corpus is prepared once."""
    return tmp_path_factory.mktemp("above") / "project"


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Admission]:
    project.mkdir()
    with admission() as running:
        yield running


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    counted = Tally()
    yield counted
    show(request.config, f"mutated sweep files {counted}")


def admit(
    server: Admission, project: Path, tally: Tally, kind: str, numbers: range, files: Sequence[Path]
) -> None:
    found = []
    for number in numbers:
        content = mutated(kind, number, files)
        spec = project / "sweep.yaml"
        spec.write_bytes(content)
        outcome = server.admit(spec, project)
        is_collected = b"docstrings" in content and outcome.stage == "prepare"
        tally.add(outcome, is_timed=not is_collected)
        limit = COLLECTING_CPU_S if is_collected else MAX_REFUSAL_CPU_S
        if wrong := fault(outcome, max_cpu_s=limit):
            found.append(f"number {number}: {wrong}")
    assert not found, "\n".join(found)
    assert list(project.parent.iterdir()) == [project], "a file was written outside of the project"
    assert {path.name for path in project.iterdir()} <= {"sweep.yaml", "data"}


@pytest.mark.parametrize("kind", KINDS)
def test_file_when_mutated_is_read_or_refused(
    server: Admission, project: Path, tally: Tally, kind: str
) -> None:
    admit(server, project, tally, kind, range(NUM_QUICK), FAST)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_files_when_mutated_in_bulk_are_read_or_refused(
    server: Admission, project: Path, tally: Tally, kind: str
) -> None:
    admit(server, project, tally, kind, range(NUM_QUICK, NUM_QUICK + NUM_BULK), SHIPPED)


def test_shipped_files_when_not_mutated_are_read(server: Admission, project: Path) -> None:
    """Else the tests above would not notice a reader that refuses everything."""
    assert len(FAST) >= 12
    for shipped in FAST:
        outcome = server.admit(shipped, project)
        assert (outcome.stage, fault(outcome)) == ("accepted", ""), shipped


def refuse_by_the_command(project: Path, kind: str, number: int, module: str) -> str:
    """Run a command on a mutated file; what it said, if it was refused."""
    spec = project / "mutated.yaml"
    spec.write_bytes(mutated(kind, number))
    err = project / "err"
    with err.open("wb") as err_file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, spec.name],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err_file,
        )
        # A hang that takes no processor time ends with the test's own limit.
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (60, 60))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    said = err.read_text(encoding="utf-8")
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert "  Fix: " in said
    # The interpreter's start and its imports are less than a second of it.
    assert usage.ru_utime + usage.ru_stime <= MAX_REFUSAL_CPU_S + 1
    assert usage.ru_maxrss / 1024 <= MAX_RSS_MIB
    return said


@pytest.mark.parametrize("kind", ["billion laughs", "deep nesting"])
def test_command_when_its_file_is_mutated_says_what_is_wrong(tmp_path: Path, kind: str) -> None:
    said = refuse_by_the_command(tmp_path, kind, 0, "lmtune.run")
    assert said.startswith("mutated.yaml:")


REFUSED = [kind for kind in KINDS if kind not in ("line ends", "documents", "tabs", "large")]
"""The kinds of which nearly every file is refused."""


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("kind", REFUSED)
def test_commands_when_their_files_are_mutated_say_what_is_wrong(
    server: Admission, project: Path, tmp_path: Path, kind: str
) -> None:
    numbers = []
    for number in range(100, 120):
        (project / "sweep.yaml").write_bytes(mutated(kind, number))
        outcome = server.admit(project / "sweep.yaml", project)
        if outcome.stage == "read":  # else only one of the commands refuses it
            numbers.append(number)
    first, second, *_ = numbers
    assert refuse_by_the_command(tmp_path, kind, first, "lmtune.run")
    assert refuse_by_the_command(tmp_path, kind, second, "lmtune.prepare")
