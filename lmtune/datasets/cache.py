"""The token cache: folders that all runs of a project share, each whole or not there at all.

A prepared dataset lies in `data/cache` of the project under a name made from all that decides about
its files, so that it is found again without tokenizing. It is built in a folder of its own and then
renamed, so that nobody ever sees half of it: of two processes that prepare the same text at once,
the slower one throws its work away and uses the other's. While nothing runs, the whole cache may be
removed, and with it what killed processes left there.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lmtune.errors import DataError, Problem


def cached_folder(
    project: Path,
    name: str,
    *,
    is_whole: Callable[[Path], bool],
    build: Callable[[Path], None],
) -> Path:
    """Return a folder of the cache, built first where it is missing or torn.

    Args:
        project: the folder that holds `data/cache`.
        name: of the folder; says all that decides about its files.
        is_whole: whether a folder, which may be missing, is complete.
        build: writes the files into an existing, empty folder.

    Raises:
        DataError: the cache cannot be written.
    """
    folder = project.resolve() / "data" / "cache" / name
    if is_whole(folder):
        return folder
    staging = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
    try:
        staging.mkdir(parents=True)
        build(staging)
        _publish(staging, folder, is_whole)
    except OSError as error:
        what = f"the token cache cannot be written: {error.strerror}"
        expected = "a folder with write permission and free space"
        fix = "free space or change permissions there, or run in another folder"
        raise DataError(Problem(str(folder.parent), what, expected, fix)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _publish(staging: Path, folder: Path, is_whole: Callable[[Path], bool]) -> None:
    """Give a finished folder its name, unless a whole one of another process has it by now.

    One process at a time: else two that find a torn folder could remove each other's whole ones.
    """
    with (folder.parent.parent / ".cache.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_whole(folder):
            _discard(folder)
            staging.rename(folder)


def _discard(torn: Path) -> None:
    """Remove a folder, if it is there; renamed first, so that its name is free at once."""
    aside = torn.with_name(f"{torn.name}.{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        torn.rename(aside)
        shutil.rmtree(aside)
