"""What a trial reports: names and units once, for CSV, Tune, Optuna and MLflow alike."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lmtune.spec.config import Config, NonNegativeInt, PositiveInt

Status = Literal["completed", "stopped", "diverged", "failed", "interrupted"]


class Evaluation(Config):
    """One evaluation over the whole validation split, after one epoch."""

    epoch: NonNegativeInt = Field(description="epochs finished, from 1")
    step: NonNegativeInt = Field(description="optimizer steps finished")
    train_tokens: NonNegativeInt = Field(description="tokens of training windows read so far")
    train_loss: float = Field(
        description="nats a token, mean over the epoch's batches, with dropout"
    )
    val_loss: float = Field(description="nats a token over the whole validation split")
    val_perplexity: float = Field(description="exp(val_loss)")
    val_bits_per_byte: float = Field(description="bits a UTF-8 byte of the scored text")
    val_accuracy: float = Field(description="share of tokens predicted right, teacher-forced")
    learning_rate: float = Field(description="of the epoch's last optimizer step")
    elapsed_s: float = Field(description="training and evaluation, summed over resumes")
    val_bleu: float | None = Field(
        default=None, description="of the model's own text, 0 to 100; None where not evaluated"
    )
    val_chrf: float | None = Field(default=None, description="as val_bleu, by characters")
    val_exact_match: float | None = Field(
        default=None, description="share of targets written without a fault; for pairs alone"
    )
    val_brevity_penalty: float | None = Field(
        default=None, description="BLEU's factor for text that is too short; 1 for none"
    )


class TrialFacts(Config):
    """What is known of a trial before it runs."""

    num_parameters: int
    num_non_embedding_parameters: int
    flops_per_token: int = Field(
        description="forward and backward, a token of a training window, or of a mean pair"
    )
    epochs: int
    bleu_signature: str | None = Field(
        default=None, description="sacreBLEU's, which says how text was compared"
    )
    chrf_signature: str | None = None


class TrialResult(Config):
    """How a trial ended. The numbers of its curve are in `curve.jsonl`."""

    trial_id: str
    status: Status
    epochs_done: NonNegativeInt
    facts: TrialFacts
    train_time_s: float = Field(description="elapsed_s of the last evaluation")
    message: str = Field(default="", description="why, for diverged and failed")
    retries: NonNegativeInt = Field(
        default=0, description="attempts that failed before, in all runs"
    )
    parts: PositiveInt = Field(
        default=1,
        description="that each part of a batch was cut into, since it did not fit into memory",
    )


class Retry(Config):
    """An attempt at a trial that failed, after which the trial was tried again."""

    epochs_done: NonNegativeInt
    message: str = Field(description="the traceback, or what is known of a process that died")
    parts: PositiveInt = Field(default=1, description="of the next attempt, as in TrialResult")
