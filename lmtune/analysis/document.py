"""The parts that reports are made of: plain text in a shape, which Markdown and HTML then dress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmtune.analysis.markdown import bullets, code_block, escape, table


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences or phrases."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of cells.

    Attributes:
        header: a title a column.
        rows: as many cells each.
        words: titles of the columns of words, which are set to the left; others are numbers.
        caption: what it shows.
        is_folded: whether a page may hide it until it is asked for.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    caption: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Code:
    """Text to copy, as it is.

    Attributes:
        label: what it is, for who cannot see it.
    """

    text: str
    language: str
    label: str


Block = Paragraph | Bullets | Table | Code
Sections = dict[str, Sequence[Block]]
"""Blocks by the title of their section, in order."""


def as_markdown(sections: Sections) -> str:
    """Sections as Markdown, without a line at the end."""
    parts = [
        part
        for title, blocks in sections.items()
        for part in (f"## {title}", *map(_block_as_markdown, blocks))
    ]
    return "\n\n".join(parts)


def _block_as_markdown(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return escape(text)
        case Bullets(items=items):
            return bullets(map(escape, items))
        case Table(header=header, rows=rows):
            return table(header, rows)
        case Code(text=text, language=language):
            return code_block(text, language)
