"""`python -m tests.bench.bare_tune TRIALS REPORTS SLOTS FOLDER`: Ray Tune and nothing else.

Trials that report at once, in workers that are used again, with the settings of lmtune that make
Tune fast: what remains is what Tune costs.
"""

from __future__ import annotations

import logging
import random
import sys
from typing import Any

# isort: off
import lmtune.tuning.ray_settings  # noqa: F401 - before ray
import ray
from ray import tune
# isort: on


def report(config: dict[str, Any]) -> None:
    """A trial that computes nothing."""
    for epoch in range(1, config["reports"] + 1):
        tune.report({"epoch": epoch, "val_loss": config["x"] + 1 / epoch})


def main(trials: int, reports: int, slots: int, folder: str) -> None:
    """Run so many trials to their end."""
    ray.init("local", num_cpus=slots, log_to_driver=False, logging_level=logging.WARNING)
    generator = random.Random(0)
    tune.Tuner(
        tune.with_resources(report, {"cpu": 1}),
        param_space={"x": tune.sample_from(lambda _: generator.random()), "reports": reports},
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(name="bare", storage_path=folder, verbose=0),
    ).fit()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
