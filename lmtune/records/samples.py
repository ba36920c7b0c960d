"""What a model of each variant wrote from the same prompts: `samples.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmtune.records.files import json_text, parse, write_text
from lmtune.spec.config import Config


class Prompt(Config):
    """What the models were given.

    Attributes:
        text: to go on with, or the source to write the target of.
        expected: what stands there in the validation split.
    """

    text: str
    expected: str


class VariantSamples(Config):
    """What one model wrote.

    Attributes:
        variant: the model's.
        trial_id: its best confirmed trial.
        texts: one for each prompt; none where `problem` says why.
        problem: why it wrote nothing.
    """

    variant: str
    trial_id: str
    texts: tuple[str, ...] = ()
    problem: str = ""


class Samples(Config):
    """Texts by prompt and variant.

    Attributes:
        is_pairs: whether the prompts are sources rather than the beginnings of texts.
        decoding: how tokens were chosen.
        seed: of that choice.
        prompts: the same for every variant.
        variants: in the sweep's order.
    """

    is_pairs: bool
    decoding: dict[str, Any]
    seed: int
    prompts: tuple[Prompt, ...]
    variants: tuple[VariantSamples, ...]


def write_samples(path: Path, samples: Samples) -> None:
    """Write them so that a crash leaves the old or the new file."""
    write_text(path, json_text(samples.model_dump(mode="json")) + "\n")


def read_samples(path: Path) -> Samples | None:
    """Read them; None where nothing was written.

    Raises:
        UserError: the file is not readable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return parse(Samples, text, where=str(path), fix=f"remove {path}")
