"""Batches of sources and targets, and how they are read as one sequence.

Sources and targets may have vocabularies of their own: then each has a range of token numbers of
its own, and the targets' range comes first. Shape letters: see `language_model.py`; M are the
scored tokens of all rows, one row after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PairBatch:
    """Sources, and the targets to be written for them, padded on the right.

    Attributes:
        source_BS: int64; what stands behind a source's end is never looked at.
        source_lengths_B: int64, from 1.
        target_BN: int64, each target and the token that ends it, which is written and scored too.
        target_lengths_B: int64, from 1, that token included.
        start_token: stands between source and target, and before the decoder's first target.
    """

    source_BS: Tensor
    source_lengths_B: Tensor
    target_BN: Tensor
    target_lengths_B: Tensor
    start_token: int

    @property
    def source_mask_BS(self) -> Tensor:
        """Bool: True where a token of a source stands."""
        return _mask(self.source_lengths_B, self.source_BS.shape[1])

    @property
    def target_mask_BN(self) -> Tensor:
        """Bool: True where a token of a target, or its end, stands."""
        return _mask(self.target_lengths_B, self.target_BN.shape[1])

    @property
    def decoder_input_BN(self) -> Tensor:
        """What a decoder reads: the start token, then each target less its end."""
        return torch.nn.functional.pad(self.target_BN[:, :-1], (1, 0), value=self.start_token)

    @property
    def targets_M(self) -> Tensor:
        """The tokens to be predicted, without padding."""
        return self.target_BN[self.target_mask_BN]

    def part(self, rows: slice) -> PairBatch:
        """Some rows of the batch, cut to the longest of them."""
        source_lengths, target_lengths = self.source_lengths_B[rows], self.target_lengths_B[rows]
        return PairBatch(
            source_BS=self.source_BS[rows, : int(source_lengths.max())],
            source_lengths_B=source_lengths,
            target_BN=self.target_BN[rows, : int(target_lengths.max())],
            target_lengths_B=target_lengths,
            start_token=self.start_token,
        )


@dataclass(frozen=True)
class JoinedPairs:
    """Source, start token and target as one sequence a row, padded on the right.

    Attributes:
        tokens_BT: int64; the target's last token, its end, is left out: nothing comes after it.
        is_scored_BT: bool: True where the token after the position is one of the target.
    """

    tokens_BT: Tensor
    is_scored_BT: Tensor


def join(pairs: PairBatch) -> JoinedPairs:
    """Write each pair as one sequence without padding inside."""
    sources_B1 = pairs.source_lengths_B[:, None]
    ends_B1 = sources_B1 + pairs.target_lengths_B[:, None]
    positions_1T = torch.arange(int(ends_B1.max()), device=pairs.source_BS.device)[None]
    is_scored_BT = (positions_1T >= sources_B1) & (positions_1T < ends_B1)
    source_index_BT = positions_1T.expand_as(is_scored_BT).clamp(max=pairs.source_BS.shape[1] - 1)
    target_index_BT = (positions_1T - sources_B1).clamp(0, pairs.target_BN.shape[1] - 1)
    tokens_BT = torch.where(
        is_scored_BT,
        pairs.decoder_input_BN.gather(1, target_index_BT),
        pairs.source_BS.gather(1, source_index_BT),
    )
    return JoinedPairs(tokens_BT, is_scored_BT)


def _mask(lengths_B: Tensor, width: int) -> Tensor:
    return torch.arange(width, device=lengths_B.device)[None] < lengths_B[:, None]
