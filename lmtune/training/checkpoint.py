"""Checkpoints: what restores a run to the bit, in safetensors and JSON only.

A trial's checkpoint folder holds `last/`, the run as it was last saved, `last.old/`, the same of
the time before, and `best/`, the weights of the epoch with the lowest validation loss. Each is
replaced as a whole, and each tensor file is read only if it has the checksum that `state.json`
beside it gives.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor

from lmtune.errors import CheckpointError
from lmtune.spec.config import Config
from lmtune.training.atomic_folder import (
    put_back,
    remove_folder,
    replace_folder,
    settle_folder,
    whole_folder,
)

WEIGHTS_FILE = "model.safetensors"
TENSORS_FILE = "state.safetensors"
STATE_FILE = "state.json"

Kind = Literal["last", "best"]


class Progress(BaseModel):
    """The numbers of a run under way.

    A batch follows from its step, so `step` is the place in the data too.

    Attributes:
        epoch: epochs finished.
        step: optimizer steps finished.
        train_tokens: tokens read in training.
        train_loss_sum: of the batches of the epoch that is not finished yet.
        elapsed_s: training and evaluation so far.
        best_epoch: the epoch with the lowest validation loss; 0 before the first.
        best_val_loss: that loss; None before the first epoch.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: int = 0
    step: int = 0
    train_tokens: int = 0
    train_loss_sum: float = 0.0
    elapsed_s: float = 0.0
    best_epoch: int = 0
    best_val_loss: float | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps.

    Attributes:
        trial_id: whose run it is.
        progress: its numbers.
        weights: the model's state dict.
        tensors: the rest by name: the optimizer's state, the dropout stream's.
    """

    trial_id: str
    progress: Progress
    weights: dict[str, Tensor]
    tensors: dict[str, Tensor]


class _State(Config):
    """Content of `state.json`."""

    format: Literal[1] = 1
    trial_id: str
    progress: Progress
    sha256: dict[str, str] = Field(description="of each tensor file")
    checksum: str = Field(default="", description="SHA-256 of the other fields")

    def seal(self) -> _State:
        """The same with its checksum."""
        content = self.model_dump_json(exclude={"checksum"})
        return self.model_copy(update={"checksum": _sha256(content.encode())})


class CheckpointFolder:
    """The checkpoints of one trial. Written by one process at a time.

    Args:
        path: the folder that holds `last/` and `best/`; made by the first `save`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def epochs_done(self) -> int:
        """Epochs that `last/` holds; 0 where there is none. Looks at `state.json` alone.

        Raises:
            CheckpointError: `state.json` is missing, torn or altered.
        """
        folder = whole_folder(self.path / "last")
        return 0 if folder is None else _read_state(folder).progress.epoch

    def save(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        """Replace `last/` and, where the run is at its best, `best/`.

        `best/` comes first: a kill between the two then leaves a `last/` from before the best
        epoch, and the resumed run comes to that epoch again.

        Raises:
            OSError: the disk is full, say; what was there stays.
        """
        weights = format_tensors(checkpoint.weights)
        if is_best:
            self._replace("best", checkpoint, {WEIGHTS_FILE: weights})
        tensors = format_tensors(checkpoint.tensors)
        self._replace("last", checkpoint, {WEIGHTS_FILE: weights, TENSORS_FILE: tensors})

    def go_back(self, trial_id: str, most_epochs: int) -> list[str]:
        """Go back to the last checkpoint that is whole, and to nothing where none is.

        Args:
            trial_id: whose checkpoints they are.
            most_epochs: that are known of the run: a checkpoint of more is given up as well.

        Returns:
            What was found spoilt, a line each.
        """
        words = []
        last = self.path / "last"
        while (folder := whole_folder(last)) is not None:
            try:
                state = _read_own_state(folder, trial_id)
                for name in state.sha256:
                    _read_content(folder, name, state)
            except CheckpointError as error:
                words.append(f"{str(error).partition(chr(10))[0]} The one before is used instead.")
            else:
                if state.progress.epoch <= most_epochs:
                    return words
            put_back(last)
        self.discard()
        return words

    def keep_only(self, kinds: Collection[Kind]) -> None:
        """Delete the others, and what only a trial under way needs, once the trial has ended."""
        if not kinds:
            self.discard()
            return
        for kind in get_args(Kind):
            if kind in kinds:
                settle_folder(self.path / kind)
            else:
                remove_folder(self.path / kind)

    def discard(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self.path, ignore_errors=True)

    def load(self, trial_id: str) -> Checkpoint | None:
        """Read `last/`; None where nothing was saved yet.

        Raises:
            CheckpointError: it is torn or altered, or belongs to another trial.
        """
        folder = whole_folder(self.path / "last")
        if folder is None:
            return None
        state = _read_own_state(folder, trial_id)
        return Checkpoint(
            trial_id=trial_id,
            progress=state.progress,
            weights=_read_tensors(folder, WEIGHTS_FILE, state),
            tensors=_read_tensors(folder, TENSORS_FILE, state),
        )

    def load_weights(self, kind: Kind, trial_id: str) -> dict[str, Tensor]:
        """Read a state dict on the CPU.

        Raises:
            CheckpointError: it is missing, torn or altered, or belongs to another trial.
        """
        folder = whole_folder(self.path / kind)
        if folder is None:
            raise CheckpointError(
                f"{self.path / kind}: no checkpoint was saved here, or it was not kept: a trial "
                "that was stopped early keeps none, and `keep` in the sweep file says which "
                "others do.\n"
                "  Fix: name another trial or another checkpoint."
            )
        return _read_tensors(folder, WEIGHTS_FILE, _read_own_state(folder, trial_id))

    def _replace(self, kind: Kind, checkpoint: Checkpoint, files: Mapping[str, bytes]) -> None:
        state = _State(
            trial_id=checkpoint.trial_id,
            progress=checkpoint.progress,
            sha256={name: _sha256(content) for name, content in files.items()},
        )
        text = state.seal().model_dump_json(indent=2) + "\n"
        content = {**files, STATE_FILE: text.encode()}
        replace_folder(self.path / kind, content, keep_old=kind == "last")


def _read_own_state(folder: Path, trial_id: str) -> _State:
    state = _read_state(folder)
    if state.trial_id != trial_id:
        raise CheckpointError(
            f"{folder}: this checkpoint is of trial {state.trial_id}, not of {trial_id}.\n"
            f"  Fix: delete {folder.parent} to train the trial from the start."
        )
    return state


def _read_state(folder: Path) -> _State:
    path = folder / STATE_FILE
    try:
        state = _State.model_validate_json(_read_bytes(path))
    except ValidationError as error:
        raise _altered(path, f"{error.error_count()} of its fields cannot be read") from error
    if state != state.seal():
        raise _altered(path, "its content does not have the checksum in it")
    return state


def _read_tensors(folder: Path, name: str, state: _State) -> dict[str, Tensor]:
    content = _read_content(folder, name, state)
    try:
        return parse_tensors(content)
    except SafetensorError as error:
        raise _altered(folder / name, f"it is no safetensors file ({error})") from error


def _read_content(folder: Path, name: str, state: _State) -> bytes:
    path = folder / name
    content = _read_bytes(path)
    if _is_pickle(content):
        raise _altered(path, "it is no safetensors file but a pickle, which may run any code")
    if _sha256(content) != state.sha256.get(name):
        raise _altered(path, f"it does not have the checksum in {STATE_FILE}")
    return content


def _is_pickle(content: bytes) -> bool:
    """Whether it begins as a pickle does, or an archive of them, which `torch.save` writes."""
    is_safetensors = content[8:9] == b"{"  # behind eight bytes, which may be any
    return content.startswith((b"\x80", b"PK\x03\x04")) and not is_safetensors


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _altered(path, f"it cannot be read ({error.strerror})") from error


def _altered(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: the checkpoint is torn or was altered: {reason}.\n"
        f"  Fix: delete {path.parent.parent} to train the trial from the start."
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
