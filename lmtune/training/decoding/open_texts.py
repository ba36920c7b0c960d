"""Texts that are being written, a row each, with what the model says of the next token.

Shape letters: B batch, T time, O tokens that can be predicted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lmtune.models.language_model import LanguageModel, Stream


class OpenTexts:
    """Texts of one length. A row may be left out when its text has ended.

    Args:
        model: that writes them.
        numbers: which of all texts each row is.
        opened: what `open_stream` or `open_pair_stream` of the model returned.

    Attributes:
        numbers_B: `numbers` of the rows there are, int64 on the CPU.
        logits_BO: float, of the next token of each row, on the model's device.
    """

    def __init__(
        self, model: LanguageModel, numbers: Sequence[int], opened: tuple[Tensor, Stream]
    ) -> None:
        self.numbers_B = torch.tensor(numbers)
        self.logits_BO, self._stream = opened
        self._model = model

    def __len__(self) -> int:
        return len(self.numbers_B)

    def select(self, rows_B: Tensor) -> None:
        """Take these rows (int64, on the model's device), in this order; one may come twice."""
        self.numbers_B = self.numbers_B[rows_B.cpu()]
        self.logits_BO = self.logits_BO[rows_B]
        self._stream = self._stream.select(rows_B)

    def read(self, tokens_B: Tensor) -> None:
        """Go on with each text by a token, int64 on the model's device."""
        self.logits_BO, self._stream = self._model.step(tokens_B, self._stream)


class RunningTexts(OpenTexts):
    """Texts that may become longer than what the model can look back on.

    Where it is full, it forgets all but the last half of `context_length` tokens.

    Args:
        model: that writes them.
        numbers: which of all texts each row is.
        prompts_BT: int64 on the model's device; the last `context_length` tokens are read.
        context_length: of the model.
    """

    def __init__(
        self,
        model: LanguageModel,
        numbers: Sequence[int],
        prompts_BT: Tensor,
        context_length: int,
    ) -> None:
        super().__init__(model, numbers, model.open_stream(prompts_BT[:, -context_length:]))
        self._num_kept = max(1, context_length // 2)
        self._last_BT = prompts_BT[:, -self._num_kept :]

    def select(self, rows_B: Tensor) -> None:
        """See `OpenTexts.select`."""
        super().select(rows_B)
        self._last_BT = self._last_BT[rows_B]

    def read(self, tokens_B: Tensor) -> None:
        """See `OpenTexts.read`."""
        longer_BT = torch.cat([self._last_BT, tokens_B[:, None]], dim=1)
        self._last_BT = longer_BT[:, -self._num_kept :]
        if self._stream.num_free == 0:
            self.logits_BO, self._stream = self._model.open_stream(self._last_BT)
        else:
            super().read(tokens_B)
