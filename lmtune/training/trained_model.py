"""A trial's model as training left it."""

from __future__ import annotations

import torch

from lmtune.datasets import Dataset, PairsDataset
from lmtune.errors import CheckpointError
from lmtune.models import LanguageModel, build_model
from lmtune.spec.trial import TrialSpec
from lmtune.training.checkpoint import CheckpointFolder, Kind


def load_trained_model(
    trial: TrialSpec,
    dataset: Dataset | PairsDataset,
    checkpoints: CheckpointFolder,
    kind: Kind,
    *,
    device: torch.device | str = "cpu",
) -> LanguageModel:
    """Build a trial's model with the weights of a checkpoint, in evaluation mode.

    Args:
        trial: what was trained.
        dataset: what it was trained on.
        checkpoints: the trial's.
        kind: which of them.
        device: where to put the model.

    Raises:
        CheckpointError: the checkpoint is missing, torn, altered, or of another trial or version.
    """
    weights = checkpoints.load_weights(kind, trial.trial_id)  # first: not every model has any
    model = build_model(
        trial.config.model,
        vocab_size=dataset.vocab_size,
        num_outputs=dataset.num_outputs,
        context_length=trial.config.dataset.context_length,
        seed=0,
    )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"The checkpoint of trial {trial.trial_id} does not fit its model: {error}.\n"
            "  Fix: use the version of lmtune that it was written with."
        ) from error
    return model.to(device).eval()
