"""A disk that is full, for real: a small file system in memory, which fills up under way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import run, start
from tests.faults.disturbing import (
    EPOCHS,
    arguments,
    check_finished,
    check_whole,
    num_epochs,
    wait_for_epochs,
    write_sweep,
)

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]

SIZE_MIB = 24


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def project(tmp_path: Path, disk: Path) -> Path:
    """A directory whose experiments are on the small disk."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_sweep(folder)
    (folder / "experiments").symlink_to(disk, target_is_directory=True)
    return folder


def fill(disk: Path) -> Path:
    """Take all the room that is left; the file to delete again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def test_sweep_when_the_disk_is_full_ends_says_what_to_free_and_goes_on_later(
    project: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(project, "sweep.yaml")
    assert whole.code == 0, whole.err
    at = (EPOCHS // 2, 4 * EPOCHS + 3)  # in the first search, and as the first is confirmed
    for epochs in at:
        with start(project, *arguments("filled")) as command:
            wait_for_epochs(command, project, "filled", epochs)
            filler = fill(disk)
            ended = command.wait()
        assert ended.code == 1, ended.out + ended.err
        assert "No space left on device" in ended.err
        assert "  Fix: free some room (experiments/ holds " in ended.err
        assert "run the same command again" in ended.err
        assert "Traceback" not in ended.err + ended.out
        assert ended.processes == {}

        again = run(project, *arguments("filled"))  # nothing was freed, which is seen at once
        assert again.code == 2, again.out + again.err
        assert "0 B are free in " in again.err
        assert "Traceback" not in again.err + again.out
        filler.unlink()
        check_whole(project, "filled")
        assert num_epochs(project, "filled") >= epochs
    check_finished(project, "filled", run(project, *arguments("filled")))
    with capsys.disabled():
        print(f"\n{2 * len(at)} runs on a full disk", end=" ")  # noqa: T201 - counts are asked for


def test_sweep_when_its_checkpoints_will_not_fit_is_refused_before_it_starts(
    project: Path, disk: Path
) -> None:
    ended = run(project, *arguments("large", "--set", "base.model.d_model=256"))
    assert ended.code == 2, ended.out
    assert "the checkpoints of this sweep come to about " in ended.err
    assert f"{SIZE_MIB - 1}." in ended.err or f"{SIZE_MIB}.0 MiB" in ended.err
    assert "add `keep: {checkpoints: best, top_k: 3}`" in ended.err
    assert not list(disk.glob("large/trials"))
    kept = run(project, *arguments("small", "--set", "keep.checkpoints=best", "--set",
                                   "keep.top_k=3"))  # fmt: skip
    assert kept.code == 0, kept.err
    left = {path.parts[-3] for path in (disk / "small").glob("trials/*/checkpoints/*")}
    names = {path.name for path in (disk / "small").glob("trials/*/checkpoints/*")}
    assert len(left) == 3
    assert names == {"best"}
