"""What the sweep was expected to take, and what it took."""

from __future__ import annotations

from lmtune.analysis.document import Block, Paragraph
from lmtune.records import ExperimentFolder
from lmtune.records.timeline import Run
from lmtune.spec.duration import format_duration
from lmtune.spec.plan import Plan


def time_taken(folder: ExperimentFolder) -> list[Block]:
    """The planned time beside the real one; empty where no run was noted.

    Raises:
        UserError: a line of the timeline is not readable.
    """
    runs, plan = folder.timeline.runs(), folder.read_plan()
    return [Paragraph(f"{_taken(runs)} {_planned(runs, plan)}")] if runs else []


def _taken(runs: list[Run]) -> str:
    many = f" in {len(runs)} runs of the command" if len(runs) > 1 else ""
    starting_s = sum(run.starting_s for run in runs)
    return (
        f"It took {format_duration(_all_s(runs))}{many}, {format_duration(starting_s)} of it "
        "before the first trial."
    )


def _planned(runs: list[Run], plan: Plan | None) -> str:
    if plan is None or plan.forecast is None:
        return "What it would take was not measured before."
    planned = f"The plan said {format_duration(plan.forecast.time_s)}"
    if any(run.content_hash != plan.content_hash for run in runs):
        return f"{planned} for the file as it is now, which is not what all runs had."
    return f"{planned}; the real time is {_all_s(runs) / plan.forecast.time_s:.2f} of that."


def _all_s(runs: list[Run]) -> float:
    return sum(run.starting_s + run.running_s for run in runs)
