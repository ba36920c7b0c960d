"""What a sweep's records say: statistics, the answer, the reports and their figures.

Reads the records alone, so that all of it can be made again at any time.
"""

from __future__ import annotations

from lmtune.analysis.answer import answer
from lmtune.analysis.confirmed import BestTrial, Configuration
from lmtune.analysis.floors import floor_lines
from lmtune.analysis.report import report
from lmtune.analysis.statistics import Comparison, Estimate, Interval, Verdict
from lmtune.analysis.summary import (
    Summary,
    VariantSummary,
    summarize,
    summary_content,
)
from lmtune.analysis.variants_table import VariantRow, variants_header, variants_rows
from lmtune.analysis.writing import write_experiment, write_report

__all__ = [
    "BestTrial",
    "Comparison",
    "Configuration",
    "Estimate",
    "Interval",
    "Summary",
    "VariantRow",
    "VariantSummary",
    "Verdict",
    "answer",
    "floor_lines",
    "report",
    "summarize",
    "summary_content",
    "variants_header",
    "variants_rows",
    "write_experiment",
    "write_report",
]
