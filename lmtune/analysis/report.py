"""`report.md`: the answer first, then what it rests on, what may mislead, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import get_args

import yaml

from lmtune.analysis.answer import answer
from lmtune.analysis.cautions import cautions
from lmtune.analysis.data_section import data_section
from lmtune.analysis.floors import floor_lines
from lmtune.analysis.formats import format_scalar, format_value
from lmtune.analysis.markdown import bullets, code_block, escape, table
from lmtune.analysis.protocol import protocol
from lmtune.analysis.statistics import MIN_SEEDS, POWER
from lmtune.analysis.summary import Summary, summarize, summary_content
from lmtune.analysis.text_scores import text_notes
from lmtune.analysis.variants_files import write_variants_files
from lmtune.analysis.variants_table import variants_header, variants_rows
from lmtune.records import ExperimentFolder, swept_paths
from lmtune.records.files import json_text, write_text
from lmtune.spec.paths import flattened
from lmtune.spec.result import Evaluation
from lmtune.spec.sweep import MetricName

_METRIC_UNITS = {name: Evaluation.model_fields[name].description for name in get_args(MetricName)}

_FILES = {
    "sweep.yaml": "the sweep file as it was given",
    "resolved.json": "the same as it was understood",
    "environment.json": "versions, machine and commit that it ran with",
    "trials/": "each trial's configuration, curve, result and checkpoints",
    "study/": "the Optuna storage, which optuna-dashboard opens",
    "trials.csv": "a row a trial",
    "curves.csv": "a row an epoch of a trial",
    "summary.json": "the answer, for programs",
    "variants.csv": "the variants table, for programs; variants.tex for LaTeX, variants.md",
}


def write_report(folder: ExperimentFolder) -> Summary:
    """Draw the conclusions from an experiment's records; write the summary, report and tables.

    Raises:
        UserError: the folder holds no experiment, or a record is not readable.
    """
    summary = summarize(folder)
    write_text(folder.summary_json, json_text(summary_content(summary)) + "\n")
    write_text(folder.report_md, report(folder, summary))
    write_variants_files(folder, summary)
    return summary


def report(folder: ExperimentFolder, summary: Summary) -> str:
    """The report as Markdown; the same records give the same text.

    Args:
        folder: where the experiment is, which the report says.
        summary: what it came to.
    """
    sections = {
        "Variants": _variants(summary),
        "Best configuration": _best_configuration(summary),
        "What was fixed": _fixed(summary),
        "How it was done": protocol(summary),
        "Data": data_section(summary),
        "Cautions": bullets(map(escape, cautions(summary))) or "None.",
        "Files": _files(folder),
        "Run it again": _run_again(folder, summary),
    }
    head = [f"# {escape(summary.sweep.name)}", *_head(summary)]
    body = [part for title, text in sections.items() for part in (f"## {title}", text)]
    return "\n\n".join([*head, *body]) + "\n"


def _head(summary: Summary) -> Iterator[str]:
    yield f"**Question:** {escape(summary.sweep.question)}"
    yield f"**Answer:** {escape(answer(summary))}"
    if summary.missing:
        yield "**Not finished.** Still to run:\n\n" + bullets(map(escape, summary.missing))


def _variants(summary: Summary) -> str:
    metric = summary.sweep.metric
    better = "lower" if metric.goal == "minimize" else "higher"
    rows = [row.cells for row in variants_rows(summary)]
    notes = [
        f"{metric.name}: {_METRIC_UNITS[metric.name]}, after the last epoch; {better} is better."
    ]
    notes.append("Its mean is over the confirm seeds, with Student's t interval.")
    if len(summary.variants) > 1:
        notes.append(
            "A difference is the mean over the seeds that both variants completed; its interval "
            "is of that comparison alone, while p and the verdict allow for all comparisons of "
            "the sweep (paired t test, Holm)."
        )
        notes.append(
            "detectable: the true difference that this many seeds would show in "
            f"{POWER:.0%} of such sweeps, before allowing for several comparisons. "
            f"No verdict under {MIN_SEEDS} shared seeds."
        )
    notes += [*floor_lines(summary), *text_notes(summary)]
    return f"{table(variants_header(summary), rows)}\n\n{bullets(map(escape, notes))}"


def _best_configuration(summary: Summary) -> str:
    best = summary.best_variant
    if best is None or best.answer is None or summary.best is None:
        return "No confirm trial has completed."
    metric = summary.sweep.metric.name
    name, trial = escape(best.variant.name), summary.best
    text = (
        f"{name} has the best mean {escape(metric)}, {format_value(best.confirm.mean)}. "
        f"The best single trial is `{trial.trial_id}` of {escape(trial.variant)}, "
        f"with {format_value(trial.value)}. "
    )
    if not all(variant.is_comparable for variant in summary.variants):
        text += "It is the best of those that compare with the base. "
    if len(summary.variants) > 1:
        text += "The best mean alone is no verdict: the table above has those. "
    base = {"base": best.answer.config.model_dump(mode="json")}
    block = code_block(yaml.safe_dump(base, sort_keys=False, allow_unicode=True), "yaml")
    return f"{text}The configuration, as the `base` of a sweep file:\n\n{block}"


def _fixed(summary: Summary) -> str:
    """The values that all variants share and none searches: the answer holds for these alone."""
    configs = [variant.config.model_dump(mode="json") for variant in summary.sweep.variants]
    first, *others = [dict(flattened(config)) for config in configs]
    searched = set(swept_paths(summary.sweep))
    rows = [
        (path, format_scalar(value))
        for path, value in first.items()
        if path not in searched and all(path in other and other[path] == value for other in others)
    ]
    note = "The answer holds for these values; others may give another."
    return f"{note}\n\n{table(('field', 'value'), rows)}"


def _files(folder: ExperimentFolder) -> str:
    listed = bullets(f"`{name}`: {text}" for name, text in _FILES.items())
    return f"In {escape(_location(folder))}:\n\n{listed}"


def _run_again(folder: ExperimentFolder, summary: Summary) -> str:
    sweep_file = f"{_location(folder)}/{folder.sweep_yaml.name}"
    words = ["python", "-m", "lmtune.run", sweep_file]
    for override in summary.sweep.overrides:
        words += ["--set", override]
    block = code_block(shlex.join(words), "bash")
    return (
        f"{block}\n\nThis goes on where the sweep ended. To run all of it again, copy "
        f"{sweep_file} and move the experiment's folder away first."
    )


def _location(folder: ExperimentFolder) -> str:
    """The folder as seen from the project, so that the report reads the same everywhere."""
    path = folder.path.resolve()
    return f"{path.parent.name}/{path.name}"
