"""Names that become folders, table rows and run names: of sweeps, and of variants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lmtune.spec.config import Conflict
from lmtune.spec.tree import Node

MAX_NAME = 64

_SWEEP_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NOT_IN_SWEEP_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_VARIANT_NAME = re.compile(r"[\w=,+-][\w.=,+-]*")
_NOT_IN_VARIANT_NAME = re.compile(r"[^\w.=,+-]+")


def check_sweep_name(name: object) -> object:
    """Refuse a name that no folder can have, or that leads out of its own; a pydantic validator."""
    if isinstance(name, str) and not (_SWEEP_NAME.fullmatch(name) and len(name) <= MAX_NAME):
        raise Conflict(
            what="the name cannot be that of a folder, which it becomes",
            expected=f"up to {MAX_NAME} letters, digits, `_`, `-` and `.`, not beginning with `.`",
            fix=f"write {_cleaned(name, _NOT_IN_SWEEP_NAME) or 'my_sweep'}",
        )
    return name


def check_variant_name(name: str) -> None:
    """Refuse a name that would not be readable in a table or a run's title.

    Raises:
        Conflict: with a name that would do.
    """
    if not (_VARIANT_NAME.fullmatch(name) and len(name) <= MAX_NAME):
        raise Conflict(
            what="cannot be the name of a variant",
            expected=f"up to {MAX_NAME} letters, digits and `_ - . = , +`, not beginning with `.`",
            fix=f"write {_cleaned(name, _NOT_IN_VARIANT_NAME) or 'base'}",
        )


def variant_name(values: Mapping[str, Node]) -> str:
    """A variant by what it changes: `num_layers=1,dropout=0.0`.

    Args:
        values: by a name for each path, as `short_names` gives.
    """
    words = (f"{name}={_value_name(node)}" for name, node in values.items())
    return _NOT_IN_VARIANT_NAME.sub("_", ",".join(words))


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Each path by its last words, as few as tell all of them apart."""
    longest = max((path.count(".") + 1 for path in paths), default=1)
    for length in range(1, longest + 1):
        names = {path: ".".join(path.split(".")[-length:]) for path in paths}
        if len(set(names.values())) == len(paths):
            break
    return names


def _cleaned(name: str, surplus: re.Pattern[str]) -> str:
    return surplus.sub("_", name).lstrip(".")[:MAX_NAME]


def _value_name(node: Node) -> str:
    """A value as a variant's name has it: `markov+order=2` for a section."""
    if node.is_scalar:
        return node.text or "null"
    kind = node.child("type")
    words = [kind.text] if kind else []
    words += [f"{key}={_value_name(n)}" for key, n in node.entries.items() if n is not kind]
    return "+".join(words + [_value_name(n) for n in node.items])
