"""The variants table as files: Markdown and LaTeX as it is shown, CSV with every digit."""

from __future__ import annotations

import csv
import io
from typing import Any

from lmtune.analysis.latex import latex_table
from lmtune.analysis.markdown import table
from lmtune.analysis.statistics import Comparison, Estimate
from lmtune.analysis.summary import Summary, VariantSummary
from lmtune.analysis.variants_table import WORDS, variants_header, variants_rows
from lmtune.records import ExperimentFolder
from lmtune.records.files import write_text


def write_variants_files(folder: ExperimentFolder, summary: Summary) -> None:
    """Write `variants.md`, `variants.tex` and `variants.csv`."""
    for suffix, make in (("md", variants_md), ("tex", variants_tex), ("csv", variants_csv)):
        write_text(folder.path / f"variants.{suffix}", make(summary))


def variants_md(summary: Summary) -> str:
    """The table as Markdown."""
    rows = [row.cells for row in variants_rows(summary)]
    return table(variants_header(summary), rows) + "\n"


def variants_tex(summary: Summary) -> str:
    """The table as LaTeX, with booktabs."""
    sweep = summary.sweep
    seeds = len(sweep.seeds.confirm)
    better = "lower" if sweep.metric.goal == "minimize" else "higher"
    return latex_table(
        variants_header(summary),
        [row.cells for row in variants_rows(summary)],
        caption=(
            f"{sweep.question} Mean {sweep.metric.name} ({better} is better) over {seeds} "
            f"{'seed' if seeds == 1 else 'seeds'}, after the last epoch."
        ),
        label=sweep.name,
        words=WORDS,
    )


def variants_csv(summary: Summary) -> str:
    """The table for programs: a row a variant, empty where there is no number."""
    rows = [_csv_row(summary, variant) for variant in summary.variants]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_row(summary: Summary, variant: VariantSummary) -> dict[str, Any]:
    answer, metric = variant.answer, summary.sweep.metric.name
    facts = answer.facts if answer else None
    tuned = variant.counts["tune"]
    return {
        "variant": variant.variant.name,
        **_estimate_cells(metric, variant.confirm),
        "seeds": variant.confirm.n,
        **_comparison_cells("", variant.comparison),
        **_estimate_cells(f"best_checkpoint_{metric}", answer.at_best if answer else None),
        **_comparison_cells("best_checkpoint_", variant.comparison_at_best),
        "num_parameters": facts and facts.num_parameters,
        "num_non_embedding_parameters": facts and facts.num_non_embedding_parameters,
        "flops_per_token": facts and facts.flops_per_token,
        "tokens_per_second": answer and answer.tokens_per_second,
        "tune_trials": tuned.total(),
        "tune_completed": tuned["completed"],
        "diverged_share": variant.diverged_share,
    }


def _estimate_cells(name: str, found: Estimate | None) -> dict[str, float | None]:
    interval = found.interval if found else None
    return {
        name: found.mean if found and found.n else None,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
        f"{name}_deviation": found.deviation if found else None,
    }


def _comparison_cells(prefix: str, comparison: Comparison | None) -> dict[str, Any]:
    cells: dict[str, Any] = _estimate_cells(
        f"{prefix}difference", comparison.difference if comparison else None
    )
    cells[f"{prefix}smallest_detectable"] = comparison and comparison.smallest_detectable
    cells[f"{prefix}p_holm"] = comparison and comparison.p_holm
    cells[f"{prefix}verdict"] = comparison and comparison.verdict
    return cells
