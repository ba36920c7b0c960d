"""`python -m lmtune.generate EXPERIMENT --prompt TEXT`: let a trained model write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmtune.errors import LmtuneError, UserError
from lmtune.spec.decoding import DecodingConfig
from lmtune.writing import count_unknown, decoding_config, usual_decoding, written_pieces

if TYPE_CHECKING:  # the types alone: a wrong argument need not load torch
    from lmtune.trained_trial import TrainedTrial

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    experiment: Annotated[
        Path, typer.Argument(help="The experiment's folder.", show_default=False)
    ],
    prompt: Annotated[
        str, typer.Option(help="The text to go on with, or the source to write the target of.")
    ] = "\n",
    trial: Annotated[
        str | None,
        typer.Option(help="A trial's id, or its beginning; the best confirmed one if left out."),
    ] = None,
    checkpoint: Annotated[
        Literal["last", "best"], typer.Option(help="The last epoch, or that of the lowest loss.")
    ] = "last",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Where to stop.")] = 200,
    decoding: Annotated[
        Literal["greedy", "sample", "beam"] | None,
        typer.Option(help="How tokens are chosen; sample for running text, greedy for pairs."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Of sample; default 0.8.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Of sample: among so many tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Of sample: the nucleus.")] = None,
    beam_size: Annotated[int | None, typer.Option(help="Of beam; default 4.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Of beam; default 0.6.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of sample.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Write on from a prompt, token by token as they come."""
    options = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "beam_size": beam_size,
        "length_penalty": length_penalty,
    }
    try:
        given = {name: value for name, value in options.items() if value is not None}
        chosen = None if decoding is None and not given else decoding_config(decoding, given)
        from lmtune.trained_trial import open_trained_trial  # deferred: loads torch

        opened = open_trained_trial(experiment, trial, checkpoint)
        chosen = chosen or usual_decoding(opened)
        if unknown := count_unknown(opened, prompt):
            typer.echo(
                f"{unknown} of the prompt's tokens are unknown to the model: its training text "
                "has nothing like them.",
                err=True,
            )
        pieces = written_pieces(opened, prompt, chosen, max_new_tokens=max_new_tokens, seed=seed)
        if as_json:
            content = _content(opened, prompt, chosen, "".join(pieces), seed)
            typer.echo(json.dumps(content))
        else:
            _stream(prompt, pieces, goes_on=not opened.record.spec.config.dataset.is_pairs)
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from None


def _stream(prompt: str, pieces: Iterator[str], *, goes_on: bool) -> None:
    """Print pieces as they come, after the prompt that they go on with."""
    if goes_on:
        typer.echo(prompt, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
        sys.stdout.flush()
    typer.echo()


def _content(
    opened: TrainedTrial, prompt: str, decoding: DecodingConfig, text: str, seed: int
) -> dict[str, Any]:
    spec = opened.record.spec
    return {
        "trial_id": spec.trial_id,
        "variant": spec.variant,
        "prompt": prompt,
        "text": text,
        "decoding": decoding.model_dump(mode="json"),
        "seed": seed,
    }


if __name__ == "__main__":
    sys.exit(app())
