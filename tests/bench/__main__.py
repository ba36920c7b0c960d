"""`python -m tests.bench`: measure, print ratios and what they come from.

(a) `sweep`: what a sweep costs beside training. (b) `latency`: waiting for the first step and
between trials. (c) `throughput`: tokens a second against plain torch. (d) `load`: many trials that
cost nothing, against bare Ray Tune; alone: `--only load`. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from lmtune.machine import available_cpus
from tests.bench import latency, load, sweep_efficiency, throughput
from tests.bench.figures import Figure, print_table, write_json
from tests.bench.project import NUM_SLOTS, SHORT, USUAL

BLOCK_S = 1.0
SHORT_BLOCK_S = 0.2
QUICK_LOAD = 200

TITLES = {
    "sweep": "(a) 16 equal trials, 2 at once: the sweep's command, which also writes checkpoints, "
    "records and MLflow,\n    against 2 bare processes that call train() and write nothing",
    "latency": "(b) seconds to the first training step, and between two trials of a worker",
    "load": "(d) many trials of 3 reports that compute nothing, 2 at once, against bare Ray Tune",
    "throughput": "(c) tokens a second of each model's default size, batch 16 x 64, 1 thread",
}


def main() -> None:
    """Measure what the arguments ask for."""
    arguments = _parse()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: torch finds no CUDA device here")
    load_before = os.getloadavg()[0]
    print(f"load average of this machine before the start: {load_before:.2f}", flush=True)
    figures: dict[str, list[Figure]] = {}
    for part in arguments.only or _parts(device):
        figures[part] = _measure(part, device, arguments)
    for part, measured in figures.items():
        print_table(TITLES[part], measured)
    if arguments.json is not None:
        settings = {**vars(arguments), "json": str(arguments.json), "load_before": load_before}
        write_json(arguments.json, settings, figures)


def _parts(device: torch.device) -> list[str]:
    """All of them; on a GPU only what depends on it."""
    return ["throughput"] if device.type == "cuda" else list(TITLES)


def _measure(part: str, device: torch.device, arguments: argparse.Namespace) -> list[Figure]:
    repetitions, quick = arguments.repetitions, arguments.quick
    if part == "throughput":
        block_s = SHORT_BLOCK_S if quick else BLOCK_S
        blocks = 5 * repetitions
        return throughput.measure(device=device, block_s=block_s, blocks=blocks)
    if available_cpus() < NUM_SLOTS:
        raise SystemExit(f"{part} runs {NUM_SLOTS} trials at once and needs as many CPUs")
    if part == "load":
        trials = QUICK_LOAD if quick else arguments.trials
        return load.measure(num_trials=trials, repetitions=arguments.load_repetitions)
    if part == "sweep":
        return sweep_efficiency.measure(SHORT if quick else USUAL, repetitions=repetitions)
    return latency.measure(repetitions=repetitions)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(TITLES), help="parts; all if left out")
    parser.add_argument(
        "--repetitions", type=int, default=2, help="of each side; 5 blocks each in (c)"
    )
    parser.add_argument("--trials", type=int, default=2000, help="of (d), whole hundreds")
    parser.add_argument("--load-repetitions", type=int, default=1, help="of (d)")
    parser.add_argument("--quick", action="store_true", help="short trials, for developing")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of (c)")
    parser.add_argument("--json", type=Path, help="file to write every raw figure to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
