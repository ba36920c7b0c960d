"""YAML text to a tree of nodes, strictly.

Plain words mean what YAML 1.2 says: `1e-3` is a number, `on` and `12:30:45` are words. Refused are
duplicate keys, keys that are no words, tags, merge keys, several documents, numbers that are not
finite, and text that is made to exhaust its reader (deep nesting, aliases of aliases).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import yaml

from lmtune.errors import SpecError
from lmtune.spec.problems import Problems
from lmtune.spec.tree import Node, Spot, shown

MAX_DEPTH = 50
MAX_NODES = 10_000
MAX_INT = 2**63 - 1
MAX_INT_DIGITS = 22  # of the largest in base 8, with its prefix; Python's int() has a limit too

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_yaml(
    text: str, spot_of_line: Callable[[int], Spot], problems: Problems, path: str = ""
) -> Node | None:
    """The tree of a text with one YAML document; None where there is none.

    Mistakes that leave the tree readable are added to the problems.

    Args:
        text: what to read.
        spot_of_line: where a line of the text is, counted from 1.
        problems: gathers what is wrong.
        path: of the text's root.

    Raises:
        SpecError: the text is not YAML, or is too large or too deep.
    """
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise problems.fatal(
            spot_of_line(line),
            f"the character U+{ord(found[0]):04X}, which YAML does not allow",
            fix="remove it; is this a text file?",
        )
    composer = _Composer(text, spot_of_line, problems)
    try:
        return composer.document(path)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, spot_of_line, problems) from None


def _syntax_error(
    error: yaml.YAMLError, text: str, spot_of_line: Callable[[int], Spot], problems: Problems
) -> SpecError:
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines() or [""]
    row = min(mark.line if mark else 0, len(lines) - 1)
    line = lines[row]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return problems.fatal(
            spot_of_line(row + 1),
            "a tab in the indentation",
            expected="spaces, which are all that YAML allows there",
            fix="replace the tab by spaces",
        )
    said = [getattr(error, "problem", None), getattr(error, "context", None)]
    return problems.fatal(
        spot_of_line(row + 1),
        f"not YAML: {' '.join(filter(None, said)) or 'unreadable'}",
        fix="look for a missing colon, quote, bracket or indent on this line or the one before",
    )


class _Composer:
    """Turns the parser's events into nodes."""

    def __init__(self, text: str, spot_of_line: Callable[[int], Spot], problems: Problems) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._spot_of_line = spot_of_line
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._num_nodes = 0

    def document(self, path: str) -> Node | None:
        """The only document's root."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        first = self._next()
        root = self._node(first, replace(self._spot(first), path=path), depth=0)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._problems.add(
                self._spot(after),
                "a second document begins",
                expected="one document in a file",
                fix="remove the line `---`, or make two files",
            )
        return root

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _spot(self, event: yaml.Event) -> Spot:
        mark = event.start_mark
        assert mark is not None  # the parser sets it on every event
        spot = self._spot_of_line(mark.line + 1)
        return replace(spot, order=(*spot.order, mark.column))

    def _node(self, event: yaml.Event, spot: Spot, depth: int) -> Node:
        self._count(spot, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), spot, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag is not None:
            self._refuse_tag(event.tag, spot)
        node = self._untagged(event, spot, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _untagged(self, event: yaml.Event, spot: Spot, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            value = self._plain_value(event.value, spot) if event.implicit[0] else event.value
            return Node(spot, value, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(spot, self._items(spot, depth))
        return Node(spot, self._entries(spot, depth))

    def _items(self, spot: Spot, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            place = replace(self._spot(event), path=spot.path).below(len(items))
            items.append(self._node(event, place, depth + 1))
        return items

    def _entries(self, spot: Spot, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            place = replace(self._spot(event), path=spot.path)
            key = self._key(event, place, depth)
            place = place if key is None else place.below(key)
            node = self._node(self._next(), place, depth + 1)
            if key is None:
                continue
            if key in entries:
                self._problems.add(
                    place,
                    f"the key is given twice, first at {entries[key].spot.label}",
                    fix="keep one of the two",
                )
            else:
                entries[key] = node
        return entries

    def _key(self, event: yaml.Event, spot: Spot, depth: int) -> str | None:
        """A key that is a word; None for any other, which is told."""
        if not isinstance(event, yaml.ScalarEvent):
            node = self._node(event, spot, depth + 1)
            self._problems.add(spot, f"{node} is a key", "a word as a key", "write a word")
            return None
        self._node(event, spot, depth + 1)
        key = str(event.value)
        if not event.implicit[0]:
            return key
        if key == "<<":
            self._problems.add(
                spot,
                "merge keys (`<<`) are not supported",
                fix="write the keys out; variants: and ablate: share what base: has",
            )
            return None
        if not isinstance(_resolved(key), str):
            self._problems.add(
                spot, f"the key `{shown(key)}` is not a word", fix=f'write it as "{shown(key)}"'
            )
        return key

    def _alias(self, anchor: str, spot: Spot, depth: int) -> Node:
        if anchor not in self._anchors:
            raise self._problems.fatal(
                spot, f"the alias `*{shown(anchor)}` has no anchor", fix="write the value itself"
            )
        target = self._anchors[anchor]
        if target is None:
            raise self._problems.fatal(
                spot,
                f"the alias `*{shown(anchor)}` is inside its own anchor",
                fix="write the value itself",
            )
        return self._copied(target, spot, depth)

    def _copied(self, node: Node, spot: Spot, depth: int) -> Node:
        """A node with the paths that an alias of it has."""
        self._count(spot, depth)
        if isinstance(node.value, dict):
            pairs = node.value.items()
            return Node(spot, {k: self._copied(n, spot.below(k), depth + 1) for k, n in pairs})
        if isinstance(node.value, list):
            items = enumerate(node.value)
            return Node(spot, [self._copied(n, spot.below(i), depth + 1) for i, n in items])
        return replace(node, spot=spot)

    def _count(self, spot: Spot, depth: int) -> None:
        self._num_nodes += 1
        if depth > MAX_DEPTH:
            raise self._problems.fatal(
                replace(spot, path=spot.said),
                f"nested more than {MAX_DEPTH} levels deep",
                fix="a sweep file needs fewer than 10; look for an unclosed bracket",
            )
        if self._num_nodes > MAX_NODES:
            raise self._problems.fatal(
                replace(spot, path=spot.said),
                f"more than {MAX_NODES} values, those of aliases included",
                fix="split the sweep into several files",
            )

    def _refuse_tag(self, tag: str, spot: Spot) -> None:
        written = tag.replace("tag:yaml.org,2002:", "!!")
        self._problems.add(
            spot,
            f"the tag `{shown(written)}` is not supported",
            expected="plain values, lists and mappings",
            fix="remove the tag; quotes make text of a number",
        )

    def _plain_value(self, text: str, spot: Spot) -> bool | float | str | None:
        value = _resolved(text)
        if isinstance(value, float) and not math.isfinite(value):
            self._problems.add(
                spot,
                f"`{shown(text)}` is not a number that can be computed with",
                expected="a finite number; a whole one of at most 63 bits",
                fix="write a smaller number, or quotes around it if it is a name",
            )
            return text
        return value


def _resolved(text: str) -> bool | float | str | None:
    """What a plain word means (YAML 1.2, core schema); a number out of reach is not finite."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return math.nan if _NOT_FINITE.fullmatch(text) else text


def _whole(text: str) -> float:
    if len(text) > MAX_INT_DIGITS:
        return math.inf
    value = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return value if abs(value) <= MAX_INT else math.inf
