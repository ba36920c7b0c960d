"""The loop against a plain one, and the promises that a sweep builds on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.datasets import Dataset
from lmtune.errors import TrialDiverged
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec
from lmtune.training import CheckpointFolder, train
from lmtune.training.loop import TrainingRun
from lmtune.training.schedules import learning_rate_factor
from lmtune.training.text_task import TextTask
from tests.training.conftest import CurveOf, MakeTrial

CPU = torch.device("cpu")
DROPOUT = {"dropout": 0.2}
SGD = {"type": "sgd"}
"""Where two ways to compute a step are compared: Adam would blow up differences in rounding."""


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def is_equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def text_task(run: TrainingRun) -> TextTask:
    assert isinstance(run.task, TextTask)
    return run.task


def windows(run: TrainingRun, first: int, count: int) -> Tensor:
    return torch.from_numpy(text_task(run).windows.batch(first, count))


def test_train_equals_a_plain_loop(
    make_trial: MakeTrial, dataset: Dataset, model_type: str
) -> None:
    """Weights, losses and learning rates, with clipping that bites and a moving rate."""
    trial = make_trial(model_type, optimizer=SGD, training={"epochs": 2, "gradient_clip": 0.1})
    config = trial.config
    run = TrainingRun(trial, dataset, CPU)
    model = deepcopy(run.model).train()
    evaluations = [run.train_epoch(), run.train_epoch()]

    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9, fused=False)
    num_targets = model.targets_per_window(16)
    losses = []
    for step in range(6):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * learning_rate_factor(config.schedule, step, 6)
        tokens = windows(run, 4 * step, 4)
        logits = model.next_token_logits(tokens[:, :-1], num_targets)
        loss = F.cross_entropy(logits.permute(0, 2, 1), tokens[:, -num_targets:])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())

    for ours, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    expected = [np.mean(losses[:3]), np.mean(losses[3:])]
    assert [e.train_loss for e in evaluations] == pytest.approx(expected, rel=1e-5)
    rates = [0.1 * learning_rate_factor(config.schedule, step, 6) for step in (2, 5)]
    assert [e.learning_rate for e in evaluations] == rates


def test_train_counts_epochs_steps_and_tokens(
    make_trial: MakeTrial, dataset: Dataset, model_type: str
) -> None:
    evaluations = list(train(make_trial(model_type), dataset))
    assert [e.epoch for e in evaluations] == [1, 2, 3, 4]
    assert [e.step for e in evaluations] == [3, 6, 9, 12]
    assert [e.train_tokens for e in evaluations] == [3 * 4 * 16 * n for n in (1, 2, 3, 4)]
    times_s = [e.elapsed_s for e in evaluations]
    assert times_s == sorted(times_s)
    assert times_s[0] > 0
    assert all(e.val_perplexity == math.exp(e.val_loss) for e in evaluations)


@pytest.mark.parametrize(("batch_size", "steps"), [(3, 74), (100_000, 1)])
def test_epoch_without_steps_per_epoch_is_a_pass_over_the_split(
    make_trial: MakeTrial, dataset: Dataset, batch_size: int, steps: int
) -> None:
    training = {"steps_per_epoch": None, "batch_size": batch_size}
    run = TrainingRun(make_trial(training=training), dataset, CPU)
    assert text_task(run).windows.windows_per_pass == 224
    assert run.steps_per_epoch == steps


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulation_gives_the_same_training(
    make_trial: MakeTrial, dataset: Dataset, model_type: str, parts: int
) -> None:
    runs = []
    for accumulation_steps in (1, parts):
        training = {"accumulation_steps": accumulation_steps}
        trial = make_trial(model_type, optimizer=SGD, training=training)
        runs.append(TrainingRun(trial, dataset, CPU))
        runs[-1].train_epoch()
    whole, split = runs
    assert split.train_epoch().train_loss == pytest.approx(whole.train_epoch().train_loss, rel=1e-5)
    for a, b in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.science
def test_train_with_one_seed_twice_gives_the_same_bits_and_with_another_others(
    make_trial: MakeTrial, dataset: Dataset, model_type: str, curve_of: CurveOf
) -> None:
    curves, ends = [], []
    for seed in (0, 0, 1):
        run = TrainingRun(make_trial(model_type, seed=seed, model=DROPOUT), dataset, CPU)
        curves.append(curve_of([run.train_epoch(), run.train_epoch()]))
        ends.append(weights(run.model))
    assert curves[0] == curves[1]
    assert is_equal(ends[0], ends[1])
    assert curves[0][1]["val_loss"] != curves[2][1]["val_loss"]
    assert not is_equal(ends[0], ends[2])


def test_train_beside_another_trial_in_one_process_gives_the_same_bits(
    make_trial: MakeTrial, dataset: Dataset, curve_of: CurveOf
) -> None:
    trial, other = (make_trial(seed=seed, model=DROPOUT) for seed in (0, 1))
    alone = curve_of(train(trial, dataset))
    together = zip(train(trial, dataset), train(other, dataset), strict=True)
    assert curve_of(evaluation for evaluation, _ in together) == alone


def test_train_leaves_the_global_generator_as_it_was(
    make_trial: MakeTrial, dataset: Dataset
) -> None:
    before = torch.get_rng_state()
    list(train(make_trial(model=DROPOUT), dataset))
    assert torch.equal(torch.get_rng_state(), before)


def test_order_of_the_data_depends_on_the_seed_alone(
    make_trial: MakeTrial, dataset: Dataset
) -> None:
    def batch(trial: TrialSpec) -> Tensor:
        return windows(TrainingRun(trial, dataset, CPU), 0, 50)

    base = batch(make_trial("gpt"))
    assert torch.equal(base, batch(make_trial("lstm", model=DROPOUT, optimizer={"type": "sgd"})))
    assert not torch.equal(base, batch(make_trial("gpt", seed=1)))


def test_three_streams_of_a_seed_differ(make_trial: MakeTrial, dataset: Dataset) -> None:
    """Dropout alone changes neither the initial weights nor the order of the data."""
    plain, dropped = (
        TrainingRun(make_trial(model={"dropout": p}), dataset, CPU) for p in (0.0, 0.2)
    )
    start = weights(plain.model)
    assert all(torch.equal(start[n], t) for n, t in dropped.model.state_dict().items())
    assert plain.train_epoch().train_loss != dropped.train_epoch().train_loss


def spoil_logits(run: TrainingRun, monkeypatch: pytest.MonkeyPatch, *, call: int) -> None:
    """Make the logits of the model's call number `call` not a number."""
    honest = run.model.next_token_logits
    calls = iter(range(1, 1000))

    def next_token_logits(tokens_BT: Tensor, num_targets: int) -> Tensor:
        logits_BNV = honest(tokens_BT, num_targets)
        return logits_BNV * math.nan if next(calls) == call else logits_BNV

    monkeypatch.setattr(run.model, "next_token_logits", next_token_logits)


def test_loss_that_is_not_finite_ends_the_trial_before_the_update(
    make_trial: MakeTrial, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = make_trial(schedule={"type": "constant"}, training={"accumulation_steps": 2})
    run = TrainingRun(trial, dataset, CPU)
    spoil_logits(run, monkeypatch, call=6)  # the second part of the third step
    with pytest.raises(TrialDiverged, match="loss became nan at step 3") as caught:
        run.train_epoch()
    assert caught.value.step == run.progress.step == 2
    shorter = make_trial(
        schedule={"type": "constant"}, training={"accumulation_steps": 2, "steps_per_epoch": 2}
    )
    two_steps = TrainingRun(shorter, dataset, CPU)
    two_steps.train_epoch()
    assert is_equal(weights(run.model), weights(two_steps.model))


def test_restore_in_the_middle_of_an_epoch_goes_on_within_it(
    make_trial: MakeTrial, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, curve_of: CurveOf
) -> None:
    trial = make_trial()
    whole, broken, resumed = (TrainingRun(trial, dataset, CPU) for _ in range(3))
    spoil_logits(broken, monkeypatch, call=3)
    with pytest.raises(TrialDiverged):
        broken.train_epoch()
    resumed.restore(broken.checkpoint())
    assert curve_of([resumed.train_epoch()]) == curve_of([whole.train_epoch()])


@pytest.mark.parametrize(
    "optimizer", [{"type": "sgd", "learning_rate": 1e30}, {"type": "adamw", "learning_rate": 1e20}]
)
def test_train_with_an_absurd_rate_ends_as_diverged_and_never_yields_it(
    make_trial: MakeTrial, dataset: Dataset, model_type: str, optimizer: dict[str, Any]
) -> None:
    trial = make_trial(model_type, optimizer=optimizer, training={"gradient_clip": None})
    seen: list[Evaluation] = []
    with pytest.raises(TrialDiverged):
        seen.extend(train(trial, dataset))
    assert all(math.isfinite(e.val_perplexity) for e in seen)


def test_validation_loss_that_no_table_can_hold_ends_the_trial(
    make_trial: MakeTrial, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingRun(make_trial(), dataset, CPU)
    spoil_logits(run, monkeypatch, call=4)  # three steps, then the first batch of the evaluation
    with pytest.raises(TrialDiverged) as caught:
        run.train_epoch()
    assert caught.value.step == 3
    assert math.isnan(caught.value.loss)


def test_train_in_bf16_keeps_the_weights_in_fp32_and_lands_nearby(
    make_trial: MakeTrial, dataset: Dataset
) -> None:
    """GPT alone: torch has no bf16 LSTM for a CPU that only emulates bf16."""
    losses = {}
    for precision in ("fp32", "bf16"):
        run = TrainingRun(make_trial(training={"precision": precision}), dataset, CPU)
        losses[precision] = run.train_epoch().train_loss
        assert {parameter.dtype for parameter in run.model.parameters()} == {torch.float32}
    assert losses["bf16"] != losses["fp32"], "the forward pass must have been another one"
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_checkpoint_of_an_epoch_is_written_when_the_next_is_asked_for(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    checkpoints = CheckpointFolder(tmp_path)
    evaluations = train(make_trial(), dataset, checkpoints=checkpoints)
    done = []
    for _ in range(4):
        next(evaluations)
        done.append(checkpoints.epochs_done)
    assert done == [0, 1, 2, 3]
    assert next(evaluations, None) is None
    assert checkpoints.epochs_done == 4


def test_train_stopped_by_its_consumer_keeps_the_checkpoint_before(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path
) -> None:
    checkpoints = CheckpointFolder(tmp_path)
    evaluations: Iterator[Evaluation] = train(make_trial(), dataset, checkpoints=checkpoints)
    assert [e.epoch for e in islice(evaluations, 3)] == [1, 2, 3]
    del evaluations
    assert checkpoints.epochs_done == 2


def test_best_holds_the_weights_of_the_lowest_validation_loss(
    make_trial: MakeTrial, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that is far too high from the third epoch on makes the second the best."""

    def factor(config: object, step: int, total_steps: int) -> float:
        return 1.0 if step < 6 else 300.0

    monkeypatch.setattr("lmtune.training.loop.learning_rate_factor", factor)
    checkpoints = CheckpointFolder(tmp_path)
    trial = make_trial()
    evaluations = train(trial, dataset, checkpoints=checkpoints)
    losses = []
    for evaluation in evaluations:
        losses.append(evaluation.val_loss)
        if evaluation.epoch == 3:
            second = checkpoints.load_weights("last", trial.trial_id)
    assert losses.index(min(losses)) == 1
    assert is_equal(checkpoints.load_weights("best", trial.trial_id), second)
    assert not is_equal(checkpoints.load_weights("last", trial.trial_id), second)
