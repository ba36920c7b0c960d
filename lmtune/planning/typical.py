"""The trials that a variant will have: its configuration, or draws of what it searches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from lmtune.datasets import Dataset, PairsDataset, PreparedDatasets
from lmtune.errors import SpecError
from lmtune.spec.result import TrialFacts
from lmtune.spec.search import FloatRange
from lmtune.spec.sweep import Variant
from lmtune.spec.trial import TrialConfig
from lmtune.training import make_task, trial_facts

_BATCHES_READ = 8


@dataclass(frozen=True)
class TypicalTrial:
    """A trial that a variant may have.

    Attributes:
        config: complete.
        dataset: that it reads.
        facts: of its model.
        steps_per_epoch: optimizer steps.
        tokens_per_step: read in training, on average.
    """

    config: TrialConfig
    dataset: Dataset | PairsDataset
    facts: TrialFacts
    steps_per_epoch: int
    tokens_per_step: float

    @property
    def shape(self) -> str:
        """What a step costs depends on this, and on no other number of the configuration."""
        return shape_of(self.config)

    @property
    def flops_per_step(self) -> float:
        """Of training, by closed formula."""
        return self.facts.flops_per_token * self.tokens_per_step

    @property
    def tokens(self) -> int:
        """Of all epochs."""
        return round(self.steps_per_epoch * self.tokens_per_step * self.config.training.epochs)


def typical_trials(
    variant: Variant, prepared: PreparedDatasets, num_draws: int
) -> list[TypicalTrial]:
    """Trials that stand for all of a variant, each for as many as the others.

    One where the search changes nothing that costs time, else seeded draws from it.

    Args:
        variant: with its search.
        prepared: the data of all variants.
        num_draws: at most.
    """
    configs = [variant.config]
    if variant.parameters:
        generator = Random(0)
        count = num_draws if _may_change_shape(variant) else 1
        drawn = [_draw(variant, generator) for _ in range(count)]
        configs = [config for config in drawn if config is not None] or configs
    known: dict[tuple[str, int, int | None], TypicalTrial] = {}
    for config in configs:
        if _costs(config) not in known:
            known[_costs(config)] = _typical(config, prepared)
    if len(known) == 1:
        return list(known.values())
    return [known[_costs(config)] for config in configs]


def _may_change_shape(variant: Variant) -> bool:
    """Whether the search reaches any number but real ones, which change no work."""
    return any(
        not isinstance(found, FloatRange) and not path.startswith("schedule.")
        for path, found in variant.parameters.items()
    )


def shape_of(config: TrialConfig) -> str:
    """A hash of all that a step's cost depends on.

    Real numbers do not change what is computed, but for zero, which switches a part off.
    """
    content = config.content()
    del content["schedule"]
    for name in ("epochs", "steps_per_epoch"):
        del content["training"][name]
    text = json.dumps(_without_reals(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _costs(config: TrialConfig) -> tuple[str, int, int | None]:
    return shape_of(config), config.training.epochs, config.training.steps_per_epoch


def _without_reals(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value != 0
    if isinstance(value, Mapping):
        return {key: _without_reals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_reals(item) for item in value]
    return value


def _draw(variant: Variant, generator: Random) -> TrialConfig | None:
    """A trial of the search; None where the values drawn do not go together."""
    values = {path: found.draw(generator) for path, found in variant.parameters.items()}
    try:
        return variant.trial_config(values)
    except SpecError:
        return None


def _typical(config: TrialConfig, prepared: PreparedDatasets) -> TypicalTrial:
    dataset = prepared.get(config.dataset)
    task = make_task(config, dataset, seed=0, device=torch.device("cpu"))
    num_read = [task.batch(step).num_read for step in range(_BATCHES_READ)]
    return TypicalTrial(
        config=config,
        dataset=dataset,
        facts=trial_facts(config, dataset),
        steps_per_epoch=config.training.steps_per_epoch or task.steps_per_pass,
        tokens_per_step=sum(num_read) / len(num_read),
    )
