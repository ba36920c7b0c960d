"""Studies of a variant that searches every kind of range, for this process and for others.

`python -m tests.tuning.proposals FOLDER` prints what each method proposes, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from lmtune.spec import read_sweep
from lmtune.spec.search import Method
from lmtune.spec.sweep import Metric, Variant
from lmtune.spec.trial import Scalar
from lmtune.tuning.study import VariantStudy, open_storage
from tests.tuning.simulation import evaluation

METHODS: tuple[Method, ...] = ("random", "qmc", "tpe", "cmaes", "gp")
NUM_TRIALS = 12

_BASE = """\
name: ranges
base:
  dataset: {corpus: python_docs, context_length: 8}
  model: {type: gpt, num_layers: 1, d_model: 16, num_heads: 2}
  optimizer: {type: adamw}
  training: {epochs: 2, steps_per_epoch: 1}
parameters:
"""
RANGES = """\
  optimizer.learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}
  model.dropout: {min: 0.0, max: 0.5}
  model.num_layers: {min: 1, max: 3}
  training.batch_size: {distribution: int_log_uniform_values, min: 1, max: 64}
  model.d_model: {distribution: q_uniform, min: 8, max: 40, q: 8}
  optimizer.beta1: {distribution: q_uniform, min: 0.8, max: 0.95, q: 0.05}
  model.num_heads: {values: [1, 2, 4]}
method: random
budget: {trials: 12}
"""
GRID = """\
  model.num_layers: {min: 1, max: 3}
  optimizer.beta1: {distribution: q_uniform, min: 0.8, max: 0.95, q: 0.05}
  model.num_heads: {values: [1, 2]}
method: grid
"""


def variant(folder: Path, parameters: str = RANGES) -> Variant:
    """The variant of a sweep file with these parameters."""
    path = folder / "ranges.yaml"
    path.write_text(_BASE + parameters, encoding="utf-8")
    return read_sweep(path).variants[0]


def study(
    folder: Path,
    method: Method,
    *,
    parameters: str = RANGES,
    num_trials: int = NUM_TRIALS,
    seed: int = 0,
    data: str = "f00d",
) -> VariantStudy:
    """The study of that variant in the folder's storage, opened as a driver does."""
    return VariantStudy(
        variant(folder, parameters),
        method=method,
        num_trials=num_trials,
        seed=seed,
        metric=Metric(),
        data_fingerprint=data,
        storage=open_storage(folder / "study"),
    )


def loss(parameters: Mapping[str, Scalar]) -> float:
    """The loss that a proposal is told."""
    rate, layers = parameters["optimizer.learning_rate"], parameters["model.num_layers"]
    return 2 + abs(float(str(rate)) - 0.01) + int(str(layers)) / 10


def propose(folder: Path, method: Method, *, seed: int = 0) -> list[dict[str, Scalar]]:
    """All proposals of a method, each told of a loss before the next is asked for."""
    folder.mkdir(exist_ok=True)
    asked = study(folder, method, seed=seed)
    proposals = []
    while asked.num_left:
        proposal = asked.ask()
        proposals.append(dict(proposal.params))
        asked.tell(proposal, "completed", [evaluation(1, loss(proposal.params))])
    return proposals


if __name__ == "__main__":
    print(  # noqa: T201
        json.dumps({method: propose(Path(sys.argv[1], method), method) for method in METHODS})
    )
