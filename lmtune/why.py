"""Why a trial was run again or was not: from the records and the sweep file alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lmtune.errors import Problem, UserError
from lmtune.records import ExperimentFolder, Membership, Role, TrialRecord, holder_of
from lmtune.spec.sweep import SweepSpec

_FEW = 5


def why(sweep: SweepSpec, folder: ExperimentFolder, trial_id: str) -> str:
    """What the same command does about a trial, and why.

    Args:
        sweep: as the file now says.
        folder: the records of the sweep's name.
        trial_id: the trial, or the beginning of its id.

    Raises:
        UserError: there is no such trial, or more than one; a record cannot be read.
    """
    record = _find(folder, trial_id)
    facts = folder.read_datasets() if folder.resolved_json.exists() else {}
    fingerprints = {name: dataset.fingerprint for name, dataset in facts.items()}
    membership = Membership(_with_widths(sweep, folder), fingerprints)
    reasons = [(role, membership.why_not(record, role)) for role in record.all_roles]
    asked_for = [role for role, reason in reasons if not reason]
    spec = record.spec
    lines = [
        f"Trial {spec.trial_id}: {', '.join(_named(role) for role, _ in reasons)}, seed {spec.seed}"
    ]
    if asked_for:
        lines.append(_how_it_stands(record, folder, asked_for))
    else:
        lines += _not_asked_for(reasons)
    lines += _history(folder, record)
    return "\n".join(lines)


def _named(role: Role) -> str:
    return f"{role.variant} {role.phase}"


def _find(folder: ExperimentFolder, trial_id: str) -> TrialRecord:
    found = [each for each in folder.trials() if each.trial_id.startswith(trial_id)]
    if len(found) == 1:
        return found[0].read()
    known = [each.trial_id for each in found or folder.trials()]
    some = ", ".join(known[:_FEW]) + (f" and {len(known) - _FEW} more" if len(known) > _FEW else "")
    raise UserError(
        Problem(
            f"--why {trial_id}",
            f"{len(found)} trials have an id that begins so"
            if found
            else f"no trial in {folder.path} has an id that begins so",
            f"one of {some}" if known else "a trial of a sweep that was started",
            f"take an id from {folder.trials_csv}, or from the lines that a run prints",
        )
    )


def _with_widths(sweep: SweepSpec, folder: ExperimentFolder) -> SweepSpec:
    """The widths of a match as the last run solved them, which takes torch and the data."""
    if sweep.match is None or not folder.resolved_json.exists():
        return sweep
    solved = {variant.name: variant.matched for variant in folder.read_sweep().variants}
    variants = [
        variant if (matched := solved.get(variant.name)) is None else variant.resized(matched)
        for variant in sweep.variants
    ]
    return sweep.model_copy(update={"variants": tuple(variants)})


def _how_it_stands(record: TrialRecord, folder: ExperimentFolder, asked_for: Sequence[Role]) -> str:
    epochs = f"epoch {len(record.curve)} of {record.facts.epochs}"
    if record.result is None and (holder := holder_of(folder.lock)) is not None:
        return f"under way, at {epochs}: {holder} has the experiment"
    match record.status:
        case "completed":
            return f"completed, {epochs}: not run again"
        case "diverged":
            return (
                f"diverged after {epochs} ({_last_line(record)}), which is a result: not run again"
            )
        case "stopped" if all(role.phase == "tune" for role in asked_for):
            return (
                f"stopped early at {epochs}, where others of its variant were better: not run again"
            )
        case "stopped":
            return f"stopped early at {epochs}, and now to be confirmed: the same command goes on"
        case "failed":
            return f"failed after {epochs} ({_last_line(record)}): the same command tries it again"
        case "interrupted":
            return f"interrupted at {epochs}: the same command goes on from its last checkpoint"


def _not_asked_for(reasons: Sequence[tuple[Role, str]]) -> Iterator[str]:
    yield (
        "not part of the present file: it stays in the records, out of the tables, and is "
        "not run again"
    )
    for role, reason in reasons:
        yield f"  as {_named(role)}: {reason}"


def _history(folder: ExperimentFolder, record: TrialRecord) -> Iterator[str]:
    retries = folder.trial(record.spec.trial_id).read_retries()
    for retry in retries:
        last = retry.message.strip().rpartition("\n")[2]
        yield f"  tried again after epoch {retry.epochs_done}: {last}"


def _last_line(record: TrialRecord) -> str:
    message = record.result.message if record.result else ""
    return message.strip().rpartition("\n")[2]
