"""Whatever a file holds, it is read or refused, never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtune.errors import SpecError
from lmtune.spec import read_sweep

FILE = """\
name: tiny
question: why?
metric: {name: val_loss}
base:
  dataset: {corpus: {type: markov, order: 1}, tokenizer: char, context_length: 64}
  model: {type: gpt, size: small, dropout: 0.1}
  optimizer: {type: adamw, learning_rate: 1e-3}
  schedule: {type: wsd, warmup_steps: 100}
  training: {epochs: 8, steps_per_epoch: 250, batch_size: 16}
variants:
  gpt: {parameters: {model.num_heads: {values: [1, 2]}}}
  lstm: {model: {type: lstm, size: small}}
parameters:
  optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  training.batch_size: {distribution: q_uniform, min: 8, max: 32, q: 8}
method: qmc
early_terminate: {type: asha, min_iter: 2}
budget: {trials: 8, time: 30m}
seeds: {tune: [0], confirm: [1, 2], top_k: 1}
"""
WORDS = [match.span() for match in re.finditer(r"[\w.]+", FILE)]
REPLACEMENTS = st.one_of(
    st.sampled_from(
        [
            *("{}", "[]", "[1, 2]", "{a: 1}", "&a [1]", "*a", "!!python/name:os.system x"),
            *(".nan", "-.inf", "1e999", "9" * 5000, "0x1F", "-1", "0", "0.5", "true", "null", "''"),
            *("type", "lstm", "text", "parameters", "base", "model.num_heads", "ablate", "value"),
            *("{value: 1}", "{values: [1, a, null]}", "{min: 1, max: 2}", "{type: text}"),
            "{distribution: q_uniform, min: -1e308, max: 1e308, q: 1}",
            *(
                "\t",
                "{",
                "}",
                "[",
                "]",
                "\n  ",
                "- ",
                ": ",
                "? ",
                "<<",
                "'",
                '"',
                "#",
                "\x00",
                "---",
            ),
        ]
    ),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)


def read_or_refuse(path: Path, *options: str) -> None:
    refused: SpecError | None = None
    try:
        read_sweep(path, options)
    except SpecError as error:
        refused = error
    if refused:
        assert refused.problems
        assert all(problem.what and problem.fix for problem in refused.problems)
        assert "\x1b" not in str(refused)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweeps") / "sweep.yaml"


@settings(max_examples=200)
@given(edits=st.lists(st.tuples(st.sampled_from(WORDS), REPLACEMENTS), min_size=1, max_size=4))
def test_file_with_replaced_words_is_read_or_refused(
    path: Path, edits: list[tuple[tuple[int, int], str]]
) -> None:
    text = FILE
    for (start, end), replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

    read_or_refuse(path)


@settings(max_examples=100)
@given(
    moves=st.lists(
        st.tuples(st.integers(0, FILE.count("\n")), st.integers(0, FILE.count("\n"))), max_size=4
    ),
    end=st.integers(0, len(FILE)),
)
def test_file_with_moved_lines_or_cut_off_is_read_or_refused(
    path: Path, moves: list[tuple[int, int]], end: int
) -> None:
    lines = FILE.splitlines()
    for source, target in moves:
        lines.insert(target, lines[source % len(lines)])
    path.write_text("\n".join(lines)[:end])

    read_or_refuse(path)


@settings(max_examples=100)
@given(content=st.binary(max_size=200))
def test_bytes_are_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    read_or_refuse(path)


@settings(max_examples=80)
@given(
    key=st.sampled_from([FILE[start:end] for start, end in WORDS]),
    below=st.sampled_from(["", ".type", ".x.y", ".min"]),
    value=REPLACEMENTS,
)
def test_any_override_is_taken_or_refused(path: Path, key: str, below: str, value: str) -> None:
    path.write_text(FILE)

    read_or_refuse(path, f"base.{key}{below}={value}", f"{key}{below}={value}")


def test_spec_imports_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, lmtune.spec\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "yaml" in output
    assert not {"torch", "ray", "mlflow", "optuna", "numpy", "pandas", "scipy"} & set(output)
