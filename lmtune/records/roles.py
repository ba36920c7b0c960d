"""What of the records belongs to a sweep as it now is, and why the rest does not.

The records keep every trial that a sweep of the name ever ran. A trial that serves several
variants or phases is recorded once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lmtune.errors import SpecError
from lmtune.records.trial_folder import Role, TrialRecord
from lmtune.spec.identity import study_name
from lmtune.spec.paths import flattened
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.trial import Scalar, TrialConfig

_SHOWN = 3


@dataclass(frozen=True)
class Belonging:
    """Which trials are those of a sweep.

    Attributes:
        records: of the sweep, once for each variant and phase that a trial serves.
        others: trials that the sweep does not ask for any more, since its file or its data was
            edited, with the reason, by id.
    """

    records: tuple[TrialRecord, ...]
    others: dict[str, str]


class Membership:
    """Tells the trials of a sweep from those of earlier versions of its file.

    Args:
        sweep: as it now is.
        fingerprints: of the data of each variant's own configuration, by the variant's name.
    """

    def __init__(self, sweep: SweepSpec, fingerprints: Mapping[str, str]) -> None:
        self._sweep = sweep
        self._fingerprints = fingerprints
        self._variants = {variant.name: variant for variant in sweep.variants}
        self._configs: dict[tuple[str, tuple[tuple[str, Scalar], ...]], TrialConfig | None] = {}

    def sort_out(self, records: Iterable[TrialRecord]) -> Belonging:
        """Which of the records belong to the sweep.

        A confirm trial whose values came from a search that has changed since goes with it.
        """
        kept: list[TrialRecord] = []
        others: dict[str, str] = {}
        given_up: set[tuple[str, str]] = set()
        for record in records:
            mine = list(self._by_role(record))
            kept += mine
            if not mine:
                role = Role.of(record.spec)
                others[record.spec.trial_id] = self.why_not(record, role)
                if role.phase == "tune":
                    given_up.add(_searched(role))
        found = {_searched(Role.of(each.spec)) for each in kept if each.spec.phase == "tune"}
        winners = self._winners(kept)
        for record in list(kept):
            role = Role.of(record.spec)
            if role.phase == "tune":
                continue
            if _searched(role) in given_up - found:
                reason = "its values were found by a search that has been changed since"
            elif _searched(role) not in winners.get(role.variant, {_searched(role)}):
                reason = "its search went on since and found better values"
            else:
                continue
            kept.remove(record)
            if not any(record.spec.trial_id == each.spec.trial_id for each in kept):
                others[record.spec.trial_id] = reason
        return Belonging(tuple(kept), others)

    def _winners(self, kept: Iterable[TrialRecord]) -> dict[str, set[tuple[str, str]]]:
        """The values that are to be confirmed, by variant, where a search is known to be over."""
        tuned: dict[str, list[TrialRecord]] = {}
        for record in kept:
            if record.spec.phase == "tune" and record.spec.study and record.result is not None:
                tuned.setdefault(record.spec.variant, []).append(record)
        winners = {}
        for name, records in tuned.items():
            if len(records) == self._sweep.num_tune_trials(self._variants[name]):
                completed = [record for record in records if record.status == "completed"]
                completed.sort(key=lambda record: (self._loss(record), record.spec.proposal))
                best = completed[: self._sweep.seeds.top_k]
                winners[name] = {_searched(Role.of(record.spec)) for record in best}
        return winners

    def _loss(self, record: TrialRecord) -> float:
        """The metric at the end, lower being better."""
        value = getattr(record.last, self._sweep.metric.name, None)
        if value is None or math.isnan(value):
            return math.inf
        return float(value) if self._sweep.metric.goal == "minimize" else -float(value)

    def why_not(self, record: TrialRecord, role: Role) -> str:
        """Why the sweep does not ask for a trial in a role; empty where it does."""
        spec, variant = record.spec, self._variants.get(role.variant)
        if variant is None:
            return f"there is no variant `{role.variant}` any more"
        seeds = self._sweep.seeds
        asked = seeds.tune if role.phase == "tune" else seeds.confirm
        if spec.seed not in asked:
            return f"seed {spec.seed} is none of the {role.phase} seeds, {list(asked)}"
        if role.parameters.keys() != variant.parameters.keys():
            return (
                f"variant `{role.variant}` searches {_listed(variant.parameters)} now, and this "
                f"trial is from a search of {_listed(role.parameters)}"
            )
        config = self._config(variant, role)
        if config is None:
            return "its values do not go together with the rest of the file any more"
        if config.content() != spec.config.content():
            return _difference(spec.config, config)
        return self._why_other_data_or_search(record, role, variant)

    def _why_other_data_or_search(self, record: TrialRecord, role: Role, variant: Variant) -> str:
        fingerprint = self._fingerprints.get(variant.name)
        if fingerprint is None:
            return ""
        is_own = record.spec.config.dataset == variant.config.dataset  # else it is searched
        if is_own and record.spec.data_fingerprint != fingerprint:
            return "the text that its data was prepared from has changed"
        if role.phase == "tune" and role.study:
            name = study_name(
                variant,
                method=self._sweep.method,
                seed=self._sweep.seeds.tune[0],
                metric=self._sweep.metric,
                data_fingerprint=fingerprint,
            )
            if role.study != name:
                return "it was proposed by a search with another method, metric, range or seed"
            allowed = self._sweep.num_tune_trials(variant)
            if role.proposal >= allowed:
                return f"its search has {allowed} trials now, and it was number {role.proposal + 1}"
        return ""

    def _by_role(self, record: TrialRecord) -> Iterator[TrialRecord]:
        """The record, once for each variant and phase of the sweep that it serves."""
        for role in record.all_roles:
            if not self.why_not(record, role):
                config = self._config(self._variants[role.variant], role)
                changes = {**dict(role), "config": config}
                yield replace(record, spec=record.spec.model_copy(update=changes), roles=())

    def _config(self, variant: Variant, role: Role) -> TrialConfig | None:
        """The configuration as the variant has it; None where it cannot be built."""
        key = (variant.name, tuple(role.parameters.items()))
        if key not in self._configs:
            try:
                self._configs[key] = variant.trial_config(role.parameters)
            except SpecError:
                self._configs[key] = None
        return self._configs[key]


def _searched(role: Role) -> tuple[str, str]:
    """A variant and the values that were searched in it."""
    return role.variant, repr(sorted(role.parameters.items()))


def _difference(then: TrialConfig, now: TrialConfig) -> str:
    """The fields that differ, with their values."""
    before, after = dict(flattened(then.content())), dict(flattened(now.content()))
    paths = [path for path in before | after if before.get(path) != after.get(path)]
    shown = [
        f"{path} is {after.get(path)} in the file and was {before.get(path)}"
        for path in paths[:_SHOWN]
    ]
    more = f" and {len(paths) - _SHOWN} more differ" if len(paths) > _SHOWN else ""
    return ", ".join(shown) + more


def _listed(paths: Iterable[str]) -> str:
    return ", ".join(paths) or "nothing"
