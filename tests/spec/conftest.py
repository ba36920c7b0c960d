"""Sweep files to read, valid and not."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.errors import SpecError
from lmtune.spec import read_sweep
from lmtune.spec.sweep import SweepSpec

Read = Callable[..., SweepSpec]
Refusal = Callable[..., str]

BASE = """\
name: tiny
base:
  dataset: {corpus: python_docs, tokenizer: char, context_length: 64}
  model: {type: gpt, size: small, dropout: 0.1}
  optimizer: {type: adamw, learning_rate: 1e-3}
  schedule: {type: wsd, warmup_steps: 100}
  training: {epochs: 8, steps_per_epoch: 250, batch_size: 16}
"""
"""Seven lines, so that what a test adds begins on line 8."""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the text of a sweep file, with `--set` options behind it."""

    def read_text(text: str, *options: str) -> SweepSpec:
        path = tmp_path / "sweep.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return read_sweep(path, options)

    return read_text


@pytest.fixture
def extended(read: Read) -> Read:
    """Reads the valid file above with more lines at its end."""

    def read_more(more: str = "", *options: str) -> SweepSpec:
        return read(BASE + textwrap.dedent(more), *options)

    return read_more


@pytest.fixture
def refusal(read: Read, tmp_path: Path) -> Refusal:
    """What is said of a text that is refused, its file named `sweep.yaml`."""

    def refuse(text: str, *options: str) -> str:
        with pytest.raises(SpecError) as refused:
            read(text, *options)
        return str(refused.value).replace(f"{tmp_path}/", "")

    return refuse


@pytest.fixture
def refusal_of(refusal: Refusal) -> Refusal:
    """What is said of the valid file above with more lines at its end."""

    def refuse_more(more: str, *options: str) -> str:
        return refusal(BASE + textwrap.dedent(more), *options)

    return refuse_more
