"""A sweep file as a tree of values, each of which knows where it was written.

Variants are made by laying trees over each other, so that a mistake that only their combination
shows is still told with the line of the value that made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MAX_SHOWN = 60
"""Characters of a value or key that a message repeats."""


def shown(text: str) -> str:
    """Text as a message repeats it: short, and without characters that would disturb a terminal."""
    clipped = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
    return clipped if clipped.isprintable() else repr(clipped)[1:-1]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the input, for messages.

    Attributes:
        label: `file:line`, or a `--set` option as given.
        order: sorts the spots: the file's lines and columns, then the options.
        path: dotted path from the file's top, as far as it is known.
        said: the path that the label says already.
    """

    label: str
    order: tuple[int, ...] = ()
    path: str = ""
    said: str = ""

    @property
    def where(self) -> str:
        """The beginning of a message."""
        return self.label if self.path == self.said else f"{self.label}: {self.path}"

    def below(self, key: str | int) -> Spot:
        """The same place, at a deeper path."""
        if isinstance(key, int):
            return replace(self, path=f"{self.path}[{key}]")
        return replace(self, path=f"{self.path}.{shown(key)}" if self.path else shown(key))


@dataclass(frozen=True, slots=True)
class Node:
    """A value with the spot where it, or its key, was written.

    Attributes:
        value: a scalar, or the nodes that a mapping or a list holds.
        text: a scalar as written.
    """

    spot: Spot
    value: Any
    text: str = ""

    @property
    def entries(self) -> Mapping[str, Node]:
        """What a mapping holds; nothing for any other node."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> Sequence[Node]:
        """What a list holds; nothing for any other node."""
        return self.value if isinstance(self.value, list) else ()

    @property
    def is_scalar(self) -> bool:
        """True for a single value."""
        return not isinstance(self.value, (dict, list))

    def child(self, key: str | int) -> Node | None:
        """What a mapping holds at a key, or a list at an index."""
        if isinstance(key, str):
            return self.entries.get(key)
        return self.items[key] if 0 <= key < len(self.items) else None

    def find(self, keys: Sequence[str | int]) -> Node | None:
        """The node that a way of keys leads to."""
        node: Node | None = self
        for key in keys:
            node = node and node.child(key)
        return node

    def plain(self) -> Any:  # noqa: ANN401 - any YAML
        """The values alone."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def __str__(self) -> str:
        """The value as a message names it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return f"`{self.text}`" if self.text else "an empty value"
        return f"`{shown(self.text)}`" if self.text else "an empty text"


def node_of(value: Any, spot: Spot) -> Node:  # noqa: ANN401 - any YAML
    """The tree of plain values that were not read from a file."""
    if isinstance(value, Mapping):
        return Node(spot, {key: node_of(item, spot.below(key)) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        items = enumerate(value)
        return Node(spot, [node_of(item, spot.below(index)) for index, item in items])
    return Node(spot, value, scalar_text(value))


def scalar_text(value: object) -> str:
    """A scalar as YAML writes it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def as_section(node: Node) -> Node:
    """A section that is given by the name of its type alone, written out."""
    return replace(node, value={"type": node}) if isinstance(node.value, str) else node


def nested(keys: Sequence[str], node: Node) -> Node:
    """A node below mappings that hold nothing else."""
    for key in reversed(keys):
        node = Node(node.spot, {key: node})
    return node


def laid_over(base: Node, change: Node) -> Node:
    """A tree with another laid over it, mapping by mapping.

    A change of a section's `type` replaces the section, for the fields of the old type mean
    nothing to the new one.
    """
    if base.is_scalar and change.is_scalar:
        return change
    below, above = as_section(base), as_section(change)
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return change
    old_type, new_type = below.child("type"), above.child("type")
    if new_type and (old_type is None or new_type.value != old_type.value):
        return above
    merged = dict(below.entries)
    for key, node in above.entries.items():
        merged[key] = laid_over(merged[key], node) if key in merged else node
    return replace(above, value=merged)


def with_node(tree: Node, keys: Sequence[str], node: Node) -> Node:
    """A tree with one node set; mappings that are missing on the way are made.

    A section that is given by the name of its type alone is written out first.

    Raises:
        TypeError: a list or a plain value is in the way.
    """
    if not keys:
        return node
    section = as_section(tree)
    if not isinstance(section.value, dict):
        raise TypeError(f"{tree} at {tree.spot.path} is no mapping")
    key, *rest = keys
    missing = Node(replace(node.spot, path=section.spot.below(key).path), {})
    new = with_node(section.value.get(key, missing), rest, node)
    return replace(section, value={**section.value, key: new})


def without(tree: Node, keys: Sequence[str | int]) -> Node:
    """A tree less the node that a way of keys leads to."""
    key, *rest = keys
    child = tree.child(key)
    if child is None:
        return tree
    kept = without(child, rest) if rest else None
    if isinstance(key, str):
        entries = {k: kept if k == key else n for k, n in tree.entries.items()}
        return replace(tree, value={k: n for k, n in entries.items() if n})
    items = [kept if n is child else n for n in tree.items]
    return replace(tree, value=[n for n in items if n])
