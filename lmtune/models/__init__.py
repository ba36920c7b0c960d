"""Language models, one architecture a file, behind one interface.

The file's name is the `type` of the model's config, and the file holds what `Architecture` lists;
nothing else need know of a new one. This room must not import `datasets` or `training`.
"""

from __future__ import annotations

import importlib
from typing import Protocol, cast

import torch

from lmtune.models.language_model import LanguageModel, ParameterCount
from lmtune.models.recurrent import RecurrentLanguageModel, State
from lmtune.spec.model import AnyModelConfig

__all__ = [
    "LanguageModel",
    "ParameterCount",
    "RecurrentLanguageModel",
    "State",
    "build_model",
    "count_parameters",
    "flops_per_token",
]


class Architecture(Protocol):
    """What the file of an architecture holds, for the config of its type."""

    def build(
        self, config: AnyModelConfig, *, vocab_size: int, context_length: int
    ) -> LanguageModel:
        """Build the module; its weights come from torch's global generator."""
        ...

    def count_parameters(
        self, config: AnyModelConfig, *, vocab_size: int, context_length: int
    ) -> ParameterCount:
        """Count its parameters without building it."""
        ...

    def flops_per_token(
        self, config: AnyModelConfig, *, vocab_size: int, context_length: int
    ) -> int:
        """Count its training FLOPs for each token of a full window."""
        ...


def build_model(
    config: AnyModelConfig, *, vocab_size: int, context_length: int, seed: int
) -> LanguageModel:
    """Build a model on the CPU with weights that follow from the seed, to the bit.

    Torch's global generators are left as they were.

    Args:
        config: type and dimensions.
        vocab_size: number of distinct tokens.
        context_length: longest window that the model will see.
        seed: of the initial weights alone.
    """
    architecture = _architecture(config)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the generators of CUDA devices as well.
        torch.default_generator.manual_seed(seed)
        return architecture.build(config, vocab_size=vocab_size, context_length=context_length)


def count_parameters(
    config: AnyModelConfig, *, vocab_size: int, context_length: int
) -> ParameterCount:
    """Count a model's parameters by closed formula, without building it."""
    return _architecture(config).count_parameters(
        config, vocab_size=vocab_size, context_length=context_length
    )


def flops_per_token(config: AnyModelConfig, *, vocab_size: int, context_length: int) -> int:
    """Count training FLOPs (forward and backward) for each token of a full training window.

    Matrix products alone, by closed formula; see the architecture's file for what it leaves out.
    """
    return _architecture(config).flops_per_token(
        config, vocab_size=vocab_size, context_length=context_length
    )


def _architecture(config: AnyModelConfig) -> Architecture:
    return cast(Architecture, importlib.import_module(f"{__name__}.{config.type}"))
