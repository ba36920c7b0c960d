"""What a worker reports in place of an evaluation when a trial cannot be trained to its end."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lmtune.datasets import PreparedDatasets
from lmtune.errors import TrialDiverged
from lmtune.spec.trial import TrialSpec
from lmtune.tuning import trainable
from lmtune.tuning.trainable import DISK_FULL, DIVERGED, OUT_OF_MEMORY, train_trial, work_order
from tests.tuning.simulation import evaluation, load

Reports = list[dict[str, Any]]
Work = Callable[[Callable[[], object]], Reports]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Runs the worker on a training that does something after its first epoch; its reports."""
    config = load(tmp_path).variants[0].config
    dataset = PreparedDatasets(tmp_path).get(config.dataset)
    trial = TrialSpec(
        variant="base", phase="tune", seed=0, config=config, data_fingerprint=dataset.fingerprint
    )
    order = work_order(
        trial,
        dataset=dataset.folder,
        checkpoints=tmp_path / "checkpoints",
        num_threads=torch.get_num_threads(),
        parts=2,
    )

    def run(then: Callable[[], object]) -> Reports:
        def train(*_: object, parts: int, **__: object) -> Iterator[object]:
            assert parts == 2
            yield evaluation(1, 2.0)
            then()

        reports: Reports = []
        monkeypatch.setattr(trainable, "train", train)
        monkeypatch.setattr("ray.get_gpu_ids", list)
        monkeypatch.setattr(trainable, "_show", lambda _: None)
        monkeypatch.setattr("ray.tune.report", reports.append)
        train_trial(order)
        return reports[1:]

    return run


def fail(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def test_worker_when_nothing_happens_reports_evaluations_alone(work: Work) -> None:
    assert work(lambda: None) == []


def test_worker_when_the_trial_diverges_says_so(work: Work) -> None:
    assert work(fail(TrialDiverged(4, float("nan")))) == [{DIVERGED: "loss became nan at step 5"}]


@pytest.mark.parametrize(
    "then",
    [
        lambda: torch.empty(1 << 60, dtype=torch.uint8),  # torch's own words on a CPU
        fail(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        fail(MemoryError()),
    ],
    ids=["cpu", "cuda", "python"],
)
def test_worker_when_memory_runs_out_says_so_with_its_traceback(
    work: Work, then: Callable[[], object]
) -> None:
    (told,) = work(then)
    assert told.keys() == {OUT_OF_MEMORY}
    assert told[OUT_OF_MEMORY].startswith("Traceback (most recent call last):")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_worker_when_the_disk_is_full_says_so(work: Work, number: int) -> None:
    assert work(fail(OSError(number, "no room"))) == [{DISK_FULL: [number, "no room"]}]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError(errno.EIO, "broken")])
def test_worker_when_anything_else_is_raised_lets_it_through(work: Work, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error.args[-1])):
        work(fail(error))
