"""Text to token arrays: what a model is trained and judged on.

`prepare_dataset` tokenizes once, in the driver; `open_dataset` maps the result into a worker. Of a
running text, `training_windows` and `evaluation_blocks` say which tokens are seen when; of pairs,
`pair_batches`. To add a corpus or a tokenizer, give it a config in `spec/dataset.py` and a file of
the same name in `corpora/` or `tokenizers/`. This room imports neither torch nor models.
"""

from __future__ import annotations

from lmtune.datasets.dataset import Dataset, Split
from lmtune.datasets.evaluation_blocks import EvaluationBlock, evaluation_blocks
from lmtune.datasets.ngram_floors import ngram_floors
from lmtune.datasets.opened import open_dataset, open_vocabulary
from lmtune.datasets.pair_batches import PairBatches, pair_batches
from lmtune.datasets.pair_dataset import PairsDataset
from lmtune.datasets.pair_split import PairSplit
from lmtune.datasets.prepare import check_dataset, prepare_dataset, prepare_text
from lmtune.datasets.prepared import PreparedDatasets
from lmtune.datasets.progress import Watcher, watched_by
from lmtune.datasets.ragged import RaggedTokens
from lmtune.datasets.tokenizers import Tokenizer
from lmtune.datasets.training_windows import TrainingWindows, training_windows

__all__ = [
    "Dataset",
    "EvaluationBlock",
    "PairBatches",
    "PairSplit",
    "PairsDataset",
    "PreparedDatasets",
    "RaggedTokens",
    "Split",
    "Tokenizer",
    "TrainingWindows",
    "Watcher",
    "check_dataset",
    "evaluation_blocks",
    "ngram_floors",
    "open_dataset",
    "open_vocabulary",
    "pair_batches",
    "prepare_dataset",
    "prepare_text",
    "training_windows",
    "watched_by",
]
