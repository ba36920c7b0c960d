"""Replace a folder of files so that, whenever the machine stops, the old or the new is found whole.

Beside `folder` there may be `folder.new`, being written, and `folder.old`, what was there before.
Only one process may write a folder at a time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def replace_folder(folder: Path, files: Mapping[str, bytes], *, keep_old: bool = False) -> None:
    """Make `folder` hold these files and no others; its parent is made where it is missing.

    Args:
        folder: to be replaced.
        files: content by name.
        keep_old: leave what was there before beside it, until the next replacement.

    Raises:
        OSError: the disk is full, say; the old content stays.
    """
    new, old = _beside(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove(new)
    if folder.exists() and not keep_old:
        _remove(old)  # Only rubbish here; where `folder` is missing, `old` is the content.
    new.mkdir()
    try:
        for name, content in files.items():
            _write_through(new / name, content)
        _sync_folder(new)
    except OSError:
        _remove(new)  # what of it did fit takes the room that others need
        raise
    if folder.exists():
        _remove(old)
        folder.rename(old)
    new.rename(folder)
    _sync_folder(folder.parent)
    if not keep_old:
        _remove(old)


def put_back(folder: Path) -> None:
    """Give up the content of `folder` for what was kept of before, or for none.

    A kill in between leaves what was before.
    """
    _, old = _beside(folder)
    if not folder.exists():
        _remove(old)  # it was the content
        return
    _remove(folder)
    if old.exists():
        old.rename(folder)


def settle_folder(folder: Path) -> None:
    """Keep nothing beside the content of `folder` any more."""
    new, old = _beside(folder)
    _remove(new)
    if folder.exists():
        _remove(old)


def remove_folder(folder: Path) -> None:
    """Delete `folder` and what is kept beside it."""
    for path in (*_beside(folder), folder):
        _remove(path)


def whole_folder(folder: Path) -> Path | None:
    """Where the content is now: after a kill between two renames, aside. None: nowhere."""
    _, old = _beside(folder)
    return next((path for path in (folder, old) if path.exists()), None)


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make names in the folder outlast a power cut, and so ordered before what comes next."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
