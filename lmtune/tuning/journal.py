"""Optuna's journal file, written as the one process that writes it can afford to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from lmtune.records.files import append_line

_SYNC_EVERY_S = 1.0


class Journal(JournalFileBackend):
    """A journal that waits for the disk now and then, not at each of the ten lines of a trial.

    The lock of the experiment keeps other writers away, so the file needs none of its own. A killed
    process loses nothing. A power cut may lose the last second's proposals, which are made again;
    what became of trials is in the records.

    Args:
        path: the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._synced_s = time.monotonic()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines, behind what a crash may have left of one."""
        append_line(self._path, "\n".join(json.dumps(log, separators=(",", ":")) for log in logs))
        if time.monotonic() - self._synced_s > _SYNC_EVERY_S:
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            self._synced_s = time.monotonic()
