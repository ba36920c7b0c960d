from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmtune.errors import UserError
from lmtune.records.timeline import Run, Span, Timeline


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy" / "timeline.jsonl"


def write(path: Path, *events: tuple[float, str] | tuple[float, str, str]) -> Timeline:
    path.parent.mkdir()
    with path.open("w") as file:
        for time_s, event, *trial in events:
            line = {"time_s": time_s, "event": event}
            line |= {"trial_id": trial[0]} if trial else {}
            if event == "run started":
                line |= {"content_hash": "0f", "starting_s": 9.5}
            print(json.dumps(line), file=file)
    return Timeline(path)


def test_spans_of_trials_that_ended_are_from_start_to_end(path: Path) -> None:
    timeline = write(
        path,
        (10, "run started"),
        (11, "trial started", "a"),
        (12, "trial started", "b"),
        (15, "trial ended", "b"),
        (20, "trial ended", "a"),
        (21, "run ended"),
    )
    assert timeline.spans() == [
        Span("b", 12, 15, is_cut=False),
        Span("a", 11, 20, is_cut=False),
    ]
    assert timeline.runs() == [Run("0f", 9.5, 11)]


def test_spans_of_a_run_that_was_interrupted_or_killed_end_when_it_was_last_heard_of(
    path: Path,
) -> None:
    timeline = write(
        path,
        (10, "run started"),
        (11, "trial started", "a"),
        (14, "run ended"),  # interrupted
        (100, "run started"),
        (101, "trial started", "a"),
        (105, "trial started", "b"),
        (120, "run goes on"),  # killed
        (200, "run started"),
        (201, "trial started", "a"),
    )
    assert timeline.spans() == [
        Span("a", 11, 14, is_cut=True),
        Span("a", 101, 120, is_cut=True),
        Span("b", 105, 120, is_cut=True),
        Span("a", 201, 201, is_cut=True),
    ]
    assert [run.running_s for run in timeline.runs()] == [4, 20, 1]


def test_runs_when_the_clock_was_set_back_are_never_shorter_than_what_was_seen(path: Path) -> None:
    timeline = write(path, (10, "run started"), (14, "run goes on"), (2, "run ended"))
    assert timeline.runs() == [Run("0f", 9.5, 4)]


def test_timeline_when_nothing_was_noted_is_empty(path: Path) -> None:
    assert Timeline(path).spans() == []
    assert Timeline(path).runs() == []


def test_timeline_when_a_line_was_altered_says_which_and_what_to_do(path: Path) -> None:
    write(path, (10, "run started"), (11, "run stopped"))
    with pytest.raises(UserError, match=r"timeline\.jsonl:2(.|\n)*Fix: move .* away"):
        Timeline(path).runs()


def test_run_is_noted_at_once_and_again_while_it_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtune.records.timeline._EVERY_S", 0.01)
    timeline = Timeline(path)
    with timeline.running("0f", starting_s=2.0):
        assert [run.content_hash for run in timeline.runs()] == ["0f"]
        timeline.note("trial started", "a")
        while "goes on" not in path.read_text():
            pass
    with timeline.running("1e", starting_s=3.0):
        pass
    first, second = timeline.runs()
    assert (first.content_hash, first.starting_s) == ("0f", 2.0)
    assert (second.content_hash, second.starting_s) == ("1e", 3.0)
    assert path.read_text().splitlines()[-1].endswith('"run ended"}')


def test_run_when_its_block_fails_has_ended(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Timeline(path).running("0f", starting_s=0.0):
        raise ZeroDivisionError
    assert "run ended" in path.read_text()
