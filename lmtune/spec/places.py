"""Where the sections of a sweep file stand, for what is found wrong only after it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lmtune.spec.tree import Node
from lmtune.spec.variants import Draft


@dataclass(frozen=True)
class Places:
    """The beginnings of messages: `file:line: dotted.path`.

    Attributes:
        tree: the file.
        drafts: its variants by name.
    """

    tree: Node
    drafts: Mapping[str, Draft]

    def of_file(self, *keys: str) -> str:
        """The place of a key; of the nearest above it where it was not written."""
        return _deepest(self.tree, keys)

    def of_variant(self, name: str, path: str) -> str:
        """The place of what a variant has at a dotted path, be it the variant's own or the base's.

        Raises:
            KeyError: there is no such variant.
        """
        return _deepest(self.drafts[name].tree, path.split("."))

    def of_parameter(self, name: str, path: str) -> str:
        """The place of what a variant searches.

        Raises:
            KeyError: there is no such variant.
        """
        own = self.drafts[name].parameter_nodes.get(path)
        return own.spot.where if own else self.of_file("parameters", path)


def _deepest(node: Node, keys: Sequence[str]) -> str:
    for number, key in enumerate(keys):
        child = node.child(key)
        if child is None:
            spot = node.spot
            for missing in keys[number:]:
                spot = spot.below(missing)
            return spot.where
        node = child
    return node.spot.where
