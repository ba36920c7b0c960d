"""The `--set PATH=VALUE` options: they change the file's tree before anything is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lmtune.errors import SpecError
from lmtune.spec.problems import Problems
from lmtune.spec.tree import Node, Spot, as_section, shown, with_node
from lmtune.spec.yaml_nodes import read_yaml

_KEYED_BY_PATH = ("ablate", "grid", "parameters")


def with_overrides(tree: Node, options: Sequence[str], problems: Problems) -> Node:
    """The tree with the options' values set, in their order, as if the file had them."""
    for index, option in enumerate(options):
        spot = Spot(f"--set {shown(option)}", order=(1, index))
        path, equals, text = option.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            problems.add(
                spot, "no path and value", expected="PATH=VALUE", fix="--set base.model.size=small"
            )
            continue
        tree = _with_override(tree, _way(tree, parts), text, spot, problems)
    return tree


def _with_override(
    tree: Node, keys: Sequence[str], text: str, spot: Spot, problems: Problems
) -> Node:
    for key in keys:
        spot = spot.below(key)
    spot = replace(spot, said=spot.path)
    try:
        value = read_yaml(text, lambda _: spot, problems, spot.path)
    except SpecError:  # the problems hold it, and the rest can still be checked
        return tree
    if value is None:
        problems.add(spot, "no value", expected="PATH=VALUE", fix="write null for no value")
        return tree
    try:
        return with_node(tree, keys, value)
    except TypeError as error:
        problems.add(spot, f"{error}", fix="set the whole of it instead")
        return tree


def _way(tree: Node, parts: Sequence[str]) -> list[str]:
    """The keys that a dotted path goes through; some keys are dotted paths themselves."""
    keys: list[str] = []
    node: Node | None = tree
    rest = list(parts)
    while rest:
        entries = as_section(node).entries if node else {}
        whole = len(rest) if keys and keys[-1] in _KEYED_BY_PATH else 1
        known = (n for n in range(len(rest), 0, -1) if ".".join(rest[:n]) in entries)
        length = next(known, whole)
        keys.append(".".join(rest[:length]))
        node = entries.get(keys[-1])
        rest = rest[length:]
    return keys
