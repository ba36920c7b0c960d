"""The sweeps that many tests look at: each is run once, by the command, for all of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.e2e.command import Ended, run

NAME = "compare"
SWEEP = f"""\
name: {NAME}
question: GPT or LSTM, and what of one that explodes?
base:
  dataset:
    corpus: {{type: text, train: data/train.txt, validation: data/eval.txt}}
    tokenizer: char
    context_length: 16
  model: {{type: gpt, num_layers: 1, d_model: 16, num_heads: 2, dropout: 0.1}}
  optimizer: {{type: adamw}}
  schedule: {{type: wsd, warmup_steps: 2}}
  training: {{epochs: 4, steps_per_epoch: 5, batch_size: 4}}
variants:
  gpt:
    parameters: &searched
      optimizer.learning_rate: {{distribution: log_uniform_values, min: 1e-4, max: 1e-1}}
  lstm:
    model: {{type: lstm, num_layers: 1, hidden_size: 16}}
    parameters: *searched
  explodes: {{optimizer: {{type: sgd, learning_rate: 1e6}}}}
method: qmc
early_terminate: {{type: asha, min_iter: 1, eta: 2}}
budget: {{trials: 9}}
seeds: {{tune: [0], confirm: [1, 2, 3]}}
"""
OPTIONS = ("--set", "budget.trials=4", "--set", "base.dataset.context_length=8")
"""The first lowers a number of the file, the second reaches into every trial."""


def write_text(path: Path, num_words: int, seed: int, more: str = "") -> None:
    """Write a text of a few words in random order."""
    generator = random.Random(seed)
    words = ["the", "a", "cat", "dog", "sees", "hears", "chases", "old", "young"]
    path.write_text(" ".join(generator.choices(words, k=num_words)) + more, encoding="utf-8")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's directory with a sweep file and two texts; the second has a letter of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    write_text(folder / "data/train.txt", 1000, seed=0)
    write_text(folder / "data/eval.txt", 100, seed=1, more=" zzz")
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def finished(project: Path) -> Ended:
    """The sweep above, run to its end."""
    return run(project, "sweep.yaml", *OPTIONS)


MODELS = """\
name: models
question: Do all architectures learn a Markov source?
base:
  dataset: {corpus: {type: markov, order: 1, symbols: 8}, tokenizer: char, context_length: 16}
  model: {type: gpt, num_layers: 1, d_model: 32, num_heads: 2, dropout: 0.05}
  optimizer: {type: adamw, learning_rate: 5e-3}
  schedule: {type: wsd, warmup_steps: 20}
  training: {epochs: 8, steps_per_epoch: 50, batch_size: 32}
variants:
  gpt: {}
  transformer:
    model: {type: transformer, num_encoder_layers: 1, num_decoder_layers: 1, d_model: 32,
            num_heads: 2}
  rnn: {model: {type: rnn, num_layers: 2, hidden_size: 32}}
  lstm:
    model: {type: lstm, num_layers: 1, hidden_size: 32}
    parameters: {optimizer.learning_rate: {values: [5e-3, 1e-4]}}
method: grid
seeds: {tune: [0], confirm: [1]}
on_failure: {retries: 0}
"""
"""Nothing is stopped early, so its numbers are the same however often it is interrupted."""


@pytest.fixture(scope="session")
def undisturbed(project: Path) -> Ended:
    """The sweep of all models, run to its end at once."""
    (project / "models.yaml").write_text(MODELS, encoding="utf-8")
    return run(project, "models.yaml")
