"""Replace a folder of files so that, whenever the machine stops, the old or the new is found whole.

Beside `folder` there may be `folder.new`, being written, and `folder.old`, about to be deleted.
Only one process may write a folder at a time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold these files and no others; its parent is made where it is missing.

    Raises:
        OSError: the disk is full, say; the old content stays.
    """
    new, old = _beside(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove(new)
    if folder.exists():
        _remove(old)  # Only rubbish here; where `folder` is missing, `old` is the content.
    new.mkdir()
    for name, content in files.items():
        _write_through(new / name, content)
    _sync_folder(new)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    _sync_folder(folder.parent)
    _remove(old)


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
