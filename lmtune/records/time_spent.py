"""How long a sweep has run in all, kept so that a kill loses seconds at most."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lmtune.records.files import json_text, write_text

_EVERY_S = 5.0


class TimeSpent:
    """The seconds that the runs of a sweep took.

    Args:
        path: the file; made by the first run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_s(self) -> float:
        """Of all runs so far; 0 where that was not kept or cannot be read."""
        try:
            seconds = json.loads(self._path.read_text(encoding="utf-8"))["seconds"]
            return max(0.0, float(seconds))
        except (OSError, ValueError, TypeError, KeyError):
            return 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of the block, written down now and then by a thread."""
        before_s, started_s = self.read_s(), time.monotonic()
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(_EVERY_S):
                self._write(before_s + time.monotonic() - started_s)

        thread = threading.Thread(target=keep, name="time spent", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._write(before_s + time.monotonic() - started_s)

    def _write(self, seconds: float) -> None:
        with suppress(OSError):  # a full disk is told of by those who write what matters
            write_text(self._path, json_text({"seconds": round(seconds, 3)}) + "\n")
