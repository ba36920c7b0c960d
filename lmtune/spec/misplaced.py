"""Keys that stand in the wrong place: where they belong."""

from __future__ import annotations

from lmtune.spec.schema_walk import Fault, homes

_Way = tuple[str, ...]

_OPTION = "--set "


def nested_key(fault: Fault) -> str | None:
    """How to write a dotted key (`model.num_layers: 2`) where sections are nested; None for others.

    Only `ablate`, `grid`, `parameters` and `--set` have dotted paths.
    """
    first, dot, rest = fault.key.partition(".")
    if not dot or fault.section is None:
        return None
    here = fault.keys[:-1]
    is_here = first in fault.section.model_fields
    if not is_here and (here or ("base",) not in homes(fault.root, first)):
        return None
    value = fault.node.text or "..." if fault.node.is_scalar else "..."
    for key in reversed(rest.split(".")):
        value = f"{{{key}: {value}}}"
    return f"write it nested{'' if is_here else ' in base'}: {first}: {value}"


def moved_near(fault: Fault) -> str | None:
    """Where a key belongs that stands one floor too high or too low; None for others.

    A section of the base at the top of the file, or a key of the top inside a trial.
    """
    here = fault.keys[:-1]
    home = _home(fault)
    is_trial = here == ("base",) or (here[:1] == ("variants",) and len(here) == 2)
    is_near = (home == ("base",) and not here) or (home == () and is_trial)
    return _move(fault, home) if is_near and home is not None else None


def moved_far(fault: Fault) -> str | None:
    """Where a key belongs that another section has; None where none or several have it."""
    home = _home(fault)
    return None if home is None else _move(fault, home)


def _home(fault: Fault) -> _Way | None:
    """The one section that has the key, seen from the tree's root; of several the nearest to it."""
    here = tuple(map(str, fault.keys[:-1]))
    ways = {way for way in homes(fault.root, fault.key) if way != here}
    nearest = {way for way in ways if len(way) == min(map(len, ways))}
    return nearest.pop() if len(nearest) == 1 else None


def _move(fault: Fault, home: _Way) -> str:
    here = fault.keys[:-1]
    if fault.spot.label.startswith(_OPTION):
        rest = fault.spot.said.split(".")[len(here) :]
        value = fault.spot.label.partition("=")[2]
        return f"write {_OPTION}{'.'.join((*home, *rest))}={value}"
    if not home:
        return f"move it to the top of the file, beside {here[0]}"
    if here[:1] == ("variants",) and home[0] == "base":
        home = (*map(str, here[:2]), *home[1:])
    return f"move it into {'.'.join(home)}"
