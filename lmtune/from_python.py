"""The same as the commands, from Python: read a sweep, run it, look at an experiment.

Imported by `lmtune` when it is first used. Tables are pandas DataFrames, made from the records.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lmtune.errors import Problem, UserError
from lmtune.records import ExperimentFolder, curves_table, trials_table
from lmtune.run import INTERRUPTED, run
from lmtune.spec import read_sweep
from lmtune.spec.sweep import SweepSpec
from lmtune.writing import decoding_config, usual_decoding, written_pieces

if TYPE_CHECKING:  # the types alone: a table need not wait for torch
    import pandas as pd

    from lmtune.analysis import Summary
    from lmtune.models import LanguageModel
    from lmtune.trained_trial import TrainedTrial
    from lmtune.training import Kind


def load_sweep(path: str | Path, overrides: Mapping[str, Any] | None = None) -> SweepSpec:
    """Read a sweep file: complete, checked and frozen.

    Args:
        path: of the YAML file.
        overrides: values by dotted path, in place of those of the file.

    Raises:
        UserError: with all that is wrong.
    """
    return read_sweep(Path(path), _as_options(overrides))


def run_sweep(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    address: str | None = None,
    quiet: bool = False,
) -> Experiment:
    """Run a sweep in the current directory, or what is left of it. Call it in the main thread.

    Args:
        path: of the YAML file.
        overrides: values by dotted path, in place of those of the file.
        address: of a Ray cluster to join; None for a Ray of its own on this machine.
        quiet: print nothing.

    Returns:
        The experiment, trials that failed included.

    Raises:
        UserError: something in the input is wrong; nothing was started.
        SweepError: the sweep as a whole broke.
        KeyboardInterrupt: it was interrupted; the same call goes on from there.
    """
    options = _as_options(overrides)
    code = run(Path(path), options, address=address, console=Console(quiet=quiet))
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return load_experiment(Path("experiments", read_sweep(Path(path), options).name))


def load_experiment(path: str | Path) -> Experiment:
    """Open an experiment's folder, whether its sweep is finished or not.

    Raises:
        UserError: it holds no experiment.
    """
    experiment = Experiment(path)
    _ = experiment.sweep  # refused now, not where it is first looked at
    return experiment


def _as_options(overrides: Mapping[str, Any] | None) -> list[str]:
    """As `--set` has them; JSON is YAML."""
    return [f"{path}={json.dumps(value)}" for path, value in (overrides or {}).items()]


class Experiment:
    """An experiment as its records have it. What was read stays as it is: load it again for more.

    Args:
        path: `experiments/<name>`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._folder = ExperimentFolder(self.path)

    @cached_property
    def sweep(self) -> SweepSpec:
        """The sweep as it was understood."""
        return self._folder.read_sweep()

    @property
    def question(self) -> str:
        """What the sweep is to answer."""
        return self.sweep.question

    @cached_property
    def answer(self) -> str:
        """What it found, in a sentence or two."""
        from lmtune.analysis import answer  # deferred: loads scipy

        return answer(self._summary)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row a trial, as in `trials.csv`."""
        return trials_table(self._folder)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row an epoch of a trial, as in `curves.csv`."""
        return curves_table(self._folder)

    @cached_property
    def variants(self) -> pd.DataFrame:
        """A row a variant: its mean over the confirm seeds, its difference to the first variant."""
        import pandas as pd  # deferred with all tables

        from lmtune.analysis.summary import summary_content

        return pd.DataFrame([_row(each) for each in summary_content(self._summary)["variants"]])

    def best(self) -> pd.Series[Any]:
        """The row of `trials` of the best confirmed trial.

        Raises:
            UserError: none has completed yet.
        """
        best = self._summary.best
        if best is None:
            what = "no confirm trial has completed yet"
            raise UserError(Problem(str(self.path), what, fix="let the sweep run on"))
        is_best = (self.trials["trial_id"] == best.trial_id) & (
            self.trials["variant"] == best.variant
        )
        return self.trials[is_best].iloc[0]

    def load_model(self, trial_id: str | None = None, checkpoint: Kind = "last") -> TrainedText:
        """Load a trained model.

        Args:
            trial_id: of the trial, or its beginning; None for the best confirmed one.
            checkpoint: after the last epoch, or `best`, that of the lowest validation loss.

        Raises:
            UserError: there is no such trial, or its data is not there any more.
            CheckpointError: its checkpoint is not there or not whole.
        """
        from lmtune.trained_trial import open_trained_trial  # deferred: loads torch

        return TrainedText(open_trained_trial(self.path, trial_id, checkpoint))

    @cached_property
    def _summary(self) -> Summary:
        from lmtune.analysis import summarize  # deferred: loads scipy

        return summarize(self._folder)

    def __repr__(self) -> str:
        return f"Experiment({str(self.path)!r}): {self.question} {self.answer}"

    def _repr_html_(self) -> str:
        """Question, answer and variants, for notebooks."""
        return (
            f"<p><b>{html.escape(self.question)}</b><br>{html.escape(self.answer)}</p>"
            f"{self.variants.to_html(index=False, na_rep='', float_format='{:.4g}'.format)}"
        )


def _row(variant: Mapping[str, Any]) -> dict[str, Any]:
    """A variant of `summary.json` as a row; what there is no number for is None or NaN."""
    confirm, difference = variant["confirm"], variant["difference"] or {}
    low, high = confirm["interval"] or (None, None)
    difference_low, difference_high = difference.get("interval") or (None, None)
    return {
        "variant": variant["variant"],
        "trials": variant["trials"],
        "completed": variant["completed"],
        "seeds": confirm["n"],
        "mean": confirm["mean"],
        "low": low,
        "high": high,
        "difference": difference.get("mean"),
        "difference_low": difference_low,
        "difference_high": difference_high,
        "p": difference.get("p"),
        "verdict": difference.get("verdict"),
        "best_trial_id": variant["best_trial_id"],
        **variant["parameters"],
    }


@dataclass(frozen=True)
class TrainedText:
    """A trained model that writes text.

    Attributes:
        trial: the trial, its data and its model.
    """

    trial: TrainedTrial

    @property
    def model(self) -> LanguageModel:
        """The torch module, in evaluation mode."""
        return self.trial.model

    @property
    def trial_id(self) -> str:
        """Of the trial that it was trained in."""
        return self.trial.record.spec.trial_id

    def generate(
        self,
        prompt: str = "\n",
        *,
        max_new_tokens: int = 200,
        decoding: str | None = None,
        seed: int = 0,
        **options: float,
    ) -> str:
        """Write on from a prompt, or write the target of a source; the new text alone.

        Args:
            prompt: the text or the source.
            max_new_tokens: where to stop.
            decoding: greedy, sample or beam; sample for running text, greedy for pairs.
            seed: of sample.
            options: temperature, top_k, top_p, beam_size, length_penalty.

        Raises:
            UserError: the options do not go together, or the prompt is empty or too long.
        """
        return "".join(
            self.stream(
                prompt, max_new_tokens=max_new_tokens, decoding=decoding, seed=seed, **options
            )
        )

    def stream(
        self,
        prompt: str = "\n",
        *,
        max_new_tokens: int = 200,
        decoding: str | None = None,
        seed: int = 0,
        **options: float,
    ) -> Iterator[str]:
        """As `generate`, piece by piece."""
        chosen = (
            usual_decoding(self.trial)
            if decoding is None and not options
            else decoding_config(decoding, options)
        )
        return written_pieces(self.trial, prompt, chosen, max_new_tokens=max_new_tokens, seed=seed)

    def __repr__(self) -> str:
        spec = self.trial.record.spec
        return f"TrainedText({spec.trial_id}: {spec.variant}, {spec.config.model.type})"
