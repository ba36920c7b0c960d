"""Writes what the records say: `summary.json`, the reports and the variants table."""

from __future__ import annotations

from lmtune.analysis.report import report
from lmtune.analysis.summary import Summary, summarize, summary_content
from lmtune.analysis.variants_files import write_variants_files
from lmtune.records import ExperimentFolder
from lmtune.records.files import json_text, write_text


def write_report(folder: ExperimentFolder) -> Summary:
    """Draw the conclusions from an experiment's records; write the summary, reports and tables.

    Raises:
        UserError: the folder holds no experiment, or a record is not readable.
    """
    summary = summarize(folder)
    write_text(folder.summary_json, json_text(summary_content(summary)) + "\n")
    write_text(folder.report_md, report(folder, summary))
    write_variants_files(folder, summary)
    return summary
