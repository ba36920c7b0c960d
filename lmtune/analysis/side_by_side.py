"""Several experiments as one: their variants side by side, compared where they are comparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lmtune.analysis.document import Table
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.formats import NOTHING, format_scalar
from lmtune.analysis.summary import summarize_records
from lmtune.errors import Problem, UserError
from lmtune.records import DatasetFacts, TrialRecord
from lmtune.spec.paths import flattened
from lmtune.spec.sweep import SweepSpec, Variant

_ENVIRONMENT = ("git_commit", "platform", "python", "cpu_count")


def names_of(experiments: Sequence[Experiment]) -> list[str]:
    """A name for each experiment: its folder's, and as much above it as tells it from others."""
    parts = [each.folder.path.resolve().parts for each in experiments]
    depth = 1
    while len({each[-depth:] for each in parts}) < len(parts) and depth < max(map(len, parts)):
        depth += 1
    return ["/".join(each[-depth:]) for each in parts]


def side_by_side(experiments: Sequence[Experiment]) -> Experiment:
    """All variants of all experiments, compared with the first variant of the first of them.

    The metric is that of the first. Seeds pair across experiments, since the order of the data
    depends on the seed alone.

    Raises:
        UserError: the same experiment is given twice.
    """
    _refuse_twice(experiments)
    names = names_of(experiments)
    variants: list[Variant] = []
    records: list[TrialRecord] = []
    datasets: dict[str, DatasetFacts] = {}
    for name, each in zip(names, experiments, strict=True):
        renamed = {
            variant.name: _name(name, variant, each.sweep) for variant in each.sweep.variants
        }
        variants += [
            variant.model_copy(update={"name": renamed[variant.name]})
            for variant in each.sweep.variants
        ]
        datasets |= {renamed[old]: facts for old, facts in each.summary.datasets.items()}
        records += [_renamed(record, renamed[record.spec.variant]) for record in each.records]
    first = experiments[0]
    sweep = _merged(names, experiments, tuple(variants))
    summary = summarize_records(sweep, datasets, records)
    return replace(
        first,
        summary=replace(summary, missing=tuple(_missing(names, experiments))),
        records=tuple(records),
        environment={},
        spans=(),
        samples=None,
    )


def flags(experiments: Sequence[Experiment]) -> list[str]:
    """What a reader of the comparison should know, a sentence each."""
    names = names_of(experiments)
    found = []
    tokens = [sorted(_training_tokens(each)) for each in experiments]
    if any(each != tokens[0] for each in tokens):
        named = "; ".join(
            f"{name} {' and '.join(f'{count:,}' for count in counts) or 'none yet'}"
            for name, counts in zip(names, tokens, strict=True)
        )
        found.append(
            f"Their confirm trials were trained on different numbers of tokens ({named}): a "
            "difference between them is of that budget, too."
        )
    metrics = {each.metric for each in experiments}
    if len(metrics) > 1:
        found.append(
            f"The experiments were tuned for different metrics ({', '.join(sorted(metrics))}). "
            f"Here all are compared by {experiments[0].metric}, which some were not tuned for."
        )
    seeds = [set(each.sweep.seeds.confirm) for each in experiments]
    if any(each != seeds[0] for each in seeds):
        shared = set.intersection(*seeds)
        found.append(
            f"They were confirmed on different seeds; {len(shared) or 'none'} "
            f"{'is' if len(shared) == 1 else 'are'} shared by all, and differences rest on shared "
            "seeds alone."
        )
    budgets = {each.sweep.budget.trials for each in experiments if each.sweep.method}
    methods = {each.sweep.method for each in experiments}
    if len(budgets) > 1 or len(methods) > 1:
        found.append(
            "They were not tuned alike (method or number of trials), and who was tuned more has "
            "an advantage that is not the model's."
        )
    for fact in _ENVIRONMENT:
        values = {str(each.environment.get(fact)) for each in experiments}
        if len(values) > 1:
            named = ", ".join(
                f"{name} {each.environment.get(fact)}"
                for name, each in zip(names, experiments, strict=True)
            )
            found.append(f"They ran with different {fact}: {named}.")
    return found


def differences_table(experiments: Sequence[Experiment]) -> Table | None:
    """The values in which the experiments' first variants differ; None where in none."""
    names = names_of(experiments)
    configs: list[Mapping[str, Any]] = [
        dict(flattened(each.sweep.variants[0].config.model_dump(mode="json")))
        for each in experiments
    ]
    paths = dict.fromkeys(path for config in configs for path in config)
    rows = tuple(
        (path, *(format_scalar(config[path]) if path in config else NOTHING for config in configs))
        for path in paths
        if len({str(config.get(path, NOTHING)) for config in configs}) > 1
    )
    header = ("field", *names)
    return Table(header, rows, header, "In what their first variants differ") if rows else None


def _training_tokens(experiment: Experiment) -> set[int]:
    return {
        record.last.train_tokens
        for record in experiment.records
        if record.spec.phase == "confirm" and record.status == "completed" and record.last
    }


def _refuse_twice(experiments: Sequence[Experiment]) -> None:
    paths = [each.folder.path.resolve() for each in experiments]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise UserError(
            Problem(str(twice), "is given twice", "different experiments", "name each once")
        )


def _name(experiment: str, variant: Variant, sweep: SweepSpec) -> str:
    return experiment if len(sweep.variants) == 1 else f"{experiment}: {variant.name}"


def _renamed(record: TrialRecord, variant: str) -> TrialRecord:
    return replace(record, spec=record.spec.model_copy(update={"variant": variant}))


def _merged(
    names: Sequence[str], experiments: Sequence[Experiment], variants: tuple[Variant, ...]
) -> SweepSpec:
    first = experiments[0].sweep
    confirm = dict.fromkeys(seed for each in experiments for seed in each.sweep.seeds.confirm)
    return first.model_copy(
        update={
            "name": ", ".join(names),
            "question": f"How do {_listed(names)} compare?",
            "variants": variants,
            "seeds": first.seeds.model_copy(update={"confirm": tuple(confirm)}),
            "match": None,
            "overrides": (),
        }
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _missing(names: Sequence[str], experiments: Sequence[Experiment]) -> Iterator[str]:
    for name, each in zip(names, experiments, strict=True):
        yield from (f"{name}: {phrase}" for phrase in each.summary.missing)
