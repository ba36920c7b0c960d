"""What can be found wrong before anything is started: files, tracking, this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lmtune.datasets import PreparedDatasets, check_dataset
from lmtune.disk import size_text
from lmtune.errors import DataError, Problem, SpecError
from lmtune.machine import available_cpus, available_gpus, shared_memory
from lmtune.spec import find_places
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.places import Places
from lmtune.spec.sweep import Resources, SweepSpec, Variant
from lmtune.tracking import check_tracking
from lmtune.tuning.ray_settings import OBJECT_STORE_BYTES


def check_surroundings(sweep: SweepSpec, spec: Path, project: Path, *, is_local: bool) -> None:
    """Check what the sweep needs around it.

    Args:
        sweep: as understood.
        spec: the file, for messages.
        project: the folder that `data/` and `mlruns/` are in.
        is_local: whether trials run on this machine.

    Raises:
        SpecError: with all that is wrong.
    """
    problems = placed(_check_datasets(sweep, spec, project), sweep, spec)
    for problem in check_tracking(sweep.tracking, project):
        problems.append(replace(problem, where=f"{spec}: {problem.where}"))
    if is_local:
        problems += check_resources(sweep.resources, spec)
        problems += _check_shared_memory()
    if problems:
        raise SpecError(problems)


def prepare_datasets(sweep: SweepSpec, spec: Path, project: Path) -> PreparedDatasets:
    """Prepare the data of all variants, before the sweep leaves anything behind.

    Args:
        sweep: as understood, its surroundings checked.
        spec: the file, for messages.
        project: the folder that `data/` is in.

    Raises:
        DataError: with all texts that cannot be read or are too short.
    """
    prepared = PreparedDatasets(project)
    problems: dict[str, list[Problem]] = {}
    for variant, config in _dataset_configs(sweep):
        key = config.model_dump_json()
        if key in problems:
            continue
        try:
            prepared.get(config, where=f"{spec}: variant {variant.name}: dataset")
        except DataError as error:
            problems[key] = list(error.problems)
    if problems:
        found = [problem for each in problems.values() for problem in each]
        raise DataError(placed(found, sweep, spec))
    return prepared


def placed(problems: Sequence[Problem], sweep: SweepSpec, spec: Path) -> list[Problem]:
    """Problems of variants with the line of the file that each comes from.

    Args:
        problems: whose places begin with `<spec>: variant <name>: <dotted path>`; others, and all
            if the file has been changed since it was read, are left as they are.
        sweep: as understood.
        spec: its file.
    """
    if not problems:
        return []
    try:
        places = find_places(spec, sweep.overrides)
    except SpecError:
        return list(problems)
    return [replace(each, where=_place(each.where, spec, places)) for each in problems]


def _place(where: str, spec: Path, places: Places) -> str:
    start = f"{spec}: variant "
    name, _, rest = where.removeprefix(start).partition(": ")
    if not (where.startswith(start) and rest and name in places.drafts):
        return where
    path, colon, more = rest.partition(": ")
    return places.of_variant(name, path) + colon + more


def _dataset_configs(sweep: SweepSpec) -> Iterator[tuple[Variant, DatasetConfig]]:
    """The data that each variant reads, that of the ends of what it searches there included."""
    for variant in sweep.variants:
        yield variant, variant.config.dataset
        for path, distribution in variant.parameters.items():
            if path.startswith("dataset."):
                for value in distribution.corners():
                    yield variant, variant.trial_config({path: value}).dataset


def check_resources(resources: Resources, spec: Path) -> list[Problem]:
    """What one trial asks for beyond this machine: Ray would wait for it for ever."""
    problems = []
    cpus = available_cpus()
    if resources.cpu > cpus:
        problems.append(_beyond(spec, "cpu", resources.cpu, cpus))
    if resources.gpu > 0 and resources.gpu > (gpus := available_gpus()):
        problems.append(_beyond(spec, "gpu", resources.gpu, gpus))
    return problems


def _check_shared_memory() -> Iterator[Problem]:
    """Ray keeps its object store there, and fails in odd ways where it does not fit."""
    free = shared_memory()
    if free is not None and free < OBJECT_STORE_BYTES:
        yield Problem(
            "/dev/shm",
            f"{size_text(free)} of shared memory are free, and Ray's object store takes "
            f"{size_text(OBJECT_STORE_BYTES)}",
            f"at least {size_text(OBJECT_STORE_BYTES)}",
            "delete what is left in /dev/shm, or make it larger: docker run --shm-size=1g, or "
            "mount -o remount,size=1g /dev/shm",
        )


def _beyond(spec: Path, kind: str, asked: float, available: int) -> Problem:
    return Problem(
        f"{spec}: resources.{kind}",
        f"a trial asks for {asked:g} {kind.upper()}s, and this machine has {available}",
        f"at most {available}",
        f"--set resources.{kind}={available}",
    )


def _check_datasets(sweep: SweepSpec, spec: Path, project: Path) -> list[Problem]:
    """Each corpus of the sweep once, under the first variant that reads it."""
    problems: dict[str, list[Problem]] = {}
    for variant in sweep.variants:
        dataset = variant.config.dataset
        key = dataset.model_dump_json()
        if key not in problems:
            where = f"{spec}: variant {variant.name}: dataset"
            problems[key] = check_dataset(dataset, project=project, where=where)
    return [problem for each in problems.values() for problem in each]
