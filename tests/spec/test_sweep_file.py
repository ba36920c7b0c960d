"""A valid file becomes the sweep that it describes, short forms and defaults resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lmtune.spec import read_sweep, sweep_json_schema
from lmtune.spec.file import VariantEntry
from lmtune.spec.search import FloatRange
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import TrialConfig
from tests.spec.conftest import BASE, Read

ROOT = Path(__file__).parents[2]
SEARCH = "parameters: {optimizer.beta1: {min: 0.5, max: 0.9}}\n"


def test_complete_file_is_read_as_written(tmp_path: Path) -> None:
    text = """\
name: all_keys
question: Which parts earn their keep?
metric: {name: val_bits_per_byte, goal: minimize}
base:
  dataset:   {corpus: python_docs, tokenizer: {type: char}, context_length: 64}
  model:     {type: gpt, size: small, dropout: 0.1}
  optimizer: {type: adamw, learning_rate: 1e-3, weight_decay: 0.1}
  schedule:  {type: wsd, warmup_steps: 100}
  training:  {epochs: 8, steps_per_epoch: 250, batch_size: 16}
ablate:
  model.num_layers: [1, 2, 6]
  model.dropout:    [0.0, 0.3]
parameters:
  optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
method: tpe
early_terminate: {type: asha, min_iter: 2, eta: 4}
budget: {trials: 9, time: 1h30m}
seeds: {tune: [7], confirm: [4, 5], top_k: 2}
resources: {cpu: 2, gpu: 0.5, max_concurrent: 3}
tracking: {mlflow: {uri: "sqlite:///here.db"}}
"""
    path = tmp_path / "sweep.yaml"
    path.write_text(text)

    sweep = read_sweep(path)

    assert sweep.model_dump(exclude={"variants"}) == {
        "name": "all_keys",
        "question": "Which parts earn their keep?",
        "metric": {"name": "val_bits_per_byte", "goal": "minimize"},
        "method": "tpe",
        "early_terminate": {"type": "asha", "min_iter": 2, "eta": 4},
        "budget": {"trials": 9, "time_s": 5400},
        "seeds": {"tune": (7,), "confirm": (4, 5), "top_k": 2},
        "resources": {"cpu": 2, "gpu": 0.5, "max_concurrent": 3},
        "tracking": {"mlflow": {"uri": "sqlite:///here.db"}},
        "on_failure": {"retries": 2},
        "keep": {"checkpoints": "all", "top_k": None},
        "match": None,
        "overrides": (),
    }
    names = ["base", "num_layers=1", "num_layers=2", "num_layers=6", "dropout=0.0", "dropout=0.3"]
    assert [variant.name for variant in sweep.variants] == names
    learning_rate = FloatRange(distribution="log_uniform_values", min=1e-4, max=1e-2)
    for variant in sweep.variants:
        assert variant.parameters == {"optimizer.learning_rate": learning_rate}
    assert sweep.variants[3].overrides == {"model.num_layers": 6}
    assert sweep.variants[3].config.model_dump()["model"]["num_layers"] == 6


def test_least_file_is_one_variant_with_one_seed(extended: Read) -> None:
    sweep = extended()

    (variant,) = sweep.variants
    assert (variant.name, variant.overrides, variant.parameters) == ("base", {}, {})
    assert sweep.question == "tiny"
    assert (sweep.metric.name, sweep.metric.goal) == ("val_loss", "minimize")
    assert sweep.method is None
    assert sweep.early_terminate is None
    assert sweep.budget.trials is None
    assert (sweep.seeds.tune, sweep.seeds.confirm) == ((), (0,))


def test_goal_left_out_is_that_of_the_metric(extended: Read) -> None:
    assert extended("metric: {name: val_accuracy}").metric.goal == "maximize"
    assert extended("metric: {name: val_perplexity}").metric.goal == "minimize"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30m", 1800), ("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("45", 45), ("0.5", 0.5)],
)
def test_duration_is_read_in_seconds(extended: Read, written: str, seconds: float) -> None:
    assert extended(f"budget: {{time: {written}}}").budget.time_s == seconds


@pytest.mark.parametrize(
    ("more", "tune", "confirm"),
    [
        ("seeds: 3\n", (), (0, 1, 2)),
        ("ablate: {model.dropout: [0.0]}\n", (), (1, 2, 3)),
        (SEARCH, (0,), (1, 2, 3)),
        (SEARCH + "seeds: 3\n", (3,), (0, 1, 2)),
        (SEARCH + "seeds: {confirm: [0, 2]}\n", (1,), (0, 2)),
        (SEARCH + "seeds: {tune: [1]}\n", (1,), (0, 2, 3)),
    ],
)
def test_seeds_left_out_are_apart_from_those_given(
    extended: Read, more: str, tune: tuple[int, ...], confirm: tuple[int, ...]
) -> None:
    seeds = extended(more).seeds

    assert (seeds.tune, seeds.confirm) == (tune, confirm)


def test_search_left_to_the_defaults_is_qmc_with_sixteen_trials(extended: Read) -> None:
    sweep = extended(SEARCH)

    assert (sweep.method, sweep.budget.trials) == ("qmc", 16)


def test_grid_search_runs_all_points(extended: Read) -> None:
    sweep = extended("parameters: {training.batch_size: {values: [8, 16]}}\nmethod: grid")

    assert (sweep.method, sweep.budget.trials) == ("grid", None)


def test_mlflow_can_be_turned_off(extended: Read) -> None:
    assert extended("tracking: {mlflow: null}").tracking.mlflow is None


def test_sweep_survives_json(extended: Read) -> None:
    sweep = extended(
        """\
        variants:
          gpt: {parameters: {model.num_heads: {values: [1, 2]}}}
          lstm: {model: {type: lstm, size: small}}
        parameters:
          optimizer.learning_rate: {min: 1e-4, max: 1e-2}
          schedule.warmup_steps: {distribution: q_uniform, min: 0, max: 100, q: 50}
          training.batch_size: {min: 8, max: 16}
        """,
        "base.model.dropout=0.2",
    )

    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep


def test_variant_may_change_every_section_of_a_trial() -> None:
    sections = set(TrialConfig.model_fields)

    assert set(VariantEntry.model_fields) == sections | {"parameters"}


def test_json_schema_knows_the_short_forms() -> None:
    schema = sweep_json_schema()

    assert set(schema["required"]) == {"name", "base"}
    seeds: dict[str, Any] = schema["properties"]["seeds"]
    assert {"type": "integer"} in seeds["anyOf"]
    corpus = schema["$defs"]["DatasetConfig"]["properties"]["corpus"]
    assert {"type": "string"} in corpus["anyOf"]


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_sweep_is_valid(path: Path) -> None:
    assert read_sweep(path).name == path.stem


def test_comments_and_layout_do_not_matter(read: Read) -> None:
    assert read("# a comment\r\n---\r\n" + BASE.replace("\n", "\r\n")) == read(BASE)
