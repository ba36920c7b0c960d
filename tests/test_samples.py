"""Samples are an extra: without checkpoints there are none, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.analysis import summarize
from lmtune.analysis.experiment import read_experiment
from lmtune.records.samples import (
    Prompt,
    Samples,
    VariantSamples,
    read_samples,
    write_samples,
)
from lmtune.samples import keep_samples
from tests.analysis.synthetic import Trial, write_experiment


def test_samples_of_trials_whose_checkpoints_are_gone_are_not_written(tmp_path: Path) -> None:
    trials = [Trial("base", "confirm", seed, (2.5, 2.0)) for seed in (1, 2, 3)]
    path = tmp_path / "experiments" / "toy"
    folder = write_experiment(path, trials, variants={"base": {}}, epochs=2)
    keep_samples(read_experiment(folder))
    assert read_samples(folder.samples_json) is None


def test_samples_of_the_same_best_trials_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [Trial("base", "confirm", seed, (2.5, 2.0 + seed / 10)) for seed in (1, 2, 3)]
    folder = write_experiment(tmp_path / "toy", trials, variants={"base": {}}, epochs=2)
    summary = summarize(folder)
    assert summary.best is not None
    known = Samples(
        is_pairs=False,
        decoding={"type": "greedy"},
        seed=0,
        prompts=(Prompt(text="a", expected="b"),),
        variants=(VariantSamples(variant="base", trial_id=summary.best.trial_id, texts=("c",)),),
    )
    write_samples(folder.samples_json, known)
    monkeypatch.setattr("lmtune.samples.open_recorded_trial", None)  # opened, it would raise
    keep_samples(read_experiment(folder))
    assert read_samples(folder.samples_json) == known
