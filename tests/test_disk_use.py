"""How much room checkpoints take is known before a sweep starts, and a full disk is told of."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from lmtune import preflight
from lmtune.datasets import PreparedDatasets
from lmtune.disk import disk_full, size_text
from lmtune.disk_use import check_disk
from lmtune.errors import ResourceError, SpecError
from lmtune.models import count_parameters
from lmtune.preflight import check_surroundings
from lmtune.records import ExperimentFolder
from tests.tuning.simulation import SWEEP, load

Usage = namedtuple("Usage", "total used free")
SPEC = Path("sweep.yaml")


def check(project: Path, free: int, more: str = "") -> None:
    folder = ExperimentFolder(project / "experiments" / "simulated")
    folder.path.mkdir(parents=True, exist_ok=True)
    sweep = load(project, SWEEP + "resources: {max_concurrent: 1}\n" + more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free))
        check_disk(sweep, PreparedDatasets(project), folder, SPEC)


@pytest.fixture
def weights(tmp_path: Path) -> list[int]:
    """Bytes of the weights of the two variants' models."""
    sweep = load(tmp_path)
    data = PreparedDatasets(tmp_path).get(sweep.variants[0].config.dataset)
    return [
        4
        * count_parameters(
            each.config.model,
            vocab_size=data.vocab_size,
            num_outputs=data.num_outputs,
            context_length=8,
        ).total
        for each in sweep.variants
    ]


def test_disk_when_all_checkpoints_fit_exactly_is_enough(
    tmp_path: Path, weights: list[int]
) -> None:
    large, small = weights
    # six tune and three confirm trials of each, with weights alone and with an optimizer's state;
    # one trial under way, whose last checkpoint is there twice and once more in the making.
    needed = 9 * (large + small) * (1 + 3) + 11 * large
    check(tmp_path, needed)
    with pytest.raises(ResourceError) as refused:
        check(tmp_path, needed - 1)
    text = str(refused.value)
    assert text.startswith("sweep.yaml: keep: the checkpoints of this sweep come to about ")
    assert size_text(needed) in text
    assert "add `keep: {checkpoints: best, top_k: 3}`, which takes " in text


def test_disk_when_fewer_are_kept_may_be_smaller(tmp_path: Path, weights: list[int]) -> None:
    large, _ = weights
    more = "keep: {checkpoints: best, top_k: 3}\n"
    check(tmp_path, 14 * large, more)
    with pytest.raises(ResourceError) as refused:
        check(tmp_path, 14 * large - 1, more)
    assert "keep: {" not in str(refused.value).partition("Fix: ")[2]
    check(tmp_path, 11 * large, "keep: {checkpoints: none}\n")


def test_disk_full_says_what_is_free_and_what_takes_room(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "weights").write_bytes(b"x" * (3 << 20))
    error = OSError(28, "No space left on device", str(tmp_path / "experiments/a/curve.jsonl"))
    text = str(disk_full(error, tmp_path))
    assert "curve.jsonl: No space left on device: " in text
    assert "are free" in text
    assert "experiments/ holds 3.0 MiB" in text
    assert "run the same command again" in text


def test_shared_memory_when_it_is_too_small_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "shared_memory", lambda: 64 << 20)
    sweep = load(tmp_path)
    with pytest.raises(SpecError, match=r"64\.0 MiB of shared memory"):
        check_surroundings(sweep, SPEC, tmp_path, is_local=True)
    check_surroundings(sweep, SPEC, tmp_path, is_local=False)
