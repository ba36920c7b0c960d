"""When trials started and ended: a line an event, from which the sweep's timeline is drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lmtune.records.files import append_line, json_text, parse, read_lines
from lmtune.spec.config import Config

Event = Literal["run started", "run ended", "trial started", "trial ended"]


class _Line(Config):
    time_s: float
    event: Event
    trial_id: str | None = None


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


def note_event(path: Path, event: Event, trial_id: str | None = None) -> None:
    """Append an event, now.

    Args:
        path: `timeline.jsonl` of an experiment.
        event: what happened.
        trial_id: to which trial; None for a run of the sweep.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = _Line(time_s=round(time.time(), 3), event=event, trial_id=trial_id)
    append_line(path, json_text(line.model_dump(exclude_none=True), indent=None))


def read_spans(path: Path) -> list[Span]:
    """The times that trials ran for, by their end; none where nothing was noted.

    Raises:
        UserError: a line is not readable.
    """
    spans: list[Span] = []
    running: dict[str, float] = {}
    last_s = 0.0
    for number, text in enumerate(read_lines(path), start=1):
        fix = f"move {path} away; the timeline then begins anew"
        line = parse(_Line, text, where=f"{path}:{number}", fix=fix)
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


def _cut(running: dict[str, float], at_s: float) -> Iterator[Span]:
    for trial_id, started_s in running.items():
        yield Span(trial_id, started_s, max(at_s, started_s), is_cut=True)
