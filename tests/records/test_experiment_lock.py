from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtune.errors import UserError
from lmtune.records import ExperimentFolder

HOLD = """
import sys
from pathlib import Path
from lmtune.records import ExperimentFolder
with ExperimentFolder(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the experiment in `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_hold_while_another_process_holds_says_who_and_leaves_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    folder = ExperimentFolder(tmp_path)
    before = folder.lock.read_text()
    with (
        pytest.raises(UserError, match=rf"in use by process {holder.pid} on .+, since 20"),
        folder.hold(),
    ):
        pytest.fail("two processes hold one experiment")
    assert folder.lock.read_text() == before
    assert holder.poll() is None


def test_hold_after_the_holder_was_killed_succeeds(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    folder = ExperimentFolder(tmp_path)
    with folder.hold():
        assert f'"pid": {os.getpid()}' in folder.lock.read_text()


def test_hold_after_it_was_given_back_succeeds(tmp_path: Path) -> None:
    folder = ExperimentFolder(tmp_path / "new")
    for _ in range(2):
        with folder.hold():
            pass


def test_hold_when_the_holder_has_not_said_who_it_is_still_refuses(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    folder = ExperimentFolder(tmp_path)
    folder.lock.write_text("")
    with pytest.raises(UserError, match="in use by another process"), folder.hold():
        pytest.fail("two processes hold one experiment")
