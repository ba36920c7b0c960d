"""A page of several experiments side by side."""

from __future__ import annotations

from collections.abc import Sequence

from lmtune.analysis.cautions import cautions
from lmtune.analysis.document import Block, Bullets, Paragraph
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures import curves, forest, pareto
from lmtune.analysis.page.page import page_of
from lmtune.analysis.page.sections import Section
from lmtune.analysis.report import variants_block, variants_notes
from lmtune.analysis.seeds_section import seeds_section
from lmtune.analysis.side_by_side import differences_table, flags, names_of


def comparison_page(merged: Experiment, experiments: Sequence[Experiment]) -> str:
    """The page.

    Args:
        merged: what `side_by_side` made of the experiments.
        experiments: as they are by themselves.
    """
    summary = merged.summary
    found = [*flags(experiments), *cautions(summary)]
    told: list[Block] = [Bullets(tuple(found))] if found else [Paragraph("None.")]
    differences = differences_table(experiments)
    notes = Bullets(tuple(variants_notes(summary)))
    figures = [forest(merged), curves(merged), pareto(merged)]
    content = [
        Section("cautions", "Cautions", told),
        Section(
            "numbers", "All numbers", [variants_block(summary), notes, *seeds_section(summary)]
        ),
        Section("curves", "Curves and cost", [], figures[1:]),
        Section(
            "settings",
            "In what they differ",
            [differences or Paragraph("Their first variants have the same configuration.")],
        ),
    ]
    return page_of(
        merged, figures, content, cautions=found, location=", ".join(names_of(experiments))
    )
