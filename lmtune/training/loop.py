"""The training loop: a generator of evaluations that knows nothing of Ray or MLflow.

Shape letters: M scored tokens of all rows of a batch, O tokens that can be predicted.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name

from lmtune.datasets import Dataset, PairsDataset
from lmtune.errors import CheckpointError, TrialDiverged
from lmtune.models import build_model, loss_formula
from lmtune.spec.result import Evaluation
from lmtune.spec.trial import TrialSpec
from lmtune.training.checkpoint import Checkpoint, CheckpointFolder, Progress
from lmtune.training.evaluation import Scores
from lmtune.training.formula import evaluations_by_formula
from lmtune.training.host_memory import keep_freed_memory
from lmtune.training.optimizer_state import load_optimizer_tensors, optimizer_tensors
from lmtune.training.optimizers import build_optimizer
from lmtune.training.schedules import learning_rate_factor
from lmtune.training.task import Batch, make_task
from lmtune.training.text_scores import TextScores


def train(
    trial: TrialSpec,
    dataset: Dataset | PairsDataset,
    *,
    device: torch.device | str = "cpu",
    checkpoints: CheckpointFolder | None = None,
    parts: int = 1,
) -> Iterator[Evaluation]:
    """Train a trial and yield an evaluation after each epoch.

    An epoch's checkpoint is written when the consumer asks for the next evaluation, so what the
    consumer has noted is never behind the checkpoint; inside an epoch one is written whenever
    `training.checkpoint_every` has passed. Where `checkpoints` holds a `last/`, the run goes on
    from there to the bit, and yields the epochs after it alone: none at all if it holds the last
    one. `checkpoints.epochs_done` says beforehand where it will go on.

    The numbers follow from the trial, the data, the kind of device and the number of threads; not
    from torch's global generator, which is left as it was.

    Args:
        trial: what to train.
        dataset: prepared from its section.
        device: where to.
        checkpoints: the trial's; none are written if None.
        parts: that each part of a batch is cut into, where it does not fit into memory otherwise.
            The step is the same but for rounding.

    Raises:
        TrialDiverged: a loss is not finite; the update from it was not made.
        CheckpointError: `last/` is torn, altered, or of another trial or kind of device.
    """
    formula = loss_formula(trial.config.model)
    if formula is not None:
        yield from evaluations_by_formula(trial, dataset, formula)
        return
    run = TrainingRun(trial, dataset, torch.device(device), parts=parts)
    if checkpoints is None:
        while run.progress.epoch < trial.config.training.epochs:
            yield run.train_epoch()
        return
    checkpoint = checkpoints.load(trial.trial_id)
    if checkpoint is not None:
        run.restore(checkpoint)
    while run.progress.epoch < trial.config.training.epochs:
        evaluation = run.train_epoch(save=partial(checkpoints.save, is_best=False))
        yield evaluation
        is_best = run.progress.best_epoch == evaluation.epoch
        checkpoints.save(run.checkpoint(), is_best=is_best)


class TrainingRun:
    """A trial under way: its model, optimizer, place in the data and stream of dropout masks.

    Three random streams come from the trial's seed, one each for the initial weights, the order
    of the data and dropout, so that none depends on how much another was used.
    """

    def __init__(
        self,
        trial: TrialSpec,
        dataset: Dataset | PairsDataset,
        device: torch.device,
        *,
        parts: int = 1,
    ) -> None:
        _prepare_process(device)
        config = trial.config
        init_seed, data_seed, dropout_seed = _stream_seeds(trial.seed)
        self.trial = trial
        self.num_parts = config.training.accumulation_steps * parts
        self.dataset = dataset
        self.device = device
        self.model = build_model(
            config.model,
            vocab_size=dataset.vocab_size,
            num_outputs=dataset.num_outputs,
            context_length=config.dataset.context_length,
            seed=init_seed,
        ).to(device)
        self.parameters = list(self.model.parameters())
        self.optimizer = build_optimizer(config.optimizer, self.model.named_parameters())
        self.peak_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.task = make_task(config, dataset, seed=data_seed, device=device)
        self.steps_per_epoch = config.training.steps_per_epoch or self.task.steps_per_pass
        self.total_steps = config.training.epochs * self.steps_per_epoch
        self.generator = _default_generator(device)
        self.dropout_state = torch.Generator(device).manual_seed(dropout_seed).get_state()
        self.progress = Progress()

    def train_epoch(self, save: Callable[[Checkpoint], None] | None = None) -> Evaluation:
        """Train to the end of the epoch and evaluate.

        Args:
            save: called inside the epoch whenever `training.checkpoint_every` has passed.

        Raises:
            TrialDiverged: a training loss, or the validation loss or its exponential, is not
                finite.
        """
        every_s = self.trial.config.training.checkpoint_every
        most_s = math.inf if save is None or every_s is None else every_s
        end = (self.progress.epoch + 1) * self.steps_per_epoch
        while True:
            started_s = time.perf_counter()
            self.train_steps(end - self.progress.step, most_s=most_s)
            self.progress.elapsed_s += time.perf_counter() - started_s
            if self.progress.step == end:
                return self._end_epoch()
            assert save is not None
            save(self.checkpoint())

    def _end_epoch(self) -> Evaluation:
        """Evaluate after the last step of an epoch."""
        started_s = time.perf_counter()
        progress = self.progress
        scores = self._validate()
        train_loss = progress.train_loss_sum / self.steps_per_epoch
        progress.train_loss_sum = 0.0
        progress.epoch += 1
        text_scores = self._score_text()
        progress.elapsed_s += time.perf_counter() - started_s
        if progress.best_val_loss is None or scores.loss < progress.best_val_loss:
            progress.best_val_loss, progress.best_epoch = scores.loss, progress.epoch
        return self._evaluation(train_loss, scores, text_scores)

    def train_steps(self, count: int, *, most_s: float = math.inf) -> None:
        """Train on the next batches, without the evaluation that ends an epoch.

        Args:
            count: steps to take.
            most_s: so many seconds, and the step under way is the last.

        Raises:
            TrialDiverged: a training loss is not finite.
        """
        started_s = time.perf_counter()
        self.model.train()
        with self._dropout_stream():
            for _ in range(count):
                self.progress.train_loss_sum += self._train_step()
                self.progress.step += 1
                if time.perf_counter() - started_s > most_s:
                    break

    def checkpoint(self) -> Checkpoint:
        """What `restore` needs. Shares memory with the run: save it before training on."""
        optimizer = optimizer_tensors(self.model, self.optimizer)
        tensors = {f"optimizer.{name}": tensor for name, tensor in optimizer.items()}
        return Checkpoint(
            trial_id=self.trial.trial_id,
            progress=self.progress,
            weights=self.model.state_dict(),
            tensors={**tensors, self._dropout_name: self.dropout_state},
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same trial.

        Raises:
            CheckpointError: it was written on another kind of device, or by a version of lmtune
                whose model or optimizer has other tensors.
        """
        tensors = dict(checkpoint.tensors)
        try:
            self.dropout_state = tensors.pop(self._dropout_name)
            self.model.load_state_dict(checkpoint.weights)
            optimizer = {name.removeprefix("optimizer."): t for name, t in tensors.items()}
            load_optimizer_tensors(self.model, self.optimizer, optimizer)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"The checkpoint of trial {checkpoint.trial_id} does not fit its model on "
                f"{self.device.type}: {error}.\n"
                "  Fix: go on with the version of lmtune and the kind of device that it was "
                "written with, or delete it to train the trial from the start."
            ) from error
        self.progress = checkpoint.progress

    def _train_step(self) -> float:
        """Update the weights from the next batch and return its loss.

        The loss is fetched before the update is queued. On a GPU that is a wait a step; without
        it, a loss that is not finite would be seen after the weights are spoilt.
        """
        training = self.trial.config.training
        step = self.progress.step
        factor = learning_rate_factor(self.trial.config.schedule, step, self.total_steps)
        for group, peak_rate in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
            group["lr"] = peak_rate * factor
        batch = self.task.batch(step)
        self.optimizer.zero_grad()
        loss = self._backward(batch)
        if not math.isfinite(loss):
            raise TrialDiverged(step, loss)
        if training.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, training.gradient_clip)
        self.optimizer.step()
        self.progress.train_tokens += batch.num_read
        return loss

    def _backward(self, batch: Batch) -> float:
        """Add the gradient of the batch's mean loss a token, in as many parts as asked for."""
        use_bf16 = self.trial.config.training.precision == "bf16"
        loss = torch.zeros((), device=self.device)
        for part in batch.parts(self.num_parts):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=use_bf16):
                logits_MO, targets_M = part.predict(self.model)
            # Divided by the tokens of the whole batch: the parts' gradients add up to its mean.
            part_loss = (
                F.cross_entropy(logits_MO.float(), targets_M, reduction="sum") / batch.num_scored
            )
            part_loss.backward()  # type: ignore[no-untyped-call]
            loss += part_loss.detach()
        return loss.item()

    def _validate(self) -> Scores:
        """Score the validation split."""
        scores = self.task.evaluate(self.model, "validation")
        if not math.isfinite(scores.perplexity):
            raise TrialDiverged(self.progress.step, scores.loss)
        return scores

    def _score_text(self) -> TextScores | None:
        """Score the model's own text, after the epochs for which that was asked."""
        asked = self.trial.config.generation
        is_last = self.progress.epoch == self.trial.config.training.epochs
        if asked is None or not (is_last or asked.when == "every_epoch"):
            return None
        return self.task.evaluate_generation(self.model, "validation")

    def _evaluation(
        self, train_loss: float, scores: Scores, text_scores: TextScores | None
    ) -> Evaluation:
        config, progress = self.trial.config, self.progress
        factor = learning_rate_factor(config.schedule, progress.step - 1, self.total_steps)
        return Evaluation(
            epoch=progress.epoch,
            step=progress.step,
            train_tokens=progress.train_tokens,
            train_loss=train_loss,
            val_loss=scores.loss,
            val_perplexity=scores.perplexity,
            val_bits_per_byte=scores.bits_per_byte,
            val_accuracy=scores.accuracy,
            learning_rate=config.optimizer.learning_rate * factor,
            elapsed_s=progress.elapsed_s,
            **({} if text_scores is None else text_scores.metrics("val_")),
        )

    @property
    def _dropout_name(self) -> str:
        """Name of the stream in a checkpoint: each kind of device has generators of its own."""
        return f"dropout.{self.device.type}"

    @contextmanager
    def _dropout_stream(self) -> Iterator[None]:
        """Draw from the trial's own stream, whoever used the global generator in between."""
        outside = self.generator.get_state()
        self.generator.set_state(self.dropout_state)
        try:
            yield
            self.dropout_state = self.generator.get_state()
        finally:
            self.generator.set_state(outside)


def _prepare_process(device: torch.device) -> None:
    """Make arithmetic fast and repeatable, for this process from now on."""
    torch.set_flush_denormal(True)
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda":
        # Read by cuBLAS when it starts; without it torch warns that sums may differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def _stream_seeds(seed: int) -> tuple[int, int, int]:
    """Seeds of the initial weights, the data order and dropout: unrelated, also between trials."""
    init, data, dropout = np.random.SeedSequence(seed).generate_state(3)
    return int(init), int(data), int(dropout)


def _default_generator(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from on the device."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    return torch.default_generator
