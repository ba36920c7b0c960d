"""The widths that `match` solved, as the report shows them."""

from __future__ import annotations

from lmtune.analysis.document import Table
from lmtune.analysis.summary import Summary
from lmtune.spec.match import Match, Matched

_NOUNS = {
    "params": "parameters",
    "non_embedding_params": "parameters besides embeddings and an output layer of its own",
    "flops_per_token": "training FLOPs a token",
}


def match_step(match: Match) -> str:
    """What was asked for, as a sentence."""
    target = "those of the base" if match.target == "base" else f"{match.target:,}"
    return (
        f"Match: each variant's width is solved so that its {_NOUNS[match.by]} are {target}, "
        f"within {100 * match.tolerance:.3g}%."
    )


def match_table(summary: Summary) -> Table:
    """What came of it, a row a variant."""
    rows = tuple(
        (each.variant.name, *match_cells(each.variant.matched))
        for each in summary.variants
        if each.variant.matched
    )
    header = ("variant", "solved", "target", "reached", "mismatch")
    return Table(header, rows, ("variant", "solved"), "Widths that were solved")


def match_cells(matched: Matched) -> tuple[str, str, str, str]:
    """The widths, the target, what was reached and the mismatch."""
    solved = (f"{path.rpartition('.')[2]} {width}" for path, width in matched.solved.items())
    return (
        ", ".join(solved),
        f"{matched.target:,}",
        f"{matched.reached:,}",
        format_mismatch(matched),
    )


def format_mismatch(matched: Matched) -> str:
    """By how much the target was missed."""
    return f"{matched.mismatch:+.2%}" if matched.mismatch else "0"
