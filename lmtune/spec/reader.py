"""Reads a sweep file: text, tree, options, sections, variants, search; all mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lmtune.spec.file import SweepFile
from lmtune.spec.match import Match
from lmtune.spec.match_rules import check_match
from lmtune.spec.overrides import with_overrides
from lmtune.spec.places import Places
from lmtune.spec.problems import Problems, causes, faults
from lmtune.spec.rules import (
    DEFAULT_METHOD,
    check_early_terminate,
    check_generation_metric,
    check_method,
    check_top_k,
    refuse_tuning,
    resolved_budget,
    resolved_seeds,
)
from lmtune.spec.schema_walk import Fault, choices
from lmtune.spec.search_space import complete_variants
from lmtune.spec.source import read_text
from lmtune.spec.sweep import SweepSpec, Variant
from lmtune.spec.tree import Node, Spot, node_of, with_node, without
from lmtune.spec.variants import draft_variants
from lmtune.spec.yaml_nodes import read_yaml

_MAX_REPAIRS = 5
_STAND_INS: dict[tuple[str | int, ...], Any] = {
    ("name",): "sweep",
    ("base", "training", "epochs"): 10**6,
}
"""For keys that are missing or wrong, so that the rest of the file can be checked."""
_NO_TYPE = ("missing", "union_tag_invalid", "union_tag_not_found")


def read_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepSpec:
    """The sweep that a file describes.

    Args:
        path: a YAML file.
        overrides: `PATH=VALUE` options, which are checked like the file's own values.

    Raises:
        SpecError: all that is wrong, in the order of the file.
    """
    problems = Problems()
    tree = _read_tree(path, problems)
    tree = with_overrides(tree, overrides, problems)
    spec = _checked(tree, tuple(overrides), problems)
    if problems or spec is None:
        raise problems.error()
    return spec


def find_places(path: Path, overrides: Sequence[str] = ()) -> Places:
    """Where the sections of a file that `read_sweep` accepts were written.

    Raises:
        SpecError: the file has been changed since, so that no variants can be found in it.
    """
    problems = Problems()
    tree = with_overrides(_read_tree(path, problems), overrides, problems)
    validated = _validated(tree, problems)
    if validated is None or problems:
        raise problems.error()
    drafts = draft_variants(*validated, problems)
    return Places(tree, {draft.name: draft for draft in drafts})


def _read_tree(path: Path, problems: Problems) -> Node:
    text = read_text(path, problems)
    tree = read_yaml(text, lambda line: Spot(f"{path}:{line}", (0, line)), problems)
    expected = "a mapping that begins with name: and base:"
    fix = "sweeps/ has examples to copy"
    if tree is None:
        raise problems.fatal(Spot(f"{path}"), "the file is empty", expected, fix)
    if not isinstance(tree.value, dict):
        raise problems.fatal(tree.spot, f"the file holds {tree}", expected, fix)
    return tree


def _checked(tree: Node, overrides: tuple[str, ...], problems: Problems) -> SweepSpec | None:
    """The sweep as far as it can be understood; None where that is not far enough."""
    validated = _validated(tree, problems)
    if validated is None:
        return None
    file, repaired = validated
    drafts = draft_variants(file, repaired, problems)
    nodes = (repaired.child("parameters") or Node(tree.spot, {})).entries
    variants = complete_variants(drafts, file.parameters, nodes, problems)
    if not variants:
        return None
    check_match(file, drafts, variants, nodes, problems)
    return _assembled(file, tree, variants, overrides, problems)


def _validated(tree: Node, problems: Problems) -> tuple[SweepFile, Node] | None:
    """The file's sections, and the tree that they came from.

    What is wrong is told and then left out, so that the rest can be checked, too.
    """
    for repairs in range(_MAX_REPAIRS):
        try:
            return SweepFile.model_validate(tree.plain()), tree
        except ValidationError as error:
            if repairs == 0:
                problems.add_invalid(error, tree, SweepFile)
            repaired = _repaired(tree, error, problems)
        if repaired is None:
            return None
        tree = repaired
    return None


def _repaired(tree: Node, error: ValidationError, problems: Problems) -> Node | None:
    """The tree less what is wrong; None where too little is left to go on."""
    for details in causes(error, tree, SweepFile):
        for fault in faults(details, tree, SweepFile):
            keys = (*fault.keys, fault.key) if details["type"] == "missing" else fault.keys
            stand_in = _stand_in(details, keys, fault)
            if stand_in is not None:
                tree = with_node(tree, [*map(str, keys)], node_of(stand_in, fault.spot))
                if isinstance(stand_in, dict):
                    problems.leave_out(".".join(map(str, keys[1:])))
            elif not fault.keys:
                return None
            else:
                tree = without(tree, fault.keys)
    return tree


def _stand_in(details: ErrorDetails, keys: tuple[str | int, ...], fault: Fault) -> Any:  # noqa: ANN401
    """What to put in the place of something without which nothing else can be checked."""
    kinds = choices(fault.types)
    if keys[:1] == ("base",) and kinds and details["type"] in _NO_TYPE:
        return {"type": kinds[0]}
    return _STAND_INS.get(keys) if details["type"] == "missing" else None


def _assembled(
    file: SweepFile,
    tree: Node,
    variants: Sequence[Variant],
    overrides: tuple[str, ...],
    problems: Problems,
) -> SweepSpec:
    is_tuned = any(variant.parameters for variant in variants)
    if not (is_tuned or _may_have_searched(tree, problems)):
        refuse_tuning(tree, problems)
    check_early_terminate(file, tree, variants, problems)
    check_generation_metric(file, tree, variants, problems)
    check_method(file, tree, variants, problems)
    budget = resolved_budget(file, is_tuned)
    seeds = resolved_seeds(file, tree, is_tuned, len(variants), problems)
    check_top_k(seeds, budget, tree, problems)
    return SweepSpec(
        name=file.name,
        question=file.question or file.name,
        metric=file.metric,
        variants=tuple(variants),
        method=(file.method or DEFAULT_METHOD) if is_tuned else None,
        early_terminate=file.early_terminate if is_tuned else None,
        budget=budget,
        seeds=seeds,
        resources=file.resources,
        tracking=file.tracking,
        on_failure=file.on_failure,
        keep=file.keep,
        match=_match(file),
        overrides=overrides,
    )


def _match(file: SweepFile) -> Match | None:
    if file.match is None:
        return None
    return Match.model_construct(**dict(file.match), base=file.base)  # each part is valid already


def _may_have_searched(tree: Node, problems: Problems) -> bool:
    """Whether a search may be missing only because of a mistake that is told."""
    sources = [tree.child(key) for key in ("base", "variants", "parameters")]
    return any(problems.concern(node.spot) for node in sources if node)
