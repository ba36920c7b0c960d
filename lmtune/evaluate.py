"""`python -m lmtune.evaluate EXPERIMENT`: score a trained model again, on any split."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmtune.errors import LmtuneError, Problem, UserError

if TYPE_CHECKING:  # the types alone: a wrong argument need not load torch
    from lmtune.trained_trial import TrainedTrial

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_SPLIT_NAMES = {"validation": "val", "test": "test", "train": "train"}


@app.command()
def main(
    experiment: Annotated[
        Path, typer.Argument(help="The experiment's folder.", show_default=False)
    ],
    trial: Annotated[
        str | None,
        typer.Option(help="A trial's id, or its beginning; the best confirmed one if left out."),
    ] = None,
    split: Annotated[
        Literal["validation", "test", "train"], typer.Option(help="What to score.")
    ] = "validation",
    checkpoint: Annotated[
        Literal["last", "best"],
        typer.Option(help="The last epoch, as in the tables, or that of the lowest val_loss."),
    ] = "last",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Score a trial's checkpoint by the protocol that it was trained under."""
    try:
        from lmtune.trained_trial import open_trained_trial  # deferred: loads torch

        opened = open_trained_trial(experiment, trial, checkpoint)
        content = _scored(opened, split, checkpoint)
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from None
    typer.echo(json.dumps(content) if as_json else _sentences(content))


def _scored(opened: TrainedTrial, split: str, checkpoint: str) -> dict[str, Any]:
    from lmtune.training import make_task  # deferred: loads torch

    dataset, config = opened.dataset, opened.record.spec.config
    if split not in dataset.splits:
        raise UserError(
            Problem(
                "--split",
                f"this dataset has no {split} split",
                f"one of {', '.join(dataset.splits)}",
                f"take another, or give the corpus a {split} text",
            )
        )
    task = make_task(config, dataset, seed=opened.record.spec.seed, device=opened.device)
    scores = task.evaluate(opened.model, split)
    name = _SPLIT_NAMES[split]
    content: dict[str, Any] = {
        "trial_id": opened.record.spec.trial_id,
        "variant": opened.record.spec.variant,
        "seed": opened.record.spec.seed,
        "checkpoint": checkpoint,
        "split": split,
        f"{name}_loss": scores.loss,
        f"{name}_perplexity": scores.perplexity,
        f"{name}_bits_per_byte": scores.bits_per_byte,
        f"{name}_accuracy": scores.accuracy,
        "tokens": scores.num_tokens,
    }
    if config.generation is not None:
        text_scores = task.evaluate_generation(opened.model, split)
        content |= text_scores.metrics(f"{name}_")
        content["bleu_signature"] = text_scores.bleu_signature
    if split == "test":
        content["test_reads"] = _note_test_read(opened, content)
    return content


def _note_test_read(opened: TrainedTrial, content: dict[str, Any]) -> int:
    """Note that the test split was read, and count how often by now.

    Choices that are made after looking at it make its numbers too good.
    """
    path = opened.folder.test_reads_jsonl
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"time": now, **content}) + "\n")
    return len(path.read_text(encoding="utf-8").splitlines())


def _sentences(content: dict[str, Any]) -> str:
    """The same for people, a line each."""
    lines = []
    for name, value in content.items():
        lines.append(f"{name:24}{f'{value:.6g}' if isinstance(value, float) else value}")
    if content.get("test_reads", 0) > 1:
        lines.append(
            f"The test split of this experiment has been read {content['test_reads']} times. "
            "Choices made in between make its numbers too good."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(app())
