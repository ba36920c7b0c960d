"""What MLflow is told: names, tags, parameters and metrics, as plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lmtune.credentials import mask_credentials
from lmtune.records import ExperimentFolder, TrialRecord
from lmtune.spec.paths import flattened
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec
from lmtune.tracking.mlflow_state import EPOCHS_TAG, STATUS_TAG, TRIAL_TAG

MESSAGE_TAG = "lmtune.message"


def tracked_files(experiment: ExperimentFolder) -> tuple[Path, ...]:
    """What is kept with the sweep's run, once it is there; `model/` as an MLflow model."""
    return (
        experiment.sweep_yaml,
        experiment.report_md,
        experiment.report_html,
        experiment.summary_json,
        experiment.trials_csv,
        experiment.curves_csv,
        *(experiment.path / f"variants.{suffix}" for suffix in ("csv", "md", "tex")),
        *(sorted(experiment.figures.iterdir()) if experiment.figures.is_dir() else ()),
        experiment.model,
    )


def run_name(spec: TrialSpec) -> str:
    """What the UI lists: variant, phase, seed and the searched values."""
    searched = [
        f"{path.rpartition('.')[2]} {f'{value:.4g}' if isinstance(value, float) else _text(value)}"
        for path, value in spec.parameters.items()
    ]
    return ", ".join([spec.variant, spec.phase, f"seed {spec.seed}", *searched])


def trial_tags(spec: TrialSpec) -> dict[str, str]:
    """What a run is found and filtered by."""
    return {
        TRIAL_TAG: spec.trial_id,
        "lmtune.variant": spec.variant,
        "lmtune.phase": spec.phase,
        "lmtune.seed": str(spec.seed),
        "lmtune.data_fingerprint": spec.data_fingerprint,
    }


def final_tags(record: TrialRecord) -> dict[str, str]:
    """How a trial that does not run now stands; `mlflow_state` compares it with the records."""
    result = record.result
    epochs_done = len(record.curve) if result is None else result.epochs_done
    tags = {STATUS_TAG: record.status, EPOCHS_TAG: str(epochs_done)}
    if result is not None and result.message:
        tags[MESSAGE_TAG] = mask_credentials(result.message)
    return tags


def trial_params(record: TrialRecord) -> dict[str, str]:
    """The whole configuration, the searched values among it, the seed, and the model's size."""
    values = {
        **dict(flattened(record.spec.config.model_dump(mode="json"))),
        **record.spec.parameters,
        "seed": record.spec.seed,
        # training.epochs is there already
        **record.facts.model_dump(exclude={"epochs"}, exclude_none=True),
    }
    return {path: _text(value) for path, value in values.items()}


def _text(value: Any) -> str:  # noqa: ANN401 - any value of a configuration
    """A value as YAML writes it: true, null, 0.001."""
    return value if isinstance(value, str) else json.dumps(value)


def metrics(curve: Sequence[Evaluation]) -> Iterator[tuple[Evaluation, dict[str, float]]]:
    """Each evaluation with its metrics and what can be said after it; names as in `trials.csv`."""
    best: Evaluation | None = None
    for row in curve:
        values: dict[str, float] = row.model_dump(exclude_none=True)
        if row.elapsed_s > 0:
            values["tokens_per_second"] = row.train_tokens / row.elapsed_s
        if math.isfinite(row.val_loss) and (best is None or row.val_loss < best.val_loss):
            best = row
        if best is not None:
            values |= {"best_val_loss": best.val_loss, "best_epoch": best.epoch}
        yield row, values
