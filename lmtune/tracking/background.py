"""Work that nobody waits for: a thread that brings things up to date, again until it succeeds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_GATHER_S = 1.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_ATTEMPTS_AT_THE_END = 3

Job = Callable[[], None]


class BackgroundJobs:
    """Runs jobs one after the other in a thread that lives as long as there are any to expect.

    A job is named by what it brings up to date, and finds out itself what there is to do; so jobs
    of one name that wait are one job. Jobs wait a moment, to let more of their name arrive. One
    that fails is put behind the others and run again after a pause that grows.

    Args:
        name: of the thread.
        say_failure: told of the first error, in the thread.
    """

    def __init__(self, name: str, say_failure: Callable[[Exception], None]) -> None:
        self._name = name
        self._say_failure = say_failure
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: dict[str, Job] = {}
        self._not_before = 0.0
        self._is_draining = False
        self._failures_in_a_row = 0
        self._num_failures = 0
        self._last_error: Exception | None = None
        self._alive_at = 0.0
        self._thread: threading.Thread | None = None

    @property
    def num_failures(self) -> int:
        """Attempts that failed; most of them were made up for later."""
        return self._num_failures

    @property
    def last_error(self) -> Exception | None:
        """What the last attempt failed with; None where it succeeded."""
        return self._last_error

    def put(self, name: str, job: Job) -> None:
        """Have a job run; returns at once."""
        with self._changed:
            if not self._waiting:
                self._not_before = max(self._not_before, time.monotonic() + _GATHER_S)
            self._waiting.setdefault(name, job)
            if self._thread is None:
                self._is_draining = False
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drain(self, patience_s: float) -> bool:
        """Wait until all jobs are done, or those left have failed several times in a row.

        Args:
            patience_s: how long to wait without any job being done.

        Returns:
            Whether all are done.
        """
        with self._changed:
            thread = self._thread
            self._is_draining = True
            self._not_before = 0.0
            self._failures_in_a_row = 0
            self._alive_at = time.monotonic()
            self._changed.notify_all()
            while self._thread is not None:
                left_s = self._alive_at + patience_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            is_done = not self._waiting
        if thread is not None:
            thread.join()  # it has nothing left to do
        return is_done

    def _work(self) -> None:
        while (task := self._take()) is not None:
            name, job = task
            try:
                job()
            except Exception as error:
                self._put_back(name, job, error)
            else:
                with self._changed:
                    self._failures_in_a_row = 0
                    self._last_error = None
                    self._alive_at = time.monotonic()

    def _take(self) -> tuple[str, Job] | None:
        """The next job, once its time has come; None, and the thread ends, where none will come."""
        with self._changed:
            while True:
                gave_up = self._failures_in_a_row >= _ATTEMPTS_AT_THE_END
                if self._is_draining and (not self._waiting or gave_up):
                    self._thread = None
                    self._changed.notify_all()
                    return None
                wait_s = self._not_before - time.monotonic()
                if self._waiting and wait_s <= 0:
                    name = next(iter(self._waiting))
                    return name, self._waiting.pop(name)
                self._changed.wait(wait_s if self._waiting else None)

    def _put_back(self, name: str, job: Job, error: Exception) -> None:
        with self._changed:
            self._waiting.setdefault(name, job)
            pause_s = min(_FIRST_PAUSE_S * 2**self._failures_in_a_row, _LONGEST_PAUSE_S)
            self._not_before = time.monotonic() + pause_s
            self._failures_in_a_row += 1
            self._num_failures += 1
            self._last_error = error
            is_first = self._num_failures == 1
        if is_first:
            self._say_failure(error)
