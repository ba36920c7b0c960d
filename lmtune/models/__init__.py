"""Language models, one architecture a file, behind one interface.

The file's name is the `type` of the model's config, and the file holds what `Architecture` lists;
nothing else need know of a new one. This room must not import `datasets` or `training`.
"""

from __future__ import annotations

import importlib
from typing import Protocol, cast

import torch

from lmtune.models.language_model import LanguageModel, ParameterCount, Stream
from lmtune.models.pairs import PairBatch
from lmtune.models.recurrent import RecurrentLanguageModel, State
from lmtune.spec.model import AnyModelConfig
from lmtune.spec.trial import TrialConfig

__all__ = [
    "LanguageModel",
    "LossFormula",
    "PairBatch",
    "ParameterCount",
    "RecurrentLanguageModel",
    "State",
    "Stream",
    "build_model",
    "count_parameters",
    "flops_per_token",
    "loss_formula",
    "num_targets",
    "pair_flops_per_token",
]


class Architecture(Protocol):
    """What the file of an architecture holds, for the config of its type.

    One that is not trained holds a `LossFormula` named `loss_at` in place of `build`.
    """

    def build(
        self, config: AnyModelConfig, *, vocab_size: int, num_outputs: int, context_length: int
    ) -> LanguageModel:
        """Build the module; its weights come from torch's global generator."""
        ...

    def num_targets(self, context_length: int) -> int:
        """How many positions of a training window are scored: its last ones."""
        ...

    def count_parameters(
        self, config: AnyModelConfig, *, vocab_size: int, num_outputs: int, context_length: int
    ) -> ParameterCount:
        """Count its parameters without building it."""
        ...

    def sequence_flops(
        self, config: AnyModelConfig, *, num_outputs: int, num_source: float, num_target: float
    ) -> float:
        """Count the training FLOPs of a sequence.

        Its first `num_source` tokens are context alone, after each of the other `num_target` the
        next one is predicted.
        """
        ...


class LossFormula(Protocol):
    """A loss that follows from a trial's numbers, with nothing trained."""

    def __call__(self, config: TrialConfig, *, seed: int, step: int, num_steps: int) -> float:
        """The loss after so many of all optimizer steps, nats a token; NaN if it diverges."""
        ...


def loss_formula(config: AnyModelConfig) -> LossFormula | None:
    """The formula in place of a model; None for all architectures that are trained."""
    formula: LossFormula | None = getattr(_architecture(config), "loss_at", None)
    return formula


def build_model(
    config: AnyModelConfig,
    *,
    vocab_size: int,
    context_length: int,
    seed: int,
    num_outputs: int | None = None,
) -> LanguageModel:
    """Build a model on the CPU with weights that follow from the seed, to the bit.

    Torch's global generators are left as they were.

    Args:
        config: type and dimensions.
        vocab_size: number of distinct tokens.
        context_length: longest window that the model will see, or source and target of a pair.
        seed: of the initial weights alone.
        num_outputs: so many tokens, the first, can be predicted; None for all.
    """
    architecture = _architecture(config)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the generators of CUDA devices as well.
        torch.default_generator.manual_seed(seed)
        return architecture.build(
            config,
            vocab_size=vocab_size,
            num_outputs=vocab_size if num_outputs is None else num_outputs,
            context_length=context_length,
        )


def count_parameters(
    config: AnyModelConfig, *, vocab_size: int, context_length: int, num_outputs: int | None = None
) -> ParameterCount:
    """Count a model's parameters by closed formula, without building it."""
    return _architecture(config).count_parameters(
        config,
        vocab_size=vocab_size,
        num_outputs=vocab_size if num_outputs is None else num_outputs,
        context_length=context_length,
    )


def flops_per_token(config: AnyModelConfig, *, vocab_size: int, context_length: int) -> int:
    """Count training FLOPs (forward and backward) for each token of a full training window.

    Matrix products alone, by closed formula; see the architecture's file for what it leaves out.
    """
    architecture = _architecture(config)
    num_target = architecture.num_targets(context_length)
    flops = architecture.sequence_flops(
        config,
        num_outputs=vocab_size,
        num_source=context_length - num_target,
        num_target=num_target,
    )
    return int(flops // context_length)


def pair_flops_per_token(
    config: AnyModelConfig, *, num_outputs: int, source_length: float, target_length: float
) -> int:
    """Count training FLOPs for each token of a pair, as `flops_per_token` does for a window.

    Args:
        config: type and dimensions.
        num_outputs: tokens that can be predicted.
        source_length: mean tokens of a source.
        target_length: mean tokens of a target, the one that ends it included.
    """
    flops = _architecture(config).sequence_flops(
        config, num_outputs=num_outputs, num_source=source_length, num_target=target_length
    )
    return int(flops / (source_length + target_length))


def num_targets(config: AnyModelConfig, context_length: int) -> int:
    """How many positions of a training window are scored: its last ones."""
    return _architecture(config).num_targets(context_length)


def _architecture(config: AnyModelConfig) -> Architecture:
    return cast(Architecture, importlib.import_module(f"{__name__}.{config.type}"))
