"""A small dataset with a known source, and trials over it, for every model type of the spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

import pytest
import torch

from lmtune.datasets import Dataset, prepare_text
from lmtune.spec.dataset import DatasetConfig
from lmtune.spec.model import AnyModelConfig, InstantConfig
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec

MODEL_CONFIGS = [kind for kind in get_args(get_args(AnyModelConfig)[0]) if kind != InstantConfig]
MODEL_TYPES = [get_args(config.model_fields["type"].annotation)[0] for config in MODEL_CONFIGS]

DATASET = {
    "corpus": {"type": "markov", "symbols": 8, "length": 4000},
    "context_length": 16,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "dataset": DATASET,
    "model": {"type": "gpt", "size": "small", "dropout": 0.0},
    "optimizer": {"type": "adamw"},
    "schedule": {"type": "cosine", "warmup_steps": 2},
    "training": {"epochs": 4, "steps_per_epoch": 3, "batch_size": 4},
}

MakeTrial = Callable[..., TrialSpec]
Curve = list[dict[str, Any]]
CurveOf = Callable[[Iterable[Evaluation]], Curve]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As a trial with one CPU has: tiny models only lose time on more."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture(params=MODEL_TYPES)
def model_type(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """200 validation tokens: not a multiple of half a window."""
    config = DatasetConfig.model_validate(DATASET)
    return prepare_text(config, project=tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def make_trial(dataset: Dataset) -> MakeTrial:
    """Build a trial of a few small steps; sections given by keyword change the defaults."""

    def make(model_type: str = "gpt", *, seed: int = 0, **sections: dict[str, Any]) -> TrialSpec:
        config = {name: {**values, **sections.get(name, {})} for name, values in DEFAULTS.items()}
        config["model"]["type"] = model_type
        return TrialSpec.model_validate(
            {
                "variant": "base",
                "phase": "tune",
                "seed": seed,
                "config": config,
                "data_fingerprint": dataset.fingerprint,
            }
        )

    return make


@pytest.fixture(scope="session")
def curve_of() -> CurveOf:
    """Evaluations as dicts without the time that they took."""

    def curve(evaluations: Iterable[Evaluation]) -> Curve:
        return [evaluation.model_dump(exclude={"elapsed_s"}) for evaluation in evaluations]

    return curve
