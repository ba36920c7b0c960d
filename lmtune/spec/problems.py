"""Gathers what is wrong with a sweep file, each problem with its place."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lmtune.errors import Problem, SpecError
from lmtune.spec.config import Config, Conflict
from lmtune.spec.schema_walk import Fault, locate
from lmtune.spec.tree import Node, Spot
from lmtune.spec.wording import wording


class Problems:
    """The problems found so far, one for each place: what follows from a mistake is not told."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Spot, Problem]] = {}
        self._unknown_sections: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, spot: Spot, what: str, expected: str = "", fix: str = "") -> None:
        """Tell what is wrong at a spot, unless something is told of it already."""
        problem = Problem(spot.where, what, expected, fix)
        self._found.setdefault(spot.where, (spot, problem))

    def add_invalid(
        self, error: ValidationError, tree: Node, model: type[Config], remark: str = ""
    ) -> None:
        """Tell all that pydantic found.

        Args:
            error: from validating the tree's values.
            tree: what was validated.
            model: what it was validated as.
            remark: for the end of each message, such as which variant it concerns.
        """
        for details in causes(error, tree, model):
            fault = faults(details, tree, model)[0]
            if not self.is_unknown(".".join(map(str, fault.keys))):
                words = wording(details, fault)
                self.add(fault.spot, words.what + remark, words.expected, words.fix)

    def concern(self, spot: Spot) -> bool:
        """Whether something is told of a spot or what is below it."""
        below = (f"{spot.path}.", f"{spot.path}[")
        paths = [found.path for found, _ in self._found.values()]
        return any(path == spot.path or path.startswith(below) for path in paths)

    def leave_out(self, section: str) -> None:
        """Tell nothing more of a section of the base: its type is wrong, so its fields are unknown.

        Args:
            section: its dotted path in a trial's configuration.
        """
        self._unknown_sections.append(section)

    def is_unknown(self, path: str) -> bool:
        """Whether a path in a trial's configuration is in a section of which nothing is known."""
        return any(f"{path}.".startswith(f"{section}.") for section in self._unknown_sections)

    def fatal(self, spot: Spot, what: str, expected: str = "", fix: str = "") -> SpecError:
        """Tell what makes reading on impossible; the error to raise."""
        self.add(spot, what, expected, fix)
        return self.error()

    def error(self) -> SpecError:
        """All problems, in the order of the file."""
        in_order = sorted(self._found.values(), key=lambda found: found[0].order)
        return SpecError([problem for _, problem in in_order])


def causes(error: ValidationError, tree: Node, model: type[Config]) -> list[ErrorDetails]:
    """The errors to tell: not those that only follow from others.

    A value that was derived from a wrong one is wrong as well; and a mapping that is wrong inside
    is also refused by the other members of its union, which want no mapping.
    """
    errors = error.errors(include_url=False, include_input=False)
    found = [(details, faults(details, tree, model)[0]) for details in errors]
    written = [(d, fault) for d, fault in found if fault.is_written or d["type"] == "missing"]
    places = [fault.spot.path for _, fault in written]
    return [
        details
        for details, fault in written or found
        if not any(place.startswith(f"{fault.spot.path}.") for place in places)
    ]


def faults(details: ErrorDetails, tree: Node, model: type[Config]) -> list[Fault]:
    """The places of an error, the one to tell first; several where values are in conflict.

    Of values that do not go together, the one to tell is the one that a variant or the search
    brought in: the base is valid without it.
    """
    section = locate(tree, model, details["loc"])
    conflict = details.get("ctx", {}).get("error")
    if not isinstance(conflict, Conflict):
        return [section]
    ways = [(*details["loc"], *field.split(".")) for field in conflict.fields]
    written = [way for way in ways if locate(tree, model, way).node is not section.node]
    fields = [locate(tree, model, way) for way in written]
    fields.sort(key=lambda fault: fault.spot.path.startswith("base."))
    return fields or [section]
