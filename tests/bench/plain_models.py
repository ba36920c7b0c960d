"""What a competent user writes with torch alone, in the sizes of lmtune's models.

The GPT is written out as in nanoGPT; the others are torch's own modules: `nn.Transformer`,
`nn.RNN`, `nn.LSTM`, `nn.GRU`. Output layers are tied to the embedding and there are no biases
outside the cells, so that both sides have the same number of weights. No dropout: lmtune's sizes
have none.

Shape letters: B batch, T time, N scored positions, V vocabulary; `tokens_BT1` has T + 1 tokens a
row, the inputs and the token after the last.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.spec.model import (
    AnyModelConfig,
    GPTConfig,
    RecurrentConfig,
    TransformerConfig,
)

Cell = Callable[..., nn.RNNBase]

LEARNING_RATE = 1e-3
GRADIENT_CLIP = 1.0


class SelfAttention(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query_key_value = nn.Linear(config.d_model, 3 * config.d_model, bias=False)
        self.output = nn.Linear(config.d_model, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, self.num_heads, width // self.num_heads).transpose(1, 2)
            for part in self.query_key_value(x).split(width, dim=2)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        output: Tensor = self.output(mixed.transpose(1, 2).contiguous().view(batch, time, width))
        return output


class Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model, bias=False)
        self.attention = SelfAttention(config)
        self.feed_forward_norm = nn.LayerNorm(config.d_model, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(config.d_model, config.d_ff, bias=False),
            nn.GELU(),
            nn.Linear(config.d_ff, config.d_model, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        output: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return output


class PlainGPT(nn.Module):
    def __init__(self, config: GPTConfig, *, vocab_size: int, context_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, config.d_model)
        self.position = nn.Embedding(context_length, config.d_model)
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.num_layers)))
        self.norm = nn.LayerNorm(config.d_model, bias=False)
        self.head = nn.Linear(config.d_model, vocab_size, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        positions = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        x = self.embedding(tokens_BT) + self.position(positions)
        logits_BTV: Tensor = self.head(self.norm(self.blocks(x)))
        return logits_BTV


class PlainTransformer(nn.Module):
    def __init__(self, config: TransformerConfig, *, vocab_size: int, context_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, config.d_model)
        self.source_position = nn.Embedding(context_length, config.d_model)
        self.target_position = nn.Embedding(context_length, config.d_model)
        with warnings.catch_warnings():
            # It says that pre-norm has no nested tensors, which serve inference alone.
            warnings.filterwarnings("ignore", "enable_nested_tensor", UserWarning)
            self.transformer = nn.Transformer(
                config.d_model,
                config.num_heads,
                config.num_encoder_layers,
                config.num_decoder_layers,
                config.d_ff,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
                bias=False,
            )
        self.head = nn.Linear(config.d_model, vocab_size, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, N, V) of the window's second half, read from the first."""
        source, target = tokens_BT.chunk(2, dim=1)
        positions = torch.arange(source.shape[1], device=tokens_BT.device)
        mask = nn.Transformer.generate_square_subsequent_mask(
            target.shape[1], device=tokens_BT.device
        )
        hidden = self.transformer(
            self.embedding(source) + self.source_position(positions),
            self.embedding(target) + self.target_position(positions),
            tgt_mask=mask,
            tgt_is_causal=True,
        )
        logits_BNV: Tensor = self.head(hidden)
        return logits_BNV


class PlainRecurrent(nn.Module):
    def __init__(self, config: RecurrentConfig, *, vocab_size: int, cell: Cell) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, config.embedding_dim)
        self.cells = cell(
            config.embedding_dim, config.hidden_size, config.num_layers, batch_first=True
        )
        self.head = nn.Linear(config.hidden_size, vocab_size, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        hidden, _ = self.cells(self.embedding(tokens_BT))
        logits_BTV: Tensor = self.head(hidden)
        return logits_BTV


def build_plain_model(config: AnyModelConfig, *, vocab_size: int, context_length: int) -> nn.Module:
    """The plain counterpart of lmtune's model."""
    match config:
        case GPTConfig():
            return PlainGPT(config, vocab_size=vocab_size, context_length=context_length)
        case TransformerConfig():
            return PlainTransformer(config, vocab_size=vocab_size, context_length=context_length)
    assert isinstance(config, RecurrentConfig)
    cells: dict[str, Cell] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    return PlainRecurrent(config, vocab_size=vocab_size, cell=cells[config.type])


class PlainLoop:
    """A training loop as in nanoGPT: random windows of one tensor, torch's AdamW, clipping.

    Args:
        model: on the device.
        tokens: int64, of the training split.
        batch_size: B.
        context_length: T.
        device: to train on.
    """

    def __init__(
        self,
        model: nn.Module,
        tokens: Tensor,
        *,
        batch_size: int,
        context_length: int,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self.tokens = tokens
        self.batch_size = batch_size
        self.context_length = context_length
        self.device = device
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)

    def train_steps(self, count: int) -> None:
        self.model.train()
        for _ in range(count):
            tokens_BT1 = self._batch()
            logits_BNV = self.model(tokens_BT1[:, :-1])
            targets_BN = tokens_BT1[:, -logits_BNV.shape[1] :]
            loss = F.cross_entropy(logits_BNV.flatten(0, 1), targets_BN.flatten())
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_CLIP)
            self.optimizer.step()

    def _batch(self) -> Tensor:
        length = self.context_length + 1
        starts = torch.randint(len(self.tokens) - length + 1, (self.batch_size,))
        windows = [self.tokens[start : start + length] for start in starts.tolist()]
        return torch.stack(windows).to(self.device)
