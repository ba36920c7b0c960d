"""A folder's replacement is killed at each of its calls to the file system."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import pytest

from lmtune.training.atomic_folder import replace_folder, whole_folder

OLD = {"a": b"old a", "b": b"old b"}
NEW = {"a": b"new a", "c": b"new c"}
THIRD = {"d": b"third"}
FILE_SYSTEM_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def content(folder: Path) -> dict[str, bytes]:
    whole = whole_folder(folder)
    assert whole is not None
    return {path.name: path.read_bytes() for path in whole.iterdir()}


def replace_and_die(folder: Path, files: dict[str, bytes], *, calls: int) -> bool:
    """Replace in a child that dies before file-system call number `calls`; False if it lived."""
    child = os.fork()
    if child == 0:
        seen = count()

        def die(event: str, args: tuple[object, ...]) -> None:
            if event in FILE_SYSTEM_EVENTS and next(seen) == calls:
                os._exit(1)

        sys.addaudithook(die)
        replace_folder(folder, files)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 1


def test_replace_folder_where_nothing_was_makes_it_and_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "last"
    assert whole_folder(folder) is None
    replace_folder(folder, NEW)
    assert content(folder) == NEW


def test_replace_folder_leaves_nothing_else_behind(tmp_path: Path) -> None:
    replace_folder(tmp_path / "last", OLD)
    replace_folder(tmp_path / "last", NEW)
    assert content(tmp_path / "last") == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_replace_folder_killed_at_any_call_leaves_old_or_new_whole(tmp_path: Path) -> None:
    for calls in count():
        folder = tmp_path / str(calls) / "last"
        replace_folder(folder, OLD)
        if not replace_and_die(folder, NEW, calls=calls):
            break
        assert content(folder) in (OLD, NEW), f"killed at call {calls}"
    assert calls > 10, "the kills must have happened"


@pytest.mark.parametrize("killed_where", ["between the renames", "while deleting the old"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_replace_folder_killed_again_after_a_kill_leaves_one_whole_and_then_works(
    tmp_path: Path, killed_where: str
) -> None:
    for calls in count():
        folder = tmp_path / str(calls) / "last"
        if killed_where == "between the renames":
            replace_folder(folder.with_name("last.old"), OLD)
            replace_folder(folder.with_name("last.new"), NEW)
        else:
            replace_folder(folder.with_name("last.old"), {"a": OLD["a"]})
            replace_folder(folder, NEW)
        before = content(folder)
        if not replace_and_die(folder, THIRD, calls=calls):
            break
        assert content(folder) in (before, THIRD), f"killed at call {calls}"
        replace_folder(folder, OLD)
        assert content(folder) == OLD
        assert [path.name for path in folder.parent.iterdir()] == ["last"]
    assert calls > 10, "the kills must have happened"
