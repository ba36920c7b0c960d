"""From the `base` and `variants`, `ablate` or `grid` of a sweep file to its variants."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from lmtune.spec.config import Config, Conflict
from lmtune.spec.file import SweepFile
from lmtune.spec.names import check_variant_name, short_names, variant_name
from lmtune.spec.paths import UnknownPathError, get_path
from lmtune.spec.problems import Problems
from lmtune.spec.schema_walk import alternatives, is_section
from lmtune.spec.search import Distribution
from lmtune.spec.tree import Node, Spot, laid_over, nested
from lmtune.spec.trial import Scalar, TrialConfig
from lmtune.spec.wording import did_you_mean, one_of

MAX_VARIANTS = 1000


@dataclass(frozen=True)
class Draft:
    """A variant whose own fields are valid; what it searches is not looked at yet.

    Attributes:
        name: the variant's name.
        spot: where it was asked for.
        tree: the base with the variant's changes laid over it.
        config: the same, resolved.
        overrides: the changes alone, by dotted path.
        parameters: what it searches besides the sweep's, by dotted path.
        parameter_nodes: where those were written.
    """

    name: str
    spot: Spot
    tree: Node
    config: TrialConfig
    overrides: Mapping[str, Scalar]
    parameters: Mapping[str, Distribution]
    parameter_nodes: Mapping[str, Node]


@dataclass(frozen=True)
class _Change:
    """What a variant changes of the base, not checked yet."""

    name: str
    tree: Node
    parameters: Mapping[str, Distribution]
    parameter_nodes: Mapping[str, Node]


def draft_variants(file: SweepFile, tree: Node, problems: Problems) -> list[Draft]:
    """The variants that can be built; what is wrong with others is added to the problems."""
    base = _with_default_sections(tree.entries["base"], TrialConfig)
    ways = [tree.entries[key] for key in ("variants", "ablate", "grid") if getattr(file, key)]
    for surplus in ways[1:]:
        problems.add(
            surplus.spot,
            f"stands beside {ways[0].spot.path}",
            expected="one of variants, ablate, grid",
            fix=f"remove one of the two, or write all as {ways[0].spot.path}",
        )
    changes = _changes(file, ways[0] if ways else None, base, problems)
    drafts = [draft for change in changes if (draft := _draft(change, base, problems))]
    if file.ablate and not file.variants and drafts:
        drafts = _less_the_base(drafts, ways[0], problems)
    _refuse_doubles(drafts, problems)
    return drafts


def _with_default_sections(node: Node, model: type[Config]) -> Node:
    """A tree with the `type` of each section that is left out, so that a change can go into it."""
    entries = dict(node.entries)
    for name, field in model.model_fields.items():
        kinds = alternatives(field.annotation)
        kind = getattr(field.default, "type", None)
        if name not in entries and kind:
            spot = node.spot.below(name)
            entries[name] = Node(spot, {"type": Node(spot, kind, kind)})
        elif name in entries and len(kinds) == 1 and is_section(kinds[0]):
            entries[name] = _with_default_sections(entries[name], kinds[0])
    return replace(node, value=entries)


def _changes(
    file: SweepFile, way: Node | None, base: Node, problems: Problems
) -> Iterator[_Change]:
    if way is None:
        return iter([_unchanged(base.spot)])
    count = _count(file)
    if count > MAX_VARIANTS:
        problems.add(
            way.spot,
            f"makes {count} variants",
            expected=f"at most {MAX_VARIANTS}",
            fix="list fewer values, or search them: parameters: {path: {values: [...]}}",
        )
        return iter([])
    if file.variants:
        return _named(file, way, problems)
    config = TrialConfig.model_validate(base.plain())
    values = dict(_values_by_path(way, config, problems))
    if not values:  # all of its paths are wrong, which is told
        return iter([_unchanged(way.spot)])
    return _ablated(way, values) if file.ablate else _product(way, values, problems)


def _count(file: SweepFile) -> int:
    if file.variants:
        return len(file.variants)
    if file.ablate:
        return 1 + sum(map(len, file.ablate.values()))
    return math.prod(map(len, (file.grid or {}).values()))


def _unchanged(spot: Spot) -> _Change:
    return _Change("base", Node(spot, {}), {}, {})


def _named(file: SweepFile, way: Node, problems: Problems) -> Iterator[_Change]:
    """The `variants`, as they are."""
    for name, entry in (file.variants or {}).items():
        node = way.entries[name]
        try:
            check_variant_name(name)
        except Conflict as error:
            problems.add(node.spot, error.what, error.expected, error.fix)
        nodes = node.child("parameters")
        sections = {key: child for key, child in node.entries.items() if child is not nodes}
        yield _Change(
            name=name,
            tree=replace(node, value=sections),
            parameters=entry.parameters if entry else {},
            parameter_nodes=nodes.entries if nodes else {},
        )


def _values_by_path(
    way: Node, base: TrialConfig, problems: Problems
) -> Iterator[tuple[str, list[Node]]]:
    """The paths of `ablate` or `grid` that the base has, each with its distinct values."""
    for path, node in way.entries.items():
        if problems.is_unknown(path):
            continue
        try:
            get_path(base, path)
        except UnknownPathError as error:
            problems.add(
                node.spot,
                f"`{path}` names nothing in the base",
                one_of(error.choices),
                did_you_mean(path, error.choices, "take one of these"),
            )
            continue
        yield path, list(_distinct(node.items, problems))


def _distinct(values: Sequence[Node], problems: Problems) -> Iterator[Node]:
    seen = set()
    for node in values:
        identity = json.dumps(node.plain(), sort_keys=True)
        if identity in seen:
            problems.add(node.spot, f"{node} is given twice", fix="list each value once")
        else:
            seen.add(identity)
            yield node


def _ablated(way: Node, values: Mapping[str, Sequence[Node]]) -> Iterator[_Change]:
    """The base, then one change at a time."""
    yield _unchanged(way.spot)
    names = short_names(list(values))
    for path, nodes in values.items():
        for node in nodes:
            yield _change({path: node}, names)


def _product(
    way: Node, values: Mapping[str, Sequence[Node]], problems: Problems
) -> Iterator[_Change]:
    """Every combination of the values."""
    for path, other in itertools.permutations(values, 2):
        if path.startswith(f"{other}."):
            problems.add(
                way.entries[path].spot,
                f"is a part of `{other}`, which the grid sets too",
                fix="remove one of the two",
            )
    names = short_names(list(values))
    for nodes in itertools.product(*values.values()):
        yield _change(dict(zip(values, nodes, strict=True)), names)


def _change(nodes: Mapping[str, Node], names: Mapping[str, str]) -> _Change:
    trees = [nested(path.split("."), node) for path, node in nodes.items()]
    tree = trees[0]
    for other in trees[1:]:
        tree = laid_over(tree, other)
    name = variant_name({names[path]: node for path, node in nodes.items()})
    return _Change(name, tree, {}, {})


def _draft(change: _Change, base: Node, problems: Problems) -> Draft | None:
    tree = laid_over(base, change.tree)
    try:
        config = TrialConfig.model_validate(tree.plain())
    except ValidationError as error:
        problems.add_invalid(error, tree, TrialConfig)
        return None
    return Draft(
        name=change.name,
        spot=change.tree.spot,
        tree=tree,
        config=config,
        overrides=dict(_overrides(change.tree, config)),
        parameters=change.parameters,
        parameter_nodes=change.parameter_nodes,
    )


def _overrides(change: Node, config: TrialConfig, *above: str) -> Iterator[tuple[str, Scalar]]:
    """The values that a change sets, as resolved, by dotted path."""
    for key, node in change.entries.items():
        path = ".".join((*above, key))
        value = get_path(config, path)
        if not isinstance(value, Config):
            yield path, value
        elif node.is_scalar:
            yield f"{path}.type", node.value
        else:
            yield from _overrides(node, config, *above, key)


def _less_the_base(drafts: Sequence[Draft], way: Node, problems: Problems) -> list[Draft]:
    """An ablation's drafts less those of values that the base has already."""
    base, *others = drafts
    kept = [draft for draft in others if draft.config.content() != base.config.content()]
    for path, node in way.entries.items():
        spots = {item.spot for item in node.items}
        own = [draft for draft in others if draft.spot in spots]
        is_whole = len(own) == len(node.items) and not problems.concern(base.tree.spot)
        if is_whole and not any(draft in kept for draft in own):
            problems.add(
                node.spot,
                f"the base has this {path} already",
                expected="values that differ from the base's",
                fix="list other values, or remove the path",
            )
    return [base, *kept]


def _refuse_doubles(drafts: Sequence[Draft], problems: Problems) -> None:
    by_name: dict[str, Draft] = {}
    by_content: dict[str, Draft] = {}
    for draft in drafts:
        if problems.concern(draft.spot):
            continue  # what it was meant to be is not known
        searched = {path: repr(found) for path, found in draft.parameters.items()}
        content = json.dumps([draft.config.content(), searched], sort_keys=True)
        twin = by_content.setdefault(content, draft)
        namesake = by_name.setdefault(draft.name, draft)
        if twin is not draft:
            problems.add(
                draft.spot,
                f"variant `{draft.name}` is the same as variant `{twin.name}`",
                expected="variants that differ in what is trained or searched",
                fix="remove one of the two",
            )
        elif namesake is not draft:
            problems.add(
                draft.spot,
                f"a second variant is named `{draft.name}`",
                fix="write them as variants: with names of your own",
            )
