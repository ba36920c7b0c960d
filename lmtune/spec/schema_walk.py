"""From pydantic's location of an error to the node in the file and the types that it may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lmtune.spec.config import Config
from lmtune.spec.tree import Node, Spot, scalar_text


@dataclass(frozen=True)
class Fault:
    """Where an error is.

    Attributes:
        node: the deepest node on the way that was written.
        keys: the way to it from the tree's root.
        is_written: whether the place itself was; not where a key is missing or follows from others.
        spot: what to show; for a missing key, the place where it should be.
        key: the name of the field, or of what stands where no field is.
        field: the field, where there is one.
        section: what holds the key.
        types: what may stand there, unions and optional ones taken apart.
        root: what the tree as a whole is.
    """

    node: Node
    keys: tuple[str | int, ...]
    is_written: bool
    spot: Spot
    key: str
    field: FieldInfo | None
    section: type[Config] | None
    types: tuple[Any, ...]
    root: type[Config]


def locate(tree: Node, model: type[Config], location: Sequence[str | int]) -> Fault:
    """Follow pydantic's location through the written tree and the types at once.

    The location names the chosen member of a union, too, which is in the types but not in the
    tree, and keys that are missing, which are in the types alone.
    """
    node, spot = tree, tree.spot
    keys: tuple[str | int, ...] = ()
    types: tuple[Any, ...] = (model,)
    field: FieldInfo | None = None
    section: type[Config] | None = None
    key = ""
    is_written = True
    for number, part in enumerate(location, start=1):
        child = node.child(part)
        if _is_member(part, types, node, child):
            # What the whole of a union refuses was expected to be any of its members.
            is_inside = number < len(location)
            types = _members(part, types) if is_inside else types
            continue
        section = types[0] if len(types) == 1 and is_section(types[0]) else None
        field = section.model_fields.get(str(part)) if section else None
        types = _inside(types, field)
        key = str(part)
        spot = child.spot if child else node.spot.below(part)
        is_written = child is not None
        if child:
            node, keys = child, (*keys, part)
    return Fault(node, keys, is_written, spot, key, field, section, types, model)


def homes(model: type[Config], key: str, *above: str) -> Iterator[tuple[str, ...]]:
    """The ways to the sections that have a field of some name; one for each kind of section."""
    if key in model.model_fields:
        yield above
    for name, field in model.model_fields.items():
        for kind in alternatives(field.annotation):
            if is_section(kind):
                yield from homes(kind, key, *above, name)


def choices(types: Sequence[Any]) -> tuple[str, ...]:
    """The words that choose between types: their `type` or `distribution`, or a Literal's own."""
    words = [word for kind in types for word in (*_words(kind), *_literals(kind))]
    return tuple(dict.fromkeys(words))


def alternatives(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    """The types that an annotation allows, None apart."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for member in get_args(annotation) for kind in alternatives(member))
    return () if annotation is NoneType else (annotation,)


def _is_member(part: str | int, types: Sequence[Any], node: Node, child: Node | None) -> bool:
    """Whether a part of a location names a member of a union rather than a key.

    A key may be called like a kind: `{type: url, url: ...}` has a key and a kind of one name.
    """
    if len(types) < 2:
        return False
    kind = node.child("type")
    return child is None or (kind is not None and kind.value == part)


def _members(part: str | int, types: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(kind for kind in types if part in _tags(kind))


def _inside(types: Sequence[Any], field: FieldInfo | None) -> tuple[Any, ...]:
    """The types of a field, or of the values of a mapping or list."""
    if field:
        return alternatives(field.annotation)
    inner = [get_args(kind) for kind in types if get_origin(kind) in (dict, list, tuple)]
    is_mapping = any(get_origin(kind) is dict for kind in types)
    return alternatives(inner[0][1 if is_mapping else 0]) if inner else ()


def is_section(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    """Whether a type is a section's."""
    return isinstance(kind, type) and issubclass(kind, Config)


def _tags(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any annotation
    return (kind.__name__, *_words(kind)) if is_section(kind) else ()


def _words(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any annotation
    if not is_section(kind):
        return ()
    fields = [kind.model_fields.get(name) for name in ("type", "distribution")]
    return tuple(word for field in fields if field for word in _literals(field.annotation))


def _literals(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - any annotation
    return tuple(map(scalar_text, get_args(kind))) if get_origin(kind) is Literal else ()
