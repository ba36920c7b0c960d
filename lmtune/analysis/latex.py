"""Tables for LaTeX, with the rules of the booktabs package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{character: rf"\{character}" for character in "&%$#_{}"},
}

_MINUS = re.compile(r"(?<![^\s\[])-(?=\d)")


def escape(text: str) -> str:
    """Plain text on one line, set as it is."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))


def latex_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    words: Sequence[str],
) -> str:
    """A floating table of plain text; numbers to the right, a minus sign before negative ones.

    Args:
        header: a title a column.
        rows: the cells.
        caption: a sentence.
        label: to refer to it by.
        words: titles of the columns that hold words, set to the left.
    """
    columns = "".join("l" if title in words else "r" for title in header)
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape(caption)}}}",
        f"  \\label{{tab:{label}}}",
        "  \\resizebox{\\linewidth}{!}{%",
        f"  \\begin{{tabular}}{{{columns}}}",
        "    \\toprule",
        _row(map(escape, header)),
        "    \\midrule",
        *(_row(map(_cell, row)) for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A cell; an empty one is a dash, and a hyphen before a number a minus sign."""
    return "--" if text == "-" else _MINUS.sub("$-$", escape(text))


def _row(cells: Iterable[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
