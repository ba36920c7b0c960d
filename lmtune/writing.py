"""Text from a trained trial: how its tokens are chosen, and the pieces as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from lmtune.errors import Problem, UserError
from lmtune.spec.decoding import DecodingConfig

if TYPE_CHECKING:  # the types alone: a wrong argument need not load torch
    from lmtune.datasets.tokenizers import TokenArray
    from lmtune.trained_trial import TrainedTrial

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What the bytes of a character decode to while some of them are still to come."""


def decoding_config(kind: str | None, options: dict[str, Any]) -> DecodingConfig:
    """What the options ask for; by themselves they say which kind of decoding is meant.

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


def usual_decoding(opened: TrainedTrial) -> DecodingConfig:
    """Sampling for running text, greedy for pairs."""
    is_pairs = opened.record.spec.config.dataset.is_pairs
    return decoding_config("greedy" if is_pairs else "sample", {})


def written_pieces(
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


def count_unknown(opened: TrainedTrial, prompt: str) -> int:
    """How many tokens of a prompt stand for text that the model has never seen."""
    from lmtune.datasets import PairsDataset  # deferred: loads numpy

    dataset = opened.dataset
    tokenizer = dataset.source_tokenizer if isinstance(dataset, PairsDataset) else dataset.tokenizer
    if tokenizer.unknown_token is None:
        return 0
    return int((tokenizer.encode(prompt) == tokenizer.unknown_token).sum())


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
