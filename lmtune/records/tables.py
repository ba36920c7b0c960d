"""The records as tables: a row a trial, and a row an epoch of a trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from lmtune.records.experiment_folder import ExperimentFolder
from lmtune.records.files import write_text
from lmtune.records.trial_folder import TrialRecord
from lmtune.spec.result import Evaluation
from lmtune.spec.sweep import MetricName, SweepSpec
from lmtune.spec.trial import Scalar, TrialConfig

if TYPE_CHECKING:
    import pandas as pd

TRIAL_COLUMNS: dict[str, str] = {
    "trial_id": "str",
    "variant": "str",
    "phase": "str",
    "seed": "int64",
    "status": "str",
    "epochs_done": "int64",
    "epochs": "int64",
    "val_loss": "float64",
    "val_perplexity": "float64",
    "val_bits_per_byte": "float64",
    "val_accuracy": "float64",
    "best_val_loss": "float64",
    "best_epoch": "Int64",
    "num_parameters": "int64",
    "num_non_embedding_parameters": "int64",
    "flops_per_token": "int64",
    "train_tokens": "int64",
    "train_time_s": "float64",
    "tokens_per_second": "float64",
    "val_bleu": "float64",
    "val_chrf": "float64",
    "val_exact_match": "float64",
    "val_brevity_penalty": "float64",
}
"""Columns of `trials.csv` and their pandas types; one for each swept path follows."""

CURVE_COLUMNS: dict[str, str] = {
    "trial_id": "str",
    "epoch": "int64",
    "step": "int64",
    "train_tokens": "int64",
    "train_loss": "float64",
    "val_loss": "float64",
    "val_perplexity": "float64",
    "val_bits_per_byte": "float64",
    "val_accuracy": "float64",
    "learning_rate": "float64",
    "elapsed_s": "float64",
    "val_bleu": "float64",
    "val_chrf": "float64",
    "val_exact_match": "float64",
    "val_brevity_penalty": "float64",
}
"""Columns of `curves.csv` and their pandas types."""


def trials_table(folder: ExperimentFolder) -> pd.DataFrame:
    """A row for each trial of the sweep, ordered as `ExperimentFolder.read_trials` does.

    A trial that serves several variants has a row for each. Swept columns keep the values as they
    are (type `object`), None where a model has no such field. Numbers of a trial without an
    evaluation are NaN, and so are those of the model's own text where that was not scored.

    Raises:
        UserError: a record is not readable.
    """
    return _trials_frame(folder.read_sweep(), folder.read_trials())


def curves_table(folder: ExperimentFolder) -> pd.DataFrame:
    """A row for each epoch of each trial, the trials ordered as in `trials_table`.

    Raises:
        UserError: a record is not readable.
    """
    return _curves_frame(folder.read_trials())


def write_tables(folder: ExperimentFolder, records: Sequence[TrialRecord] | None = None) -> None:
    """Write `trials.csv` and `curves.csv`; floats so that reading them back loses nothing.

    Args:
        folder: of the experiment.
        records: its trials, where `read_trials` has given them already.

    Raises:
        UserError: a record is not readable.
    """
    if records is None:
        records = folder.read_trials()
    trials = _trials_frame(folder.read_sweep(), records)
    write_text(folder.trials_csv, trials.to_csv(index=False, lineterminator="\n"))
    curves = _curves_frame(records)
    write_text(folder.curves_csv, curves.to_csv(index=False, lineterminator="\n"))


def swept_paths(sweep: SweepSpec) -> list[str]:
    """Dotted paths that a sweep varies: between variants first, then searched inside them.

    Widths that a match solved come last.
    """
    between = (path for variant in sweep.variants for path in variant.overrides)
    searched = (path for variant in sweep.variants for path in variant.parameters)
    matches = [variant.matched for variant in sweep.variants if variant.matched]
    solved = (path for matched in matches for path in matched.solved)
    return list(dict.fromkeys([*between, *searched, *solved]))


def _trials_frame(sweep: SweepSpec, records: Iterable[TrialRecord]) -> pd.DataFrame:
    paths = swept_paths(sweep)
    columns = TRIAL_COLUMNS | dict.fromkeys(paths, "object")
    return _frame(columns, [_trial_row(record, paths) for record in records])


def _curves_frame(records: Iterable[TrialRecord]) -> pd.DataFrame:
    curves = {record.spec.trial_id: record.curve for record in records}
    rows = [
        {"trial_id": trial_id, **evaluation.model_dump()}
        for trial_id, curve in curves.items()
        for evaluation in curve
    ]
    return _frame(CURVE_COLUMNS, rows)


def _frame(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd  # deferred: a sweep starts sooner, and writes its records, without

    return pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype=dtype)
            for name, dtype in columns.items()
        }
    )


def _trial_row(record: TrialRecord, paths: Sequence[str]) -> dict[str, Any]:
    spec, facts = record.spec, record.facts
    return {
        "trial_id": spec.trial_id,
        "variant": spec.variant,
        "phase": spec.phase,
        "seed": spec.seed,
        "status": record.status,
        "epochs": facts.epochs,
        **_numbers(record.last, record.best),
        "num_parameters": facts.num_parameters,
        "num_non_embedding_parameters": facts.num_non_embedding_parameters,
        "flops_per_token": facts.flops_per_token,
        **{path: _value_at(spec.config, path) for path in paths},
    }


def _numbers(last: Evaluation | None, best: Evaluation | None) -> dict[str, Any]:
    """The columns that come from the curve."""
    measured: dict[str, Any] = last.model_dump() if last else {}
    train_tokens = last.train_tokens if last else 0
    train_time_s = last.elapsed_s if last else 0.0
    return {
        "epochs_done": last.epoch if last else 0,
        **{name: measured.get(name, math.nan) for name in get_args(MetricName)},
        "val_brevity_penalty": measured.get("val_brevity_penalty", math.nan),
        "best_val_loss": best.val_loss if best else math.nan,
        "best_epoch": best.epoch if best else None,
        "train_tokens": train_tokens,
        "train_time_s": train_time_s,
        "tokens_per_second": train_tokens / train_time_s if train_time_s > 0 else math.nan,
    }


def _value_at(config: TrialConfig, path: str) -> Scalar:
    """The value at a dotted path; None where the configuration has no such field.

    A section that is named by one word, such as `dataset.corpus`, reads as that word.
    """
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name, None)
    scalar: Scalar = getattr(value, "type", value)
    return scalar
