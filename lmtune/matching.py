"""Solves `match`: the width at which each variant is as large, or as costly, as the target."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lmtune.datasets import PreparedDatasets
from lmtune.errors import Problem, SpecError
from lmtune.spec import find_places
from lmtune.spec.match import Match, Matched
from lmtune.spec.places import Places
from lmtune.spec.search import Distribution
from lmtune.spec.search_space import points
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.tree import scalar_text
from lmtune.spec.trial import Scalar, TrialConfig
from lmtune.training import trial_facts

_COUNTS = {
    "params": "num_parameters",
    "non_embedding_params": "num_non_embedding_parameters",
    "flops_per_token": "flops_per_token",
}
_FINE_STEPS = (8, 4, 2, 1)
"""Of the other widths: the coarsest that will do, as even sizes compute faster."""

_MOST_STEPS = 2**20


def match_widths(sweep: SweepSpec, prepared: PreparedDatasets, spec: Path) -> SweepSpec:
    """Give each variant the width at which it meets the target.

    Args:
        sweep: as understood; without `match` it is returned as it is.
        prepared: the data of all variants: counts depend on the vocabulary.
        spec: the file, for messages.

    Raises:
        SpecError: with every variant that cannot meet the target, and every search that would
            leave it again.
        DataError: the base is no variant, and its data cannot be prepared.
    """
    match = sweep.match
    if match is None:
        return sweep
    places = find_places(spec, sweep.overrides)
    solver = _Solver(match, prepared, places)
    variants, problems = [], []
    for variant in sweep.variants:
        resized = variant.resized(solver.solve(variant))
        problems += [*solver.misses(resized), *solver.leaves(resized)]
        variants.append(resized)
    problems += _doubles(variants, places)
    if problems:
        raise SpecError(problems)
    return sweep.model_copy(update={"variants": tuple(variants)})


def describe_match(sweep: SweepSpec) -> list[str]:
    """What was solved, a line a variant, for the terminal; nothing where there is no match."""
    lines = []
    for variant in sweep.variants:
        if matched := variant.matched:
            solved = ", ".join(f"{path} {width}" for path, width in matched.solved.items())
            lines.append(
                f"{variant.name}: {solved}, {_counted(matched.reached, matched.by)} "
                f"({matched.mismatch:+.2%} of {matched.target:,})"
            )
    return lines


@dataclass(frozen=True)
class _Solver:
    """Counts what is to be matched, and finds the widths for it."""

    match: Match
    prepared: PreparedDatasets
    places: Places

    @cached_property
    def target(self) -> int:
        """What every variant is to have."""
        if self.match.target == "base":
            return self.count(self.match.base, where=self.places.of_file("base", "dataset"))
        return self.match.target

    def count(self, config: TrialConfig, where: str = "dataset") -> int:
        """What a configuration has of what is matched."""
        facts = trial_facts(config, self.prepared.get(config.dataset, where=where))
        number: int = getattr(facts, _COUNTS[self.match.by])
        return number

    def solve(self, variant: Variant) -> Matched:
        """The widths at which a variant comes nearest to the target.

        The width of the whole model decides; widths inside of it follow, unless the target is
        missed by more than the tolerance and the file leaves them open.
        """
        width, *finer = variant.config.model.WIDTHS
        step = _step(variant)
        number = self._nearest(lambda n: self._count_at(variant, {width: n * step}))
        solved = {width: number * step}
        for name in finer:
            if self._is_met(self._count_at(variant, solved)) or name in variant.given["model"]:
                break
            solved |= self._fine(variant, solved, name)
        reached = self._count_at(variant, solved)
        return Matched(
            by=self.match.by,
            target=self.target,
            reached=reached,
            mismatch=reached / self.target - 1,
            solved={f"model.{name}": value for name, value in solved.items()},
        )

    def misses(self, variant: Variant) -> Iterator[Problem]:
        """That a variant cannot meet the target, if it cannot."""
        matched, match = variant.matched, self.match
        assert matched is not None
        if self._is_met(matched.reached):
            return
        solved = " and ".join(f"{path}: {width}" for path, width in matched.solved.items())
        enough = math.ceil(round(abs(matched.mismatch) * 1000, 6)) / 1000
        laxer = f", or set match.tolerance: {enough:g}" if enough < 1 else ""
        yield Problem(
            self.places.of_file("match"),
            f"variant `{variant.name}` cannot have {_counted(matched.target, match.by)}: the "
            f"nearest is {solved}, with {matched.reached:,} ({matched.mismatch:+.1%})",
            f"a width that misses the target by at most {match.tolerance:.3g} of it",
            f"give another target, or change the variant's other dimensions{laxer}",
        )

    def leaves(self, variant: Variant) -> Iterator[Problem]:
        """Searched fields that would take a variant away from the target again."""
        for path, found in _counting(variant).items():
            for value in found.corners():
                count = self._searched_count(variant, {path: value})
                if count is None or self._is_met(count):
                    continue
                yield Problem(
                    self.places.of_parameter(variant.name, path),
                    f"{path} is searched, and with {scalar_text(value)} variant "
                    f"`{variant.name}` would have {_counted(count, self.match.by)} instead of "
                    f"{self.target:,}",
                    "a search that leaves the size alone",
                    f"remove match, or make {path} variants: match solves a width for each",
                )
                break

    def _searched_count(self, variant: Variant, point: Mapping[str, Scalar]) -> int | None:
        """What a variant has at a point of its search; None where that alone builds no model."""
        try:
            return self.count(variant.trial_config(point))
        except SpecError:
            return None

    def _fine(self, variant: Variant, solved: Mapping[str, int], name: str) -> dict[str, int]:
        """A width inside the model that takes up what is missing; none where none would do."""
        usual: int = getattr(self._config_at(variant, solved).model, name)
        for step in _FINE_STEPS:

            def count(number: int, step: int = step) -> int:
                return self._count_at(variant, {**solved, name: number * step})

            number = self._nearest(count)
            is_usual = usual <= 2 * number * step <= 4 * usual
            if is_usual and self._is_met(count(number)):
                return {name: number * step}
        return {}

    def _nearest(self, count: Callable[[int], int]) -> int:
        """The whole number from 1 whose count, which grows with it, is nearest to the target."""
        high = 1
        while high < _MOST_STEPS and count(high) < self.target:
            high *= 2
        above = bisect_left(range(1, high), self.target, key=count) + 1
        return min(
            (number for number in (above - 1, above) if number),
            key=lambda number: abs(count(number) - self.target),
        )

    def _count_at(self, variant: Variant, widths: Mapping[str, int]) -> int:
        return self.count(self._config_at(variant, widths))

    def _config_at(self, variant: Variant, widths: Mapping[str, int]) -> TrialConfig:
        return variant.trial_config({f"model.{name}": value for name, value in widths.items()})

    def _is_met(self, count: int) -> bool:
        return abs(count - self.target) <= self.match.tolerance * self.target


def _step(variant: Variant) -> int:
    """What the width must be a multiple of, whatever the variant's search may propose."""
    searched = {p: found for p, found in variant.parameters.items() if p.startswith("model.")}
    steps = [variant.config.model.width_step]
    steps += [variant.trial_config(point).model.width_step for point in points(searched)]
    return math.lcm(*steps)


def _counting(variant: Variant) -> dict[str, Distribution]:
    """The searched fields that may decide about the model's size or cost."""
    return {
        path: found
        for path, found in variant.parameters.items()
        if path.startswith(("model.", "dataset."))
    }


def _doubles(variants: list[Variant], places: Places) -> Iterator[Problem]:
    """Variants that differed in their widths alone, and so have become the same."""
    seen: dict[str, Variant] = {}
    for variant in variants:
        searched = {path: repr(found) for path, found in variant.parameters.items()}
        twin = seen.setdefault(repr([variant.config.content(), searched]), variant)
        if twin is not variant:
            yield Problem(
                places.of_variant(variant.name, "model"),
                f"with the width that match solves, variant `{variant.name}` is the same as "
                f"variant `{twin.name}`",
                "variants that differ in more than their width",
                "remove one of the two, or remove match",
            )


def _counted(count: int, by: str) -> str:
    return f"{count:,} {by}"
