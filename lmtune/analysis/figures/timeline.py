"""When the trials ran, on as many slots as ran at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import Absent, Figure, Json, View, axis, colour
from lmtune.records import TrialRecord
from lmtune.records.timeline import Span

NAME, TITLE = "timeline", "Timeline"

MAX_GAP_S = 120.0
"""A longer time in which nothing ran, between two runs of the sweep, is left out."""


def timeline(experiment: Experiment) -> Figure | Absent:
    """A bar a trial; absent where it was not noted when trials ran."""
    records = {record.spec.trial_id: record for record in experiment.records}
    spans = sorted(
        (span for span in experiment.spans if span.trial_id in records),
        key=lambda span: (span.start_s, span.trial_id),
    )
    if not spans:
        return Absent(NAME, TITLE, "the records do not say when trials ran")
    starts = _without_gaps(spans)
    slots = _slots(spans)
    names = [each.variant.name for each in experiment.summary.variants]
    bars: dict[tuple[int, str], Json] = {}
    shown: dict[str, tuple[int, str]] = {}  # the bar that stands for a variant in the legend
    busy_s = 0.0
    for span, start_s, slot in zip(spans, starts, slots, strict=True):
        record = records[span.trial_id]
        key = names.index(record.spec.variant), record.spec.phase
        bar = bars.setdefault(key, _bar(*key, record.spec.variant))
        bar["showlegend"] = shown.setdefault(record.spec.variant, key) == key
        bar["base"].append(round(start_s, 1))
        bar["x"].append(round(span.end_s - span.start_s, 1))
        bar["y"].append(slot + 1)
        bar["text"].append(_label(record, span))
        busy_s += span.end_s - span.start_s
    total_s = max(s + each.end_s - each.start_s for s, each in zip(starts, spans, strict=True))
    num_slots = max(slots) + 1
    caption = (
        f"{len(spans)} stretches of training on {num_slots} "
        f"{'slot' if num_slots == 1 else 'slots'} in {total_s / 60:.1f} minutes; slots were busy "
        f"for {busy_s / max(total_s * num_slots, 1e-9):.0%} of that. Hatched: confirm trials."
    )
    layout = {
        "barmode": "overlay",
        "bargap": 0.25,
        "xaxis": axis("seconds since the first trial started"),
        "yaxis": axis("slot", dtick=1, autorange="reversed", showgrid=False),
    }
    data = [bars[key] for key in sorted(bars)]
    return Figure(NAME, TITLE, caption, {"": View(data, layout)}, height=200 + 34 * num_slots)


def _bar(number: int, phase: str, variant: str) -> Json:
    return {
        "type": "bar",
        "orientation": "h",
        "base": [],
        "x": [],
        "y": [],
        "text": [],
        "textposition": "none",
        "marker": {
            "color": colour(number),
            "line": {"color": "@surface", "width": 1},
            "pattern": {"shape": "/" if phase == "confirm" else "", "size": 5},
        },
        "name": variant,
        "legendgroup": variant,
        "hovertemplate": "%{text}<extra></extra>",
    }


def _label(record: TrialRecord, span: Span) -> str:
    how = "cut off" if span.is_cut else record.status
    duration_s = span.end_s - span.start_s
    return f"{record.spec.variant}, {record.spec.phase}, {how} after {duration_s:.1f} s"


def _without_gaps(spans: Sequence[Span]) -> list[float]:
    """The starts of spans in order, from 0, without long times in which nothing ran."""
    left_out = spans[0].start_s
    end_s = spans[0].start_s
    starts = []
    for span in spans:
        if span.start_s - end_s > MAX_GAP_S:
            left_out += span.start_s - end_s
        starts.append(span.start_s - left_out)
        end_s = max(end_s, span.end_s)
    return starts


def _slots(spans: Sequence[Span]) -> list[int]:
    """The first slot that is free when each span starts."""
    free_at: defaultdict[int, float] = defaultdict(float)
    slots = []
    for span in spans:
        slot = next(number for number in range(len(spans)) if free_at[number] <= span.start_s)
        free_at[slot] = span.end_s
        slots.append(slot)
    return slots
