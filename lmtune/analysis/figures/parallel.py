"""All searched parameters of all trials at once, as parallel coordinates.

Optuna's own plot takes one study; here the variants, each with a study of its own, stand together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures.figure import Absent, Figure, Json, View, log_ticks, rounded, shortened
from lmtune.records import TrialRecord
from lmtune.spec.search import FloatRange, IntRange, QuantizedRange
from lmtune.spec.trial import Scalar

NAME, TITLE = "parallel", "Search as parallel coordinates"


def parallel(experiment: Experiment) -> Figure | Absent:
    """A line a tune trial at full budget; absent where a slice shows as much."""
    paths = list(
        dict.fromkeys(path for each in experiment.searched for path in each.variant.parameters)
    )
    if len(paths) < 2:
        return Absent(NAME, TITLE, "fewer than two parameters were searched")
    names = [each.variant.name for each in experiment.searched]
    found = [pair for name in names for pair in experiment.completed_values(name)]
    found = [
        (record, value) for record, value in found if record.spec.parameters.keys() >= {*paths}
    ]
    if not found:
        return Absent(NAME, TITLE, "no tune trial that has all searched parameters has completed")
    records, values = [record for record, _ in found], [value for _, value in found]
    dimensions = [_dimension(experiment, path, records) for path in paths]
    if len(names) > 1:
        dimensions.insert(0, _words("variant", [record.spec.variant for record in records]))
    dimensions.append({"label": experiment.metric, "values": rounded(values)})
    is_minimized = experiment.sweep.metric.goal == "minimize"
    scale = ("@series1", "@line", "@grid") if is_minimized else ("@grid", "@line", "@series1")
    trace: Json = {
        "type": "parcoords",
        "dimensions": dimensions,
        "line": {
            "color": rounded(values),
            "colorscale": [
                [place, name]
                for place, name in zip((0.0, 0.3 if is_minimized else 0.7, 1.0), scale, strict=True)
            ],
            "showscale": False,
        },
        "labelfont": {"color": "@text", "size": 13},
        "tickfont": {"color": "@text", "size": 11},
        "rangefont": {"color": "@muted", "size": 10},
        "unselected": {"line": {"color": "@grid", "opacity": 0.4}},
    }
    caption = (
        f"{len(found)} tune trials at full budget; strong blue lines are the best. Drag along an "
        "axis to keep a part of it, drag its title to move it."
    )
    layout = {"margin": {"l": 100, "r": 50, "t": 50, "b": 20}}
    return Figure(NAME, TITLE, caption, {"": View([trace], layout)}, height=380)


def _dimension(experiment: Experiment, path: str, records: Sequence[TrialRecord]) -> Json:
    label = path.rpartition(".")[2]
    values = [record.spec.parameters[path] for record in records]
    ranges = [
        each.variant.parameters[path]
        for each in experiment.searched
        if path in each.variant.parameters
    ]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    is_range = all(isinstance(each, FloatRange | IntRange | QuantizedRange) for each in ranges)
    if not is_range or len(numbers) < len(values):
        return _words(label, [_word(value) for value in values])
    is_log = all(getattr(each, "is_logarithmic", False) for each in ranges)
    if not is_log:
        return {"label": label, "values": rounded(numbers)}
    low, high = min(numbers), max(numbers)
    ticks, texts = log_ticks(low, high)
    return {
        "label": label,
        "values": rounded(math.log10(value) for value in numbers),
        "tickvals": rounded(math.log10(tick) for tick in ticks),
        "ticktext": texts,
    }


def _words(label: str, values: Sequence[str]) -> Json:
    words = list(dict.fromkeys(values))
    return {
        "label": label,
        "values": [words.index(value) for value in values],
        "tickvals": list(range(len(words))),
        "ticktext": [shortened(word, 14) for word in words],
    }


def _word(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
