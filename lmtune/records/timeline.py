"""When the sweep's command ran, and its trials in it: a line an event, appended as it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lmtune.records.files import append_line, json_text, parse, read_lines
from lmtune.spec.config import Config

TrialEvent = Literal["trial started", "trial ended"]
Event = Literal["run started", "run goes on", "run ended", TrialEvent]

_EVERY_S = 15.0
"""A kill loses so much of a run's time at most."""

_WRITING = threading.Lock()


class _Line(Config):
    time_s: float
    event: Event
    trial_id: str | None = None
    content_hash: str | None = None
    starting_s: float | None = None


@dataclass(frozen=True)
class Span:
    """A time that a trial ran for, without a break; a resumed trial has several.

    Attributes:
        trial_id: which trial.
        start_s: seconds since 1970.
        end_s: the same; where a run was cut off, when it was last heard of.
        is_cut: whether the run ended before the trial.
    """

    trial_id: str
    start_s: float
    end_s: float
    is_cut: bool


@dataclass(frozen=True)
class Run:
    """A run of the sweep's command.

    Attributes:
        content_hash: of the plan that was valid then.
        starting_s: from the command to the run's start.
        running_s: from there to its end; of a run that was killed, until it was last heard of.
    """

    content_hash: str
    starting_s: float
    running_s: float


class Timeline:
    """The timeline of an experiment.

    Args:
        path: `timeline.jsonl`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, event: TrialEvent, trial_id: str) -> None:
        """Append what happens to a trial now."""
        self._append(_line(event, trial_id=trial_id))

    @contextmanager
    def running(self, content_hash: str, *, starting_s: float) -> Iterator[None]:
        """Note the run of the block, and while it goes on that it does.

        Args:
            content_hash: of the plan that is valid.
            starting_s: since the command was given.
        """
        self._append(_line("run started", content_hash=content_hash, starting_s=starting_s))
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(_EVERY_S):
                self._append_if_room("run goes on")

        thread = threading.Thread(target=go_on, name="timeline", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._append_if_room("run ended")

    def spans(self) -> list[Span]:
        """The times that trials ran for, by their end; none where nothing was noted.

        Raises:
            UserError: a line is not readable.
        """
        spans: list[Span] = []
        running: dict[str, float] = {}
        last_s = 0.0
        for line in self._lines():
            if line.event in ("run started", "run ended"):
                at_s = line.time_s if line.event == "run ended" else last_s
                spans += _cut(running, at_s)
                running = {}
            elif line.trial_id is not None and line.event == "trial started":
                running[line.trial_id] = line.time_s
            elif line.trial_id in running:
                started_s = running.pop(line.trial_id)
                spans.append(Span(line.trial_id, started_s, line.time_s, is_cut=False))
            last_s = line.time_s
        return [*spans, *_cut(running, last_s)]

    def runs(self) -> list[Run]:
        """The runs in their order.

        Raises:
            UserError: a line is not readable.
        """
        runs: list[Run] = []
        started_s = 0.0
        for line in self._lines():
            if line.event == "run started":
                started_s = line.time_s
                runs.append(Run(line.content_hash or "", line.starting_s or 0.0, 0.0))
            elif runs:
                running_s = max(runs[-1].running_s, line.time_s - started_s)
                runs[-1] = replace(runs[-1], running_s=running_s)
        return runs

    def _lines(self) -> Iterator[_Line]:
        fix = f"move {self._path} away; the timeline then begins anew"
        for number, text in enumerate(read_lines(self._path), start=1):
            yield parse(_Line, text, where=f"{self._path}:{number}", fix=fix)

    def _append_if_room(self, event: Event) -> None:
        with suppress(OSError):  # a full disk is told of by those who write what matters
            self._append(_line(event))

    def _append(self, line: _Line) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _WRITING:
            append_line(self._path, json_text(line.model_dump(exclude_none=True), indent=None))


def _line(
    event: Event,
    *,
    trial_id: str | None = None,
    content_hash: str | None = None,
    starting_s: float | None = None,
) -> _Line:
    return _Line(
        time_s=round(time.time(), 3),
        event=event,
        trial_id=trial_id,
        content_hash=content_hash,
        starting_s=None if starting_s is None else round(starting_s, 3),
    )


def _cut(running: dict[str, float], at_s: float) -> Iterator[Span]:
    for trial_id, started_s in running.items():
        yield Span(trial_id, started_s, max(at_s, started_s), is_cut=True)
