"""`python -m lmtune.generate EXPERIMENT --prompt TEXT`: let a trained model write."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from lmtune.errors import LmtuneError, Problem, UserError
from lmtune.spec.decoding import DecodingConfig

if TYPE_CHECKING:  # the types alone: a wrong argument need not load torch
    from lmtune.datasets.tokenizers import TokenArray
    from lmtune.trained_trial import TrainedTrial

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What the bytes of a character decode to while some of them are still to come."""


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
        chosen = None if decoding is None and not given else _decoding(decoding, given)
        from lmtune.trained_trial import open_trained_trial  # deferred: loads torch

        opened = open_trained_trial(experiment, trial, checkpoint)
        chosen = chosen or _usual(opened)
        pieces = _pieces(opened, prompt, chosen, max_new_tokens=max_new_tokens, seed=seed)
        if as_json:
            content = _content(opened, prompt, chosen, "".join(pieces), seed)
            typer.echo(json.dumps(content))
        else:
            _stream(prompt, pieces, goes_on=not opened.record.spec.config.dataset.is_pairs)
    except LmtuneError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, UserError) else 1) from None


def _decoding(kind: str | None, options: dict[str, Any]) -> DecodingConfig:
    """What the options ask for.

    Raises:
        UserError: they do not go together, or a value is out of range.
    """
    kind = kind or ("beam" if {"beam_size", "length_penalty"} & options.keys() else "sample")
    if kind == "sample":
        options = {"temperature": 0.8, **options}
    adapter: TypeAdapter[DecodingConfig] = TypeAdapter(DecodingConfig)
    try:
        return adapter.validate_python({"type": kind, **options})
    except ValidationError as error:
        raise UserError([_problem(kind, details) for details in error.errors()]) from None


def _problem(kind: str, details: Any) -> Problem:  # noqa: ANN401 - pydantic's ErrorDetails
    option = str(details["loc"][-1])
    where = f"--{option.replace('_', '-')}"
    if details["type"] == "extra_forbidden":
        return Problem(where, f"--decoding {kind} has no {option}", fix=f"leave {where} out")
    message = str(details["msg"])
    return Problem(
        where,
        f"{details['input']} does not do: {message[0].lower()}{message[1:]}",
        fix="give another value",
    )


def _usual(opened: TrainedTrial) -> DecodingConfig:
    is_pairs = opened.record.spec.config.dataset.is_pairs
    return _decoding("greedy" if is_pairs else "sample", {})


def _pieces(
    opened: TrainedTrial, prompt: str, decoding: DecodingConfig, *, max_new_tokens: int, seed: int
) -> Iterator[str]:
    """The text that the model writes, in pieces of whole characters.

    Raises:
        UserError: the prompt is empty, or a source that is too long.
    """
    import numpy as np  # deferred with torch
    import torch

    from lmtune.training import stream_tokens

    tokens, decode, marks = _read(opened, prompt)
    written: list[int] = []
    shown = text = ""
    for token in stream_tokens(
        opened.model,
        tokens,
        max_new_tokens=max_new_tokens,
        decoding=decoding,
        context_length=opened.record.spec.config.dataset.context_length,
        generator=torch.Generator(opened.device).manual_seed(seed),
        device=opened.device,
        **marks,
    ):
        written.append(token)
        text = decode(np.array(written, dtype=np.int64))
        if not text.endswith(_INCOMPLETE):
            yield text[len(shown) :]
            shown = text
    yield text[len(shown) :]


def _read(
    opened: TrainedTrial, prompt: str
) -> tuple[TokenArray, Callable[[TokenArray], str], dict[str, int]]:
    """The prompt's tokens, how tokens become text again, and what marks a target's ends.

    Raises:
        UserError: the prompt is empty, or a source that is too long.
    """
    from lmtune.datasets import PairsDataset  # deferred: loads numpy

    dataset = opened.dataset
    if isinstance(dataset, PairsDataset):
        tokens = dataset.encode_source(prompt)
        most = opened.record.spec.config.dataset.context_length - 1
        marks = {"start_token": dataset.start_token, "end_token": dataset.end_token}
        decode: Callable[[TokenArray], str] = dataset.decode_target
    else:
        tokens = dataset.tokenizer.encode(prompt)
        most, marks, decode = None, {}, dataset.tokenizer.decode
    if not 1 <= len(tokens) <= (most or len(tokens)):
        raise UserError(
            Problem(
                "--prompt",
                f"a text of {len(tokens)} tokens",
                f"from 1 to {most} tokens" if most else "one token or more",
                "give another text",
            )
        )
    return tokens, decode, marks


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
