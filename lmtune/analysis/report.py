"""`report.md`: the answer first, then what it rests on, what may mislead, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import get_args

import yaml

from lmtune.analysis.answer import answer
from lmtune.analysis.cautions import cautions
from lmtune.analysis.data_section import data_section
from lmtune.analysis.document import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Sections,
    Table,
    as_markdown,
)
from lmtune.analysis.floors import floor_lines
from lmtune.analysis.formats import format_scalar, format_value
from lmtune.analysis.markdown import bullets, escape
from lmtune.analysis.protocol import protocol
from lmtune.analysis.statistics import MIN_SEEDS, POWER
from lmtune.analysis.summary import Summary
from lmtune.analysis.text_scores import text_notes
from lmtune.analysis.time_taken import time_taken
from lmtune.analysis.variants_table import WORDS, variants_header, variants_rows
from lmtune.records import ExperimentFolder, swept_paths
from lmtune.spec.paths import flattened
from lmtune.spec.result import Evaluation
from lmtune.spec.sweep import MetricName

_METRIC_UNITS = {name: Evaluation.model_fields[name].description for name in get_args(MetricName)}

_FILES = {
    "sweep.yaml": "the sweep file as it was given",
    "resolved.json": "the same as it was understood",
    "environment.json": "versions, machine and commit that it ran with",
    "trials/": "each trial's configuration, curve, result and checkpoints",
    "model/": "the best confirmed model, by itself: weights, vocabulary, configuration",
    "study/": "the Optuna storage, which optuna-dashboard opens",
    "plan.json": "what it was expected to do and take; timeline.jsonl, when it ran",
    "trials.csv": "a row a trial",
    "curves.csv": "a row an epoch of a trial",
    "summary.json": "the answer, for programs",
    "variants.csv": "the variants table, for programs; variants.tex for LaTeX, variants.md",
}


def report(folder: ExperimentFolder, summary: Summary) -> str:
    """The report as Markdown; the same records give the same text.

    Args:
        folder: where the experiment is, which the report says.
        summary: what it came to.
    """
    sections: Sections = {
        "Variants": [variants_block(summary), Bullets(tuple(variants_notes(summary)))],
        "Best configuration": best_configuration(summary),
        "What was fixed": fixed_values(summary),
        "How it was done": [*protocol(summary), *time_taken(folder)],
        "Data": data_section(summary),
        "Cautions": cautions_blocks(summary),
        "Files": files(folder),
        "Run it again": run_again(folder, summary),
    }
    head = [f"# {escape(summary.sweep.name)}", *_head(summary)]
    return "\n\n".join([*head, as_markdown(sections)]) + "\n"


def _head(summary: Summary) -> Iterator[str]:
    yield f"**Question:** {escape(summary.sweep.question)}"
    yield f"**Answer:** {escape(answer(summary))}"
    if summary.missing:
        yield "**Not finished.** Still to run:\n\n" + bullets(map(escape, summary.missing))


def variants_block(summary: Summary) -> Table:
    """The variants table."""
    rows = tuple(row.cells for row in variants_rows(summary))
    return Table(variants_header(summary), rows, WORDS, "The variants, from confirm trials alone")


def variants_notes(summary: Summary) -> Iterator[str]:
    """What the columns of the variants table mean."""
    metric = summary.sweep.metric
    better = "lower" if metric.goal == "minimize" else "higher"
    yield f"{metric.name}: {_METRIC_UNITS[metric.name]}, after the last epoch; {better} is better."
    yield "Its mean is over the confirm seeds, with Student's t interval."
    if len(summary.variants) > 1:
        yield (
            "A difference is the mean over the seeds that both variants completed; its interval "
            "is of that comparison alone, while p and the verdict allow for all comparisons of "
            "the sweep (paired t test, Holm)."
        )
        yield (
            "detectable: the true difference that this many seeds would show in "
            f"{POWER:.0%} of such sweeps, before allowing for several comparisons. "
            f"No verdict under {MIN_SEEDS} shared seeds."
        )
    yield from floor_lines(summary)
    yield from text_notes(summary)


def best_configuration(summary: Summary) -> list[Block]:
    """The configuration of the best mean, to copy."""
    best = summary.best_variant
    if best is None or best.answer is None or summary.best is None:
        return [Paragraph("No confirm trial has completed.")]
    metric = summary.sweep.metric.name
    trial = summary.best
    text = (
        f"{best.variant.name} has the best mean {metric}, {format_value(best.confirm.mean)}. "
        f"The best single trial is {trial.trial_id} of {trial.variant}, "
        f"with {format_value(trial.value)}. "
    )
    if not all(variant.is_comparable for variant in summary.variants):
        text += "It is the best of those that compare with the base. "
    if len(summary.variants) > 1:
        text += "The best mean alone is no verdict: the table above has those. "
    base = {"base": best.answer.config.model_dump(mode="json")}
    content = yaml.safe_dump(base, sort_keys=False, allow_unicode=True)
    return [
        Paragraph(f"{text}The configuration, as the base of a sweep file:"),
        Code(content, "yaml", "the best configuration"),
    ]


def fixed_values(summary: Summary) -> list[Block]:
    """The values that all variants share and none searches: the answer holds for these alone."""
    configs = [variant.config.model_dump(mode="json") for variant in summary.sweep.variants]
    first, *others = [dict(flattened(config)) for config in configs]
    searched = set(swept_paths(summary.sweep))
    rows = tuple(
        (path, format_scalar(value))
        for path, value in first.items()
        if path not in searched and all(path in other and other[path] == value for other in others)
    )
    header = ("field", "value")
    return [
        Paragraph("The answer holds for these values; others may give another."),
        Table(header, rows, header, "Values that every trial shares", is_folded=True),
    ]


def cautions_blocks(summary: Summary) -> list[Block]:
    """What a careful reader should know."""
    found = tuple(cautions(summary))
    return [Bullets(found)] if found else [Paragraph("None.")]


def files(folder: ExperimentFolder) -> list[Block]:
    """What lies in the experiment's folder."""
    listed = tuple(f"{name}: {text}" for name, text in _FILES.items())
    return [Paragraph(f"In {_location(folder)}:"), Bullets(listed)]


def run_again(folder: ExperimentFolder, summary: Summary) -> list[Block]:
    """The one command that reproduces the experiment."""
    sweep_file = f"{_location(folder)}/{folder.sweep_yaml.name}"
    words = ["python", "-m", "lmtune.run", sweep_file]
    for override in summary.sweep.overrides:
        words += ["--set", override]
    return [
        Code(shlex.join(words), "bash", "the command that runs it again"),
        Paragraph(
            "This goes on where the sweep ended. With --fresh all of it runs again; what is here "
            "is moved aside first, not deleted."
        ),
    ]


def _location(folder: ExperimentFolder) -> str:
    """The folder as seen from the project, so that the report reads the same everywhere."""
    path = folder.path.resolve()
    return f"{path.parent.name}/{path.name}"
