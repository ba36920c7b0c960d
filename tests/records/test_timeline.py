from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.records.timeline import Event, Span, note_event, read_spans


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def at(time_s: float, event: Event, trial_id: str | None = None) -> None:
        monkeypatch.setattr("lmtune.records.timeline.time.time", lambda: time_s)
        note_event(tmp_path / "timeline.jsonl", event, trial_id)

    return at


def test_spans_of_trials_that_ended_are_from_start_to_end(
    note: Callable[..., None], tmp_path: Path
) -> None:
    note(10, "run started")
    note(11, "trial started", "a")
    note(12, "trial started", "b")
    note(15, "trial ended", "b")
    note(20, "trial ended", "a")
    note(21, "run ended")
    assert read_spans(tmp_path / "timeline.jsonl") == [
        Span("b", 12, 15, is_cut=False),
        Span("a", 11, 20, is_cut=False),
    ]


def test_spans_of_a_run_that_was_interrupted_or_killed_end_when_it_was_last_heard_of(
    note: Callable[..., None], tmp_path: Path
) -> None:
    note(10, "run started")
    note(11, "trial started", "a")
    note(14, "run ended")  # interrupted
    note(100, "run started")
    note(101, "trial started", "a")
    note(105, "trial started", "b")  # killed
    note(200, "run started")
    note(201, "trial started", "a")
    assert read_spans(tmp_path / "timeline.jsonl") == [
        Span("a", 11, 14, is_cut=True),
        Span("a", 101, 105, is_cut=True),
        Span("b", 105, 105, is_cut=True),
        Span("a", 201, 201, is_cut=True),
    ]


def test_spans_of_an_experiment_without_a_timeline_are_none(tmp_path: Path) -> None:
    assert read_spans(tmp_path / "timeline.jsonl") == []
