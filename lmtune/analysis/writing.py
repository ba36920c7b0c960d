"""Writes what the records say: `summary.json`, the reports and the variants table."""

from __future__ import annotations

from lmtune.analysis.experiment import Experiment, read_experiment
from lmtune.analysis.page import page
from lmtune.analysis.report import report
from lmtune.analysis.summary import Summary, summary_content
from lmtune.analysis.variants_files import write_variants_files
from lmtune.records import ExperimentFolder
from lmtune.records.files import json_text, write_text


def write_report(folder: ExperimentFolder) -> Summary:
    """Draw the conclusions from an experiment's records; write the summary, reports and tables.

    Raises:
        UserError: the folder holds no experiment, or a record is not readable.
    """
    experiment = read_experiment(folder)
    write_experiment(experiment)
    return experiment.summary


def write_experiment(experiment: Experiment) -> None:
    """Write `summary.json`, `report.md`, `report.html` and the variants table of what was read."""
    folder, summary = experiment.folder, experiment.summary
    write_text(folder.summary_json, json_text(summary_content(summary)) + "\n")
    write_text(folder.report_md, report(folder, summary))
    write_variants_files(folder, summary)
    write_text(folder.report_html, page(experiment))
