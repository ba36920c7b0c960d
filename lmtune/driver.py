"""Drives a sweep from its specification to its report: what a front door that runs one calls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lmtune.analysis import write_experiment
from lmtune.analysis.experiment import Experiment, read_experiment
from lmtune.dataset_facts import dataset_facts
from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets
from lmtune.disk_use import check_disk
from lmtune.errors import SpecError
from lmtune.packaged_model import keep_model
from lmtune.records import ExperimentFolder, describe_environment, write_tables
from lmtune.records.samples import read_samples
from lmtune.samples import keep_samples
from lmtune.spec.sweep import SweepSpec
from lmtune.terminal import terminal
from lmtune.tracking import MlflowObserver, Observer, RecordsObserver, tracked_files
from lmtune.training import check_training
from lmtune.tuning.cluster import ClusterConnection
from lmtune.tuning.conductor import Conductor
from lmtune.tuning.runner import SweepOutcome, prepare_conductor, run_sweep, time_left_s


def drive(
    sweep: SweepSpec,
    *,
    spec: Path,
    folder: ExperimentFolder,
    project: Path,
    prepared: PreparedDatasets,
    connection: ClusterConnection,
    console: Console,
    started_s: float,
) -> tuple[SweepOutcome, Experiment]:
    """Run what is left of a sweep, and bring its tables, report and MLflow runs up to date.

    Args:
        sweep: as understood.
        spec: its file, kept with the records.
        folder: of the experiment, held by this process.
        project: the folder that `data/` and `mlruns/` are in.
        prepared: the data of all variants.
        connection: to Ray, started by now or when it is needed.
        console: where progress is shown.
        started_s: when the command was given, by `time.monotonic`.

    Raises:
        UserError: the sweep cannot be run here; nothing was started.
    """
    _check_training(sweep, spec)
    check_disk(sweep, prepared, folder, spec)
    datasets = {each.name: prepared.get(each.config.dataset) for each in sweep.variants}
    environment = describe_environment(project)
    folder.write_sweep_yaml(spec.read_text(encoding="utf-8"))
    folder.write_sweep(sweep, dataset_facts(sweep, prepared, project))
    folder.write_environment(environment)
    _say_unknown_tokens(datasets, console)

    mlflow = _mlflow(sweep, folder, project, environment.get("git_commit"))
    observers: list[Observer] = [RecordsObserver(folder), terminal(console, sweep)]
    observers += [mlflow] if mlflow is not None else []
    conductor = prepare_conductor(
        sweep,
        folder=folder,
        datasets=prepared,
        observers=observers,
        say=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
    )
    for observer in observers:
        observer.sweep_started(sweep, datasets)
    try:
        conductor.resume()
        outcome = _run(conductor, sweep, folder, prepared, connection, console, started_s)
    finally:
        for observer in observers:
            observer.sweep_ended(conductor.is_finished)
    experiment = read_experiment(folder)
    write_tables(folder, experiment.records)
    keep_samples(experiment)
    keep_model(experiment)
    experiment = replace(experiment, samples=read_samples(folder.samples_json))
    write_experiment(experiment)
    if mlflow is not None:
        _keep_in_mlflow(mlflow, folder, console)
    return outcome, experiment


def _run(
    conductor: Conductor,
    sweep: SweepSpec,
    folder: ExperimentFolder,
    prepared: PreparedDatasets,
    connection: ClusterConnection,
    console: Console,
    started_s: float,
) -> SweepOutcome:
    """Run what is left on Ray; without Ray where nothing is."""
    time_is_up = time_left_s(sweep, folder) == 0
    if conductor.is_finished or time_is_up:
        return SweepOutcome(
            conductor.results,
            0,
            is_finished=conductor.is_finished,
            signal=None,
            time_is_up=time_is_up,
            failures=conductor.failures,
        )
    cluster = connection.cluster
    slots = cluster.num_slots(sweep.resources)
    console.print(
        f"{slots} {'trial' if slots == 1 else 'trials'} at once. "
        f"Ray dashboard: {cluster.dashboard_url or 'off'} "
        f"(asks for the token in {cluster.token_file})",
        highlight=False,
        soft_wrap=True,
    )
    plan = folder.read_plan()
    starting_s = time.monotonic() - started_s
    with folder.timeline.running(plan.content_hash if plan else "", starting_s=starting_s):
        return run_sweep(conductor, sweep, folder=folder, datasets=prepared, cluster=cluster)


def _check_training(sweep: SweepSpec, spec: Path) -> None:
    device = "cuda" if sweep.resources.gpu else "cpu"
    problems = [
        problem
        for variant in sweep.variants
        for problem in check_training(variant.config, device, f"{spec}: variant {variant.name}")
    ]
    if problems:
        raise SpecError(problems)


def _say_unknown_tokens(datasets: Mapping[str, Dataset | PairsDataset], console: Console) -> None:
    """Text that the tokenizer does not know is scored as one unknown token: say how much it is."""
    seen = {dataset.fingerprint: dataset for dataset in datasets.values()}
    for dataset in seen.values():
        for split, count in dataset.unknown_tokens.items():
            if count:
                console.print(
                    f"{count} of {_num_tokens(dataset, split)} {split} tokens are unknown to the "
                    "tokenizer, which knows the training text alone."
                )


def _num_tokens(dataset: Dataset | PairsDataset, split: str) -> int:
    """All tokens of a split, those of sources too."""
    if isinstance(dataset, PairsDataset):
        pairs = dataset.splits[split]
        return len(pairs.sources.tokens) + len(pairs.targets.tokens)
    return len(dataset.splits[split].tokens)


def _mlflow(
    sweep: SweepSpec, folder: ExperimentFolder, project: Path, git_commit: str | None
) -> MlflowObserver | None:
    config = sweep.tracking.mlflow
    if config is None:
        return None
    return MlflowObserver(
        config,
        project=project,
        experiment=folder,
        sweep=sweep,
        git_commit=git_commit,
        is_apart=True,
    )


def _keep_in_mlflow(mlflow: MlflowObserver, folder: ExperimentFolder, console: Console) -> None:
    mlflow.log_artifacts(tracked_files(folder))
    for problem in mlflow.problems:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
