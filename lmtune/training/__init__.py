"""Training: optimizers, schedules, the loop, evaluation and checkpoints.

`train` is a generator of evaluations; it knows nothing of Ray, of MLflow or of the records.
"""

from lmtune.training.checkpoint import Checkpoint, CheckpointFolder, Progress
from lmtune.training.evaluation import Scores, evaluate
from lmtune.training.loop import train
from lmtune.training.precision import check_training

__all__ = [
    "Checkpoint",
    "CheckpointFolder",
    "Progress",
    "Scores",
    "check_training",
    "evaluate",
    "train",
]
