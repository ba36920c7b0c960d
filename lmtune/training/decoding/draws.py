"""The random numbers that sampled tokens are chosen by."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor


class Draws:
    """One number from [0, 1) for every token of every text.

    So what is written does not depend on which texts are written together. They are drawn when the
    first is asked for: decoding without chance leaves the generator as it was.

    Args:
        generator: of any device; None for torch's global one of the CPU.
        num_texts: how many.
        num_tokens: of the longest text.
    """

    def __init__(
        self, generator: torch.Generator | None, *, num_texts: int, num_tokens: int
    ) -> None:
        self._generator = generator
        self._shape = (num_texts, num_tokens)

    def of(self, numbers_B: Tensor, step: int) -> Tensor:
        """Those of some texts for their token `step`: float64 (B), on the CPU."""
        return self._all[numbers_B, step]

    @cached_property
    def _all(self) -> Tensor:
        device = "cpu" if self._generator is None else self._generator.device
        return torch.rand(
            self._shape, generator=self._generator, dtype=torch.float64, device=device
        ).cpu()
