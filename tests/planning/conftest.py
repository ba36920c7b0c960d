"""A small sweep with its data, and plans of it whose costs are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lmtune.datasets import PreparedDatasets
from lmtune.planning import make
from lmtune.planning.measured import Measured
from lmtune.planning.typical import TypicalTrial
from lmtune.spec import read_sweep
from lmtune.spec.sweep import SweepSpec

SWEEP = """\
name: planned
question: What will it cost?
base:
  dataset: {corpus: {type: markov, length: 4000}, tokenizer: byte, context_length: 8}
  model: {type: gpt, num_layers: 2, d_model: 16, num_heads: 2}
  optimizer: {type: adamw, learning_rate: 1e-3}
  training: {epochs: 9, steps_per_epoch: 10, batch_size: 2}
ablate:
  model.num_layers: [1]
parameters:
  optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}
early_terminate: {type: asha, min_iter: 1, eta: 3}
budget: {trials: 8}
seeds: {tune: [0], confirm: [1, 2, 3]}
resources: {max_concurrent: 2}
"""

MEASURED = Measured(
    step_s=0.1,
    evaluation_s=0.5,
    generation_s=0.0,
    save_s=0.5,
    build_s=0.0,
    memory_mib=300.0,
    gpu_memory_mib=0.0,
    checkpoint_mib=2.0,
)
"""Ten steps and the rest: two seconds an epoch, 18 a trial."""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., SweepSpec]:
    """Reads the sweep with these replacements in its text."""

    def read(**replaced: str) -> SweepSpec:
        text = SWEEP
        for old, new in replaced.items():
            text = text.replace(old, new)
        path = tmp_path / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        return read_sweep(path)

    return read


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedDatasets:
    return PreparedDatasets(tmp_path)


@pytest.fixture
def given_costs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has every shape cost `MEASURED`; the number of shapes of each call is noted."""
    asked: list[int] = []

    def measure(trials: dict[str, TypicalTrial], **_: object) -> dict[str, Measured]:
        asked.append(len(trials))
        return dict.fromkeys(trials, MEASURED)

    monkeypatch.setattr(make, "measure_shapes", measure)
    return asked
