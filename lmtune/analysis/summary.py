"""From the records to the answer of a sweep, and to `summary.json`.

Only completed confirm trials count: a trial that was stopped, or that only served the search, is
no result at full budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lmtune.analysis.comparability import Measured, why_not_comparable
from lmtune.analysis.confirmed import (
    BestTrial,
    Configuration,
    best_trial,
    configuration_key,
    configurations,
    rank,
    tuned_value,
)
from lmtune.analysis.statistics import (
    Comparison,
    Estimate,
    Interval,
    compare,
    estimate,
    refused,
)
from lmtune.records import DatasetFacts, ExperimentFolder, TrialRecord
from lmtune.spec.result import Status
from lmtune.spec.sweep import Metric, SweepSpec, Variant
from lmtune.spec.trial import Phase

_ENDED: frozenset[Status] = frozenset({"completed", "diverged", "failed"})
"""A confirm trial that ended so is not waited for."""


@dataclass(frozen=True)
class VariantSummary:
    """What became of a variant.

    Attributes:
        variant: as the sweep has it.
        counts: trials by phase and status.
        answer: the configuration that speaks for the variant: of those with the most completed
            seeds the one with the best mean. None before any confirm trial.
        num_confirmed: configurations that `answer` was chosen from.
        tuned_value: what the search saw at the answer's configuration; None without a search.
        comparison: with the base, after the last epoch; None for the base itself.
        comparison_at_best: the same of each trial's best checkpoint.
    """

    variant: Variant
    counts: dict[Phase, Counter[Status]]
    answer: Configuration | None
    num_confirmed: int
    tuned_value: float | None
    comparison: Comparison | None
    comparison_at_best: Comparison | None

    @property
    def verdict_depends_on_checkpoint(self) -> bool:
        """Whether the last epoch and the best checkpoint give different verdicts."""
        last, best = self.comparison, self.comparison_at_best
        if not last or not best or last.p is None or best.p is None:
            return False
        return last.verdict != best.verdict

    @property
    def confirm(self) -> Estimate:
        """The mean over the answer's seeds; of no seeds where there is no answer yet."""
        return self.answer.confirm if self.answer else estimate([])

    @property
    def diverged_share(self) -> float:
        """Of all its trials, how many diverged."""
        diverged = sum(counts["diverged"] for counts in self.counts.values())
        return diverged / max(1, sum(counts.total() for counts in self.counts.values()))

    @property
    def is_comparable(self) -> bool:
        """Whether its numbers mean what those of the base mean."""
        return self.comparison is None or self.comparison.verdict != "not comparable"


@dataclass(frozen=True)
class Summary:
    """The answer of a sweep.

    Attributes:
        sweep: the question.
        datasets: of each variant, by name.
        variants: in the sweep's order; the first is the base of the comparison.
        best: of the variants that compare, if one of them has a completed confirm trial; else of
            all; None before any has completed.
        missing: what is still to be done, a phrase each.
    """

    sweep: SweepSpec
    datasets: dict[str, DatasetFacts]
    variants: tuple[VariantSummary, ...]
    best: BestTrial | None
    missing: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Nothing of the sweep is left to run."""
        return not self.missing

    @property
    def best_variant(self) -> VariantSummary | None:
        """Of the variants that compare, with the most completed seeds, that of the best mean."""
        answered = [each for each in self.variants if each.confirm.n and each.is_comparable]
        metric = self.sweep.metric
        return min(answered, key=lambda variant: rank(variant.confirm, metric), default=None)


def summarize(folder: ExperimentFolder) -> Summary:
    """Read an experiment's records and draw the conclusions.

    Raises:
        UserError: the folder holds no experiment, or a record is not readable.
    """
    return summarize_records(folder.read_sweep(), folder.read_datasets(), folder.read_trials())


def summarize_records(
    sweep: SweepSpec, datasets: dict[str, DatasetFacts], records: Iterable[TrialRecord]
) -> Summary:
    """Draw the conclusions from records that were read.

    Args:
        sweep: the question.
        datasets: of each variant, by name.
        records: as `ExperimentFolder.read_trials` gives them.
    """
    trials: dict[str, list[TrialRecord]] = {variant.name: [] for variant in sweep.variants}
    for record in records:
        trials[record.spec.variant].append(record)
    confirmed = {name: configurations(records, sweep.metric) for name, records in trials.items()}
    answers = [next(iter(found), None) for found in confirmed.values()]
    last = [answer.values if answer else {} for answer in answers]
    best = [answer.best_values if answer else {} for answer in answers]
    variants = tuple(
        VariantSummary(
            variant=variant,
            counts=_counts(trials[variant.name]),
            answer=answer,
            num_confirmed=len(confirmed[variant.name]),
            tuned_value=tuned_value(answer, trials[variant.name], sweep.metric),
            comparison=comparison,
            comparison_at_best=at_best,
        )
        for variant, answer, comparison, at_best in zip(
            sweep.variants,
            answers,
            _comparisons(sweep, answers, datasets, last),
            _comparisons(sweep, answers, datasets, best),
            strict=True,
        )
    )
    comparable = [confirmed[each.variant.name] for each in variants if each.is_comparable]
    best_compared = best_trial(chain.from_iterable(comparable), sweep.metric)
    return Summary(
        sweep=sweep,
        datasets=datasets,
        variants=variants,
        best=best_compared or best_trial(chain.from_iterable(confirmed.values()), sweep.metric),
        missing=tuple(
            phrase
            for variant in sweep.variants
            for phrase in _missing(sweep, variant, trials[variant.name], confirmed[variant.name])
        ),
    )


def _comparisons(
    sweep: SweepSpec,
    answers: Sequence[Configuration | None],
    datasets: Mapping[str, DatasetFacts],
    values: Sequence[Mapping[int, float]],
) -> list[Comparison | None]:
    """Each variant compared with the first by values of its seeds; None for the first itself."""
    base, *others = [
        Measured.of(variant, answer, datasets[variant.name])
        for variant, answer in zip(sweep.variants, answers, strict=True)
    ]
    reasons = [why_not_comparable(base, other, sweep.metric) for other in others]
    first, *rest = values
    comparable = [each for each, reason in zip(rest, reasons, strict=True) if reason is None]
    made = iter(compare(first, comparable, sweep.metric.goal))
    return [None, *(next(made) if reason is None else refused(reason) for reason in reasons)]


def summary_content(summary: Summary) -> dict[str, Any]:
    """The content of `summary.json`.

    `difference.interval` is of that comparison alone; `difference.p` is adjusted for all
    comparisons (Holm), as is the verdict. What there is no number for is NaN or None. A comparison
    that was refused has a `reason`, a variant whose width was solved says what came of it.
    """
    sweep, best = summary.sweep, summary.best
    return {
        "name": sweep.name,
        "question": sweep.question,
        "metric": sweep.metric.model_dump(mode="json"),
        "variants": [_variant_content(variant, sweep.metric) for variant in summary.variants],
        "best": best and {"trial_id": best.trial_id, "variant": best.variant, "value": best.value},
        "dataset": summary.datasets[sweep.variants[0].name].model_dump(exclude_none=True),
        "finished": summary.finished,
    }


def _variant_content(variant: VariantSummary, metric: Metric) -> dict[str, Any]:
    answer, matched = variant.answer, variant.variant.matched
    best = best_trial([answer] if answer else [], metric)
    return {
        "variant": variant.variant.name,
        "trials": sum(counts.total() for counts in variant.counts.values()),
        "completed": sum(counts["completed"] for counts in variant.counts.values()),
        "best_trial_id": best and best.trial_id,
        "parameters": answer.parameters if answer else {},
        "confirm": _estimate_content(variant.confirm),
        "difference": _difference_content(variant.comparison),
        "at_best_checkpoint": {
            "confirm": _estimate_content(answer.at_best if answer else estimate([])),
            "difference": _difference_content(variant.comparison_at_best),
        },
        **({"matched": matched.model_dump(mode="json")} if matched else {}),
    }


def _estimate_content(found: Estimate) -> dict[str, Any]:
    return {"n": found.n, "mean": found.mean, "interval": _interval_content(found.interval)}


def _difference_content(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    return {
        "mean": comparison.difference.mean,
        "interval": _interval_content(comparison.difference.interval),
        "p": comparison.p_holm,
        "verdict": comparison.verdict,
        **({"reason": comparison.reason} if comparison.reason else {}),
    }


def _interval_content(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def _counts(records: Iterable[TrialRecord]) -> dict[Phase, Counter[Status]]:
    counts: dict[Phase, Counter[Status]] = {"tune": Counter(), "confirm": Counter()}
    for record in records:
        counts[record.spec.phase][record.status] += 1
    return counts


def _missing(
    sweep: SweepSpec,
    variant: Variant,
    records: Sequence[TrialRecord],
    confirmed: Sequence[Configuration],
) -> list[str]:
    """What the variant still has to run, a phrase each; nothing once enough is confirmed."""
    expected = _num_to_confirm(sweep, variant, records)
    if expected is None:
        return [f"{variant.name}: its search is not over"]
    left = [(found, _seeds_left(sweep, found)) for found in confirmed]
    num_done = sum(not seeds for _, seeds in left)
    if num_done >= expected:
        return []
    phrases = [
        f"{variant.name}: confirm seed {', '.join(map(str, seeds))}" for _, seeds in left if seeds
    ]
    if num_unstarted := max(0, expected - len(confirmed)):
        phrases.append(f"{variant.name}: {num_unstarted} of {expected} configurations to confirm")
    return phrases


def _num_to_confirm(
    sweep: SweepSpec, variant: Variant, records: Sequence[TrialRecord]
) -> int | None:
    """How many configurations the confirm phase takes; None if that is not known yet."""
    if not variant.parameters:
        return 1
    tuned = [record for record in records if record.spec.phase == "tune"]
    completed = {configuration_key(record) for record in tuned if record.status == "completed"}
    if completed:
        return min(sweep.seeds.top_k, len(completed))
    is_over = tuned and all(record.status != "interrupted" for record in tuned)
    return 0 if is_over else None


def _seeds_left(sweep: SweepSpec, found: Configuration) -> list[int]:
    ended = {trial.spec.seed for trial in found.trials if trial.status in _ENDED}
    return [seed for seed in sweep.seeds.confirm if seed not in ended]
