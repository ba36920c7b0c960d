"""Has shapes measured in a process of its own, which this one only waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from lmtune.errors import Problem, ResourceError
from lmtune.machine import own_environment
from lmtune.planning.measured import Measured, ProbeOrder, ShapeOrder
from lmtune.planning.typical import TypicalTrial
from lmtune.spec.sweep import Resources

_LAST_LINES = 12

Watch = Callable[[int, int], None]
"""Told how many shapes are measured, and of how many."""


def measure_shapes(
    trials: Mapping[str, TypicalTrial],
    *,
    num_at_once: int,
    resources: Resources,
    scratch: Path,
    watch: Watch,
) -> dict[str, Measured]:
    """Train 10 to 20 steps of each shape, several processes at once, as the sweep will.

    Args:
        trials: one of each shape, by shape.
        num_at_once: trials that will run at once.
        resources: of a trial.
        scratch: a folder on the disk that checkpoints will be written to.
        watch: told before each shape and after the last.

    Raises:
        ResourceError: a shape could not be trained here, for want of memory, say.
    """
    order = ProbeOrder(
        shapes=tuple(
            ShapeOrder(config=trial.config, dataset=str(trial.dataset.folder))
            for trial in trials.values()
        ),
        num_at_once=num_at_once,
        num_threads=resources.cpu,
        device="cuda" if resources.gpu else "cpu",
        scratch=str(scratch),
    )
    measured: dict[str, Measured] = {}
    with (
        TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "lmtune.planning.probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=own_environment(),
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(order.model_dump_json())
        process.stdin.close()
        for number, (shape, trial) in enumerate(trials.items()):
            watch(number, len(trials))
            line = process.stdout.readline()
            if line.strip() in ("", "null"):
                process.kill()
                errors.seek(0)
                raise _refusal(trial, errors.read())
            measured[shape] = Measured.model_validate_json(line)
        watch(len(trials), len(trials))
    return measured


def _refusal(trial: TypicalTrial, printed: str) -> ResourceError:
    model = trial.config.model.model_dump_json()
    said = "\n".join(printed.strip().splitlines()[-_LAST_LINES:])
    return ResourceError(
        Problem(
            "plan",
            f"a few steps of this model could not be trained here: {model}"
            + (f"\n{said}" if said else "; its process was ended, for want of memory, say"),
            fix="make the model or the batch smaller, or plan without measuring: --no-probe",
        )
    )
