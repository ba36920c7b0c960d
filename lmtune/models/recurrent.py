"""What the recurrent architectures share: embedding, a stack of cells, projection, head.

Inside, time comes first: the embedding is gathered in the order in which the cells read it.
Shape letters: see `language_model.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.models.cells import read_by_layers
from lmtune.models.embedding import TokenEmbedding, count_embedding
from lmtune.models.language_model import LanguageModel, ParameterCount, Stream
from lmtune.models.layers import make_dropout
from lmtune.models.pairs import PairBatch, join
from lmtune.spec.model import RecurrentConfig

EMBEDDING_STD = 0.8
"""Times 1 / sqrt(embedding_dim): wide enough to learn fast, narrow enough to start at ln V."""

State = Tensor | tuple[Tensor, Tensor]
"""What the cells of all layers remember, as the torch module has it: h_LBG, or (h_LBG, c_LBG)."""


@dataclass(frozen=True)
class RecurrentStream(Stream):
    """The state of the cells: it never grows, and a step leaves it as it was."""

    state: State

    num_free = None

    def select(self, rows_B: Tensor) -> RecurrentStream:
        """See `Stream.select`."""
        if isinstance(self.state, Tensor):
            return RecurrentStream(self.state[:, rows_B])
        h_LBG, c_LBG = self.state
        return RecurrentStream((h_LBG[:, rows_B], c_LBG[:, rows_B]))


class RecurrentLanguageModel(LanguageModel):
    """Reads tokens one after the other and keeps what it knows in a state of fixed size.

    The head reads vectors of width embedding_dim, tied to the embedding or not, so that an ablation
    of `tie_embeddings` changes nothing else; a projection leads there where hidden_size differs.
    The head needs short vectors, for the first loss to be ln V, the cells need long ones, or they
    learn very slowly; so the cells see the vectors scaled up to unit variance. A pair is read as
    one sequence: source, start token, target.

    Source: Mikolov et al. 2010; dropout on all but the recurrent connections by Zaremba et al.
    2014; scaling of a tied embedding by Vaswani et al. 2017, sec. 3.4.

    Args:
        config: the dimensions.
        vocab_size: V.
        num_outputs: O.
        cell: the torch module of the architecture, such as `nn.LSTM`.
        layer: what reads its layers on the CPU, see `read_by_layers`; None for the module itself.
    """

    def __init__(
        self,
        config: RecurrentConfig,
        *,
        vocab_size: int,
        num_outputs: int,
        cell: Callable[..., nn.RNNBase],
        layer: type[Function] | None = None,
    ) -> None:
        super().__init__()
        std = EMBEDDING_STD / math.sqrt(config.embedding_dim)
        self.embedding = TokenEmbedding(
            vocab_size,
            config.embedding_dim,
            std=std,
            num_outputs=num_outputs,
            is_tied=config.tie_embeddings,
        )
        self.input_scale = 1 / std
        self.dropout = make_dropout(config.dropout)
        self.cells = cell(
            config.embedding_dim,
            config.hidden_size,
            config.num_layers,
            # Between layers: with one layer there is no such place, and torch warns.
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        self.layer = layer
        self.projection: nn.Module = (
            nn.Linear(config.hidden_size, config.embedding_dim, bias=False)
            if config.hidden_size != config.embedding_dim
            else nn.Identity()
        )

    def targets_per_window(self, context_length: int) -> int:
        """All of them."""
        return num_targets(context_length)

    def forward(self, tokens_BT: Tensor, num_targets: int) -> Tensor:
        """See `LanguageModel.next_token_logits`. The state starts from zero."""
        hidden_TBG, _ = self._run(tokens_BT, None)
        return self._logits(hidden_TBG[-num_targets:].transpose(0, 1))

    def pair_logits(self, pairs: PairBatch) -> Tensor:
        """See `LanguageModel.pair_logits`: padding comes after all that is scored."""
        joined = join(pairs)
        hidden_TBG, _ = self._run(joined.tokens_BT, None)
        return self._logits(hidden_TBG.transpose(0, 1)[joined.is_scored_BT])

    def open_stream(self, prompt_BT: Tensor) -> tuple[Tensor, RecurrentStream]:
        """See `LanguageModel.open_stream`."""
        return self._read_on(prompt_BT, None)

    def open_pair_stream(
        self, source_BS: Tensor, start_token: int
    ) -> tuple[Tensor, RecurrentStream]:
        """See `LanguageModel.open_pair_stream`."""
        return self._read_on(F.pad(source_BS, (0, 1), value=start_token), None)

    def step(self, tokens_B: Tensor, stream: Stream) -> tuple[Tensor, RecurrentStream]:
        """See `LanguageModel.step`."""
        assert isinstance(stream, RecurrentStream)
        return self._read_on(tokens_B[:, None], stream.state)

    def stream_logits(self, tokens_BT: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Go on reading where an earlier call stopped, and score every position.

        Args:
            tokens_BT: the next tokens, of any number.
            state: what the earlier call returned; None at the start of a text.

        Returns:
            Logits (B, T, O) of the token after each position, and the state after the last.
        """
        hidden_TBG, state = self._run(tokens_BT, state)
        return self._logits(hidden_TBG.transpose(0, 1)), state

    def _read_on(self, tokens_BT: Tensor, state: State | None) -> tuple[Tensor, RecurrentStream]:
        hidden_TBG, state = self._run(tokens_BT, state)
        return self._logits(hidden_TBG[-1]), RecurrentStream(state)

    def _run(self, tokens_BT: Tensor, state: State | None) -> tuple[Tensor, State]:
        tokens_TB = tokens_BT.T
        if self.layer is not None and tokens_TB.device.type == "cpu":
            assert not isinstance(state, tuple)
            return read_by_layers(self.cells, self.layer, self._first_inputs(tokens_TB), state)
        hidden_TBG, state = self.cells(self._vectors(tokens_TB), state)
        return hidden_TBG, state

    def _vectors(self, tokens: Tensor) -> Tensor:
        """What the cells see of tokens of any shape (...): (..., E)."""
        vectors: Tensor = self.dropout(self.embedding(tokens) * self.input_scale)
        return vectors

    def _first_inputs(self, tokens_TB: Tensor) -> Tensor:
        """Input of the first layer's gates, (T, B, F).

        Where fewer tokens exist than are read, each is mapped once rather than wherever it stands,
        which spares up to a quarter of what two layers multiply. Not with dropout: then a token's
        vector is another wherever it stands.
        """
        w_ih, _, b_ih, _ = self.cells.all_weights[0]
        vocab_size = len(self.embedding.weight)
        is_dropping = self.training and isinstance(self.dropout, nn.Dropout)
        if is_dropping or vocab_size >= tokens_TB.numel():
            return F.linear(self._vectors(tokens_TB), w_ih, b_ih)
        every_token_V = torch.arange(vocab_size, device=tokens_TB.device)
        return F.embedding(tokens_TB, F.linear(self._vectors(every_token_V), w_ih, b_ih))

    def _logits(self, hidden: Tensor) -> Tensor:
        """From the last layer's states (..., G) to (..., O)."""
        return self.embedding.logits(self.projection(self.dropout(hidden)))


def num_targets(context_length: int) -> int:
    """Count the scored positions of a window: all of them."""
    return context_length


def count_recurrent_parameters(
    config: RecurrentConfig, *, vocab_size: int, num_outputs: int, num_gates: int
) -> ParameterCount:
    """Count without building; torch's cells have two bias vectors a gate."""
    biases = config.num_layers * num_gates * 2 * config.hidden_size
    non_embedding = _count_cell_weights(config, num_gates) + biases + _count_projection(config)
    embedding = count_embedding(
        vocab_size,
        config.embedding_dim,
        num_outputs=num_outputs,
        is_tied=config.tie_embeddings,
    )
    return ParameterCount(total=embedding + non_embedding, non_embedding=non_embedding)


def recurrent_sequence_flops(
    config: RecurrentConfig,
    *,
    num_outputs: int,
    num_source: float,
    num_target: float,
    num_gates: int,
) -> float:
    """Count the training FLOPs of one sequence's matrix products: 6 a weight and token.

    As if every token were mapped where it stands, which on the CPU it need not be: what a model
    costs is then the same for every size of batch.

    Args:
        config: the dimensions.
        num_outputs: O.
        num_source: tokens that are context only, which neither projection nor head sees.
        num_target: tokens after them, all scored.
        num_gates: of a cell.

    Source: Chowdhery et al. 2022, appendix B; 6 = 2 a multiply-add, once forward, twice backward.
    """
    head = _count_projection(config) + num_outputs * config.embedding_dim
    cells = _count_cell_weights(config, num_gates)
    return 6 * (cells * (num_source + num_target) + head * num_target)


def _count_cell_weights(config: RecurrentConfig, num_gates: int) -> int:
    """Count the entries of the cells' matrices."""
    inputs = config.embedding_dim + (config.num_layers - 1) * config.hidden_size
    return num_gates * config.hidden_size * (inputs + config.num_layers * config.hidden_size)


def _count_projection(config: RecurrentConfig) -> int:
    has_projection = config.hidden_size != config.embedding_dim
    return config.hidden_size * config.embedding_dim if has_projection else 0
