"""Final and best-checkpoint values: both are told, and a verdict that hangs on which is flagged."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.analysis import summarize, summary_content
from lmtune.analysis.cautions import cautions
from lmtune.records import ExperimentFolder
from tests.analysis.synthetic import Trial, write_experiment

SEEDS = (1, 2, 3, 4, 5)
NOISE = dict(zip(SEEDS, (0.003, -0.002, 0.001, -0.003, 0.001), strict=True))
VARIANTS: dict[str, dict[str, float]] = {"base": {}, "dropout=0.2": {"dropout": 0.2}}


def _experiment(path: Path, dropout: list[float]) -> ExperimentFolder:
    """A base that overfits after its second epoch, and a variant with another curve."""
    base = [Trial("base", "confirm", seed, (2.5, 2.3, 2.4)) for seed in SEEDS]
    other = [
        Trial("dropout=0.2", "confirm", seed, [loss + NOISE[seed] for loss in dropout])
        for seed in SEEDS
    ]
    return write_experiment(path, [*base, *other], variants=VARIANTS, epochs=3, seeds=SEEDS)


def test_verdict_that_depends_on_the_checkpoint_is_flagged(tmp_path: Path) -> None:
    summary = summarize(_experiment(tmp_path / "overfit", [2.6, 2.4, 2.35]))
    base, other = summary.variants
    assert other.comparison is not None
    assert other.comparison_at_best is not None
    assert (other.comparison.verdict, other.comparison_at_best.verdict) == ("better", "worse")
    assert other.comparison_at_best.difference.mean == pytest.approx(0.05)
    assert base.answer is not None
    assert base.answer.best_values == dict.fromkeys(SEEDS, 2.3)
    assert base.answer.values == dict.fromkeys(SEEDS, 2.4)
    assert (
        "The verdict on dropout=0.2 depends on the checkpoint: better after the last epoch, worse "
        "at each trial's lowest val_loss."
    ) in cautions(summary)
    content = summary_content(summary)["variants"]
    assert content[0]["at_best_checkpoint"]["confirm"]["mean"] == pytest.approx(2.3)
    assert content[1]["at_best_checkpoint"]["difference"]["verdict"] == "worse"


def test_verdict_that_both_checkpoints_give_is_not_flagged(tmp_path: Path) -> None:
    summary = summarize(_experiment(tmp_path / "worse", [2.7, 2.5, 2.5]))
    assert not summary.variants[1].verdict_depends_on_checkpoint
    assert not [text for text in cautions(summary) if "depends on the checkpoint" in text]


def test_inert_ablation_is_exactly_zero_and_within_noise_at_both(tmp_path: Path) -> None:
    """A change that changes nothing: the same losses, seed for seed."""
    losses = {seed: (2.5 + noise, 2.31 + noise / 3) for seed, noise in NOISE.items()}
    folder = write_experiment(
        tmp_path / "inert",
        [Trial(name, "confirm", seed, losses[seed]) for name in VARIANTS for seed in SEEDS],
        variants=VARIANTS,
        epochs=2,
        seeds=SEEDS,
    )
    inert = summarize(folder).variants[1]
    for comparison in (inert.comparison, inert.comparison_at_best):
        assert comparison is not None
        assert comparison.difference.mean == 0.0
        assert comparison.verdict == "within noise"


def test_curves_that_overfit_or_were_cut_short_are_told(tmp_path: Path) -> None:
    """The base ends 4 % above its lowest; the other falls by 2 % over the last tenth."""
    told = cautions(summarize(_experiment(tmp_path / "both", [2.6, 2.4, 2.25])))
    (overfitting,) = (text for text in told if text.startswith("Overfitting"))
    assert "for base (4.3%)." in overfitting
    (short,) = (text for text in told if text.startswith("Cut short"))
    assert "for dropout=0.2 (2.0%)." in short


def test_small_changes_of_a_loss_near_zero_are_no_caution(tmp_path: Path) -> None:
    told = cautions(summarize(_experiment(tmp_path / "solved", [0.5, 0.006, 0.004])))
    assert not [text for text in told if text.startswith("Cut short")]
