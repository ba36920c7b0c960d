"""What the sections of a sweep file ask of each other: search, early stopping, budget, seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from lmtune.spec.file import SweepFile
from lmtune.spec.problems import Problems
from lmtune.spec.search import Budget, Categorical, Method, Seeds
from lmtune.spec.sweep import GENERATION_METRICS, Variant
from lmtune.spec.tree import Node, Spot

DEFAULT_METHOD: Method = "qmc"
DEFAULT_TRIALS = 16
DEFAULT_CONFIRM_SEEDS = 3
MAX_GRID_POINTS = 10_000

_ONLY_TUNED = (
    ("method",),
    ("early_terminate",),
    ("budget", "trials"),
    ("seeds", "tune"),
    ("seeds", "top_k"),
)


def refuse_tuning(tree: Node, problems: Problems) -> None:
    """Tell of every key that only a search would read, in a sweep without one."""
    for keys in _ONLY_TUNED:
        if node := tree.find(keys):
            problems.add(
                node.spot,
                "there is nothing to tune, so nothing reads this",
                fix="remove it, or give parameters: to search",
            )


def check_early_terminate(
    file: SweepFile, tree: Node, variants: Sequence[Variant], problems: Problems
) -> None:
    """Early stopping needs a rung below the end, and an end that all trials share."""
    if file.early_terminate is None:
        return
    section = tree.entries["early_terminate"]
    node = section.child("min_iter") or section
    for variant in variants:
        epochs, min_iter = variant.config.training.epochs, file.early_terminate.min_iter
        if "training.epochs" in variant.parameters:
            problems.add(
                section.spot,
                "early stopping needs trials of one length, and training.epochs is searched",
                fix="remove early_terminate, or take training.epochs out of parameters",
            )
        elif min_iter >= epochs:
            problems.add(
                node.spot,
                f"min_iter: {min_iter} is not below the {epochs} epochs of "
                f"variant `{variant.name}`, so nothing would stop early",
                expected=f"min_iter below {epochs}",
                fix="lower min_iter, raise training.epochs, or remove early_terminate",
            )


def check_generation_metric(
    file: SweepFile, tree: Node, variants: Sequence[Variant], problems: Problems
) -> None:
    """A metric of the model's own text needs that text, and at every rung where trials stop."""
    metric = file.metric.name
    if metric not in GENERATION_METRICS:
        return
    for variant in variants:
        generation = variant.config.generation
        if generation is None:
            problems.add(
                _spot(tree, "metric", "name"),
                f"{metric} scores the model's own text, and variant `{variant.name}` writes none",
                expected="training.evaluate_generation, or a corpus of pairs",
                fix="add evaluate_generation: true to training, or take another metric",
            )
        elif file.early_terminate and generation.when != "every_epoch":
            problems.add(
                _spot(tree, "early_terminate"),
                f"trials would be stopped by {metric}, which variant `{variant.name}` knows after "
                "its last epoch alone",
                expected="training.evaluate_generation with when: every_epoch",
                fix="add evaluate_generation: {when: every_epoch} to training, or remove "
                "early_terminate",
            )


def check_method(
    file: SweepFile, tree: Node, variants: Sequence[Variant], problems: Problems
) -> None:
    """Each method can search some spaces only."""
    spot = _spot(tree, "method")
    for variant in variants:
        if variant.parameters and file.method == "grid":
            _check_grid(file, variant, tree, problems)
        if variant.parameters and file.method == "cmaes":
            _check_cmaes(variant, spot, problems)


def _check_grid(file: SweepFile, variant: Variant, tree: Node, problems: Problems) -> None:
    counts = {path: found.num_points for path, found in variant.parameters.items()}
    spot = _spot(tree, "method")
    for path, count in counts.items():
        if count is None:
            problems.add(
                spot,
                f"a grid needs single values, and {path} is a range of real numbers",
                expected="values, a range of whole numbers, or q_uniform",
                fix=f"write {path}: {{values: [...]}}, or take method: qmc",
            )
    num_points = math.prod(count for count in counts.values() if count)
    trials = file.budget.trials
    if num_points > MAX_GRID_POINTS:
        problems.add(
            spot,
            f"the grid of variant `{variant.name}` has {num_points} points",
            expected=f"at most {MAX_GRID_POINTS}",
            fix="give fewer values, or take method: qmc with budget.trials",
        )
    elif trials is not None and trials != num_points and None not in counts.values():
        problems.add(
            _spot(tree, "budget", "trials"),
            f"{trials} trials are not the {num_points} points of variant "
            f"`{variant.name}`, all of which a grid runs",
            fix="leave budget.trials out, or take method: qmc",
        )


def _check_cmaes(variant: Variant, spot: Spot, problems: Problems) -> None:
    words = [path for path, f in variant.parameters.items() if isinstance(f, Categorical)]
    if words:
        problems.add(
            spot,
            f"cmaes searches numbers, and {words[0]} has a list of values",
            expected="ranges (min, max) alone",
            fix="take method: tpe or qmc",
        )
    elif len(variant.parameters) < 2:
        problems.add(
            spot,
            "cmaes needs two parameters or more, and variant "
            f"`{variant.name}` has {len(variant.parameters)}",
            fix="take method: gp or qmc",
        )


def resolved_budget(file: SweepFile, is_tuned: bool) -> Budget:
    """The budget with its default: all points of a grid, a fixed number of trials otherwise."""
    trials = file.budget.trials
    if is_tuned and trials is None and file.method != "grid":
        trials = DEFAULT_TRIALS
    if file.method == "grid":
        trials = None
    return Budget(trials=trials, time_s=file.budget.time)


def resolved_seeds(
    file: SweepFile, tree: Node, is_tuned: bool, num_variants: int, problems: Problems
) -> Seeds:
    """The seeds of both phases, disjoint; those left out are the smallest that are free.

    A single run without a search needs one seed; a comparison rests on several.
    """
    tune, confirm = file.seeds.tune, file.seeds.confirm
    spot = _spot(tree, "seeds", "tune")
    if tune and len(tune) > 1:
        problems.add(
            spot,
            f"{len(tune)} seeds to tune with",
            expected="one seed: every trial of a search is trained once",
            fix=f"write tune: [{tune[0]}]; confirm: takes any number of seeds",
        )
    if tune and confirm and set(tune) & set(confirm):
        problems.add(
            spot,
            f"seed {min(set(tune) & set(confirm))} is in confirm, too",
            expected="confirm seeds that no tuned trial has seen",
            fix=f"write tune: [{_free(1, confirm)[0]}]",
        )
    if not is_tuned:
        single = num_variants == 1
        default = (0,) if single else tuple(range(1, 1 + DEFAULT_CONFIRM_SEEDS))
        return Seeds(tune=(), confirm=confirm or default)
    tune = tune or _free(1, confirm or ())
    confirm = confirm or _free(DEFAULT_CONFIRM_SEEDS, tune)
    return Seeds(tune=tune, confirm=confirm, top_k=file.seeds.top_k or 1)


def check_top_k(seeds: Seeds, budget: Budget, tree: Node, problems: Problems) -> None:
    """No more configurations can be confirmed than are tried."""
    if budget.trials is not None and seeds.top_k > budget.trials:
        problems.add(
            _spot(tree, "seeds", "top_k"),
            f"top_k: {seeds.top_k} is more than the {budget.trials} trials of a variant",
            expected=f"at most {budget.trials}",
            fix="lower top_k or raise budget.trials",
        )


def _free(count: int, taken: Collection[int]) -> tuple[int, ...]:
    """The smallest seeds that are not taken."""
    candidates = (seed for seed in range(count + len(taken)) if seed not in taken)
    return tuple(next(candidates) for _ in range(count))


def _spot(tree: Node, *keys: str) -> Spot:
    """Where a key was written, or the nearest above it."""
    while keys and not tree.find(keys):
        keys = keys[:-1]
    node = tree.find(keys)
    return node.spot if node else tree.spot
