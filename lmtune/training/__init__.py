"""Training: optimizers, schedules, the loop, evaluation and checkpoints.

`train` is a generator of evaluations; it knows nothing of Ray, of MLflow or of the records.
"""

from lmtune.training.checkpoint import Checkpoint, CheckpointFolder, Kind, Progress
from lmtune.training.evaluation import Scores, evaluate
from lmtune.training.facts import trial_facts
from lmtune.training.generation import stream_tokens
from lmtune.training.loop import train
from lmtune.training.precision import check_training
from lmtune.training.task import make_task
from lmtune.training.trained_model import load_trained_model

__all__ = [
    "Checkpoint",
    "CheckpointFolder",
    "Kind",
    "Progress",
    "Scores",
    "check_training",
    "evaluate",
    "load_trained_model",
    "make_task",
    "stream_tokens",
    "train",
    "trial_facts",
]
