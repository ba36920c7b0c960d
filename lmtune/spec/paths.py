"""Dotted paths such as `model.num_layers`, read from a configuration and written into a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lmtune.spec.config import Config


class UnknownPathError(LookupError):
    """A path names nothing in a configuration.

    Args:
        path: the path.
        choices: the paths that the deepest section on the way has.
    """

    def __init__(self, path: str, choices: tuple[str, ...]) -> None:
        super().__init__(f"`{path}` names nothing; one of {', '.join(choices)}")
        self.path = path
        self.choices = choices


def get_path(config: Config, path: str) -> Any:  # noqa: ANN401 - a section or a field's value
    """The section or value at a path.

    Raises:
        UnknownPathError: the configuration has no such field.
    """
    value: Any = config
    passed: list[str] = []
    for key in path.split("."):
        if not isinstance(value, Config):
            raise UnknownPathError(path, (".".join(passed),))
        if key not in type(value).model_fields:
            raise UnknownPathError(path, tuple(paths_below(value, *passed)))
        value = getattr(value, key)
        passed.append(key)
    return value


def paths_below(section: Config, *above: str) -> Iterator[str]:
    """The paths of a section's values, those of the sections in it included, in order."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Config):
            yield from paths_below(value, *above, name)
        else:
            yield ".".join((*above, name))


def flattened(section: Mapping[str, Any], *above: str) -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by dotted path, in order."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from flattened(value, *above, key)
        else:
            yield ".".join((*above, key)), value


def with_value(mapping: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of nested mappings with one value set; what is missing on the way is made.

    A section that is given by the name of its type alone is written out first.
    """
    key, _, rest = path.partition(".")
    if not rest:
        return {**mapping, key: value}
    section = mapping.get(key, {})
    if isinstance(section, str):
        section = {"type": section}
    return {**mapping, key: with_value(section, rest, value)}
