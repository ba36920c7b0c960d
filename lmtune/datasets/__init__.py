"""Text to token arrays to windows: what a model is trained and judged on.

`prepare_dataset` tokenizes once, in the driver; `open_dataset` maps the result into a worker;
`training_windows` and `evaluation_blocks` say which tokens are seen when. To add a corpus or a
tokenizer, give it a config in `spec/dataset.py` and a file of the same name in `corpora/` or
`tokenizers/`. This room imports neither torch nor models.
"""

from __future__ import annotations

from lmtune.datasets.dataset import Dataset, Split, open_dataset
from lmtune.datasets.evaluation_blocks import EvaluationBlock, evaluation_blocks
from lmtune.datasets.prepare import check_dataset, prepare_dataset
from lmtune.datasets.prepared import PreparedDatasets
from lmtune.datasets.tokenizers import Tokenizer
from lmtune.datasets.training_windows import TrainingWindows, training_windows

__all__ = [
    "Dataset",
    "EvaluationBlock",
    "PreparedDatasets",
    "Split",
    "Tokenizer",
    "TrainingWindows",
    "check_dataset",
    "evaluation_blocks",
    "open_dataset",
    "prepare_dataset",
    "training_windows",
]
