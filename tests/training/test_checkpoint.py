"""Checkpoints come back as they were, and are refused when they are not what they were."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lmtune.errors import CheckpointError
from lmtune.training import Checkpoint, CheckpointFolder, Progress

FILES = ["model.safetensors", "state.safetensors", "state.json"]


def checkpoint(epoch: int = 3, trial_id: str = "mine") -> Checkpoint:
    generator = torch.Generator().manual_seed(epoch)
    return Checkpoint(
        trial_id=trial_id,
        progress=Progress(
            epoch=epoch,
            step=30,
            train_loss_sum=0.1,
            elapsed_s=1 / 3,
            best_epoch=2,
            best_val_loss=0.7,
        ),
        weights={"layer.weight": torch.randn(4, 3, generator=generator)},
        tensors={
            "optimizer.layer.weight.step": torch.tensor(30.0),
            "dropout.cpu": torch.get_rng_state(),
        },
    )


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_load_before_any_save_gives_none(folder: CheckpointFolder) -> None:
    assert folder.load("mine") is None
    assert folder.epochs_done == 0


def test_load_gives_what_was_saved_to_the_bit(folder: CheckpointFolder) -> None:
    saved = checkpoint()
    folder.save(saved, is_best=False)
    loaded = folder.load("mine")
    assert loaded is not None
    assert loaded.progress == saved.progress
    for before, after in ((saved.weights, loaded.weights), (saved.tensors, loaded.tensors)):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_epochs_done_is_of_the_last_save(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(epoch=1), is_best=True)
    folder.save(checkpoint(epoch=2), is_best=False)
    assert folder.epochs_done == 2


def test_best_keeps_the_weights_of_the_last_save_that_was_best(folder: CheckpointFolder) -> None:
    for epoch, is_best in ((1, True), (2, True), (3, False)):
        folder.save(checkpoint(epoch), is_best=is_best)
    best = folder.load_weights("best", "mine")["layer.weight"]
    last = folder.load_weights("last", "mine")["layer.weight"]
    assert torch.equal(best, checkpoint(2).weights["layer.weight"])
    assert torch.equal(last, checkpoint(3).weights["layer.weight"])
    assert sorted(path.name for path in (folder.path / "best").iterdir()) == [FILES[0], FILES[2]]


def test_load_weights_where_nothing_was_saved_names_the_folder(folder: CheckpointFolder) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoints/best: no checkpoint was saved here"):
        folder.load_weights("best", "mine")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_load_of_a_damaged_file_is_refused_with_its_name_and_a_fix(
    folder: CheckpointFolder, name: str, damage: Callable[[Path], None]
) -> None:
    folder.save(checkpoint(), is_best=False)
    damage(folder.path / "last" / name)
    with pytest.raises(CheckpointError) as caught:
        folder.load("mine")
    first, fix = str(caught.value).splitlines()
    assert first.startswith(
        f"{folder.path / 'last' / name}: the checkpoint is torn or was altered:"
    )
    assert fix == f"  Fix: delete {folder.path} to train the trial from the start."


def test_load_of_progress_that_was_edited_is_refused(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(), is_best=False)
    path = folder.path / "last" / "state.json"
    state = json.loads(path.read_text())
    state["progress"]["step"] = 31
    path.write_text(json.dumps(state))
    with pytest.raises(CheckpointError, match="does not have the checksum in it"):
        folder.load("mine")
    with pytest.raises(CheckpointError, match="does not have the checksum in it"):
        _ = folder.epochs_done


def test_load_of_another_trials_checkpoint_is_refused_with_both_names(
    folder: CheckpointFolder,
) -> None:
    folder.save(checkpoint(trial_id="theirs"), is_best=True)
    with pytest.raises(
        CheckpointError, match=r"last: this checkpoint is of trial theirs, not of mine"
    ):
        folder.load("mine")
    with pytest.raises(
        CheckpointError, match=r"best: this checkpoint is of trial theirs, not of mine"
    ):
        folder.load_weights("best", "mine")


def test_load_after_a_kill_between_the_renames_finds_the_old(folder: CheckpointFolder) -> None:
    folder.save(checkpoint(epoch=1), is_best=False)
    (folder.path / "last").rename(folder.path / "last.old")
    loaded = folder.load("mine")
    assert loaded is not None
    assert loaded.progress.epoch == folder.epochs_done == 1
    folder.save(checkpoint(epoch=2), is_best=False)
    assert folder.epochs_done == 2


def test_load_of_a_file_of_another_kind_is_refused_even_with_the_right_checksum(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtune.training.checkpoint.format_tensors", pickle.dumps)
    folder.save(checkpoint(), is_best=True)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .* it is no safetensors file"):
        folder.load_weights("best", "mine")


def test_room_never_reads_or_writes_a_pickle() -> None:
    room = Path(__file__).parents[2] / "lmtune" / "training"
    sources = {path: path.read_text() for path in room.rglob("*.py")}
    assert len(sources) > 10
    forbidden = re.compile(r"(import|from) pickle|pickle\.|marshal|joblib|torch\.(load|save)\(")
    assert [path for path, text in sources.items() if forbidden.search(text)] == []
