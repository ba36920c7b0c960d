"""Text, tables and code as Markdown (GitHub's), whatever a user's names and questions contain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(
    r"[\\`*|~$]"  # markup wherever it stands
    r"|<(?=[a-zA-Z/!?])|&(?=#?\w+;)"  # HTML
    r"|\](?=[(\[:])"  # a link
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore marks up only at the edge of a word
    r"|^[-+#>](?=\s)"  # a list, a heading or a quotation, at the start
)


def escape(text: str) -> str:
    """Plain text on one line, rendered as it is."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text."""
    lines = [
        _row(map(escape, header)),
        _row(["---"] * len(header)),
        *(_row(map(escape, row)) for row in rows),
    ]
    return "\n".join(lines)


def bullets(items: Iterable[str]) -> str:
    """A list of Markdown phrases."""
    return "\n".join(f"- {item}" for item in items)


def code_block(text: str, language: str) -> str:
    """Code, with a fence that the code cannot close."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
