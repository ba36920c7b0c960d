"""What each variant searches, checked: every path, and every corner of the space before it runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from pydantic import ValidationError

from lmtune.spec.config import Config
from lmtune.spec.paths import UnknownPathError, get_path, with_value
from lmtune.spec.problems import Problems
from lmtune.spec.search import Constant, Distribution, FloatRange, QuantizedRange
from lmtune.spec.sweep import Variant
from lmtune.spec.tree import Node, node_of, with_node
from lmtune.spec.trial import Scalar, TrialConfig
from lmtune.spec.variants import Draft
from lmtune.spec.wording import did_you_mean, one_of

MAX_CORNERS = 256
"""Above it the corners are tried one parameter at a time instead of all together."""
NUM_DRAWS = 200
MAX_POINTS = 10_000
"""Over all variants, so that reading stays fast however many there are."""
MAX_MISTAKES = 200
"""Points that may fail, over all variants, before the others are let be."""


def complete_variants(
    drafts: Sequence[Draft],
    shared: Mapping[str, Distribution],
    shared_nodes: Mapping[str, Node],
    problems: Problems,
) -> list[Variant]:
    """The variants with what they search: the sweep's `parameters` and their own.

    A parameter of a single value is set and not searched.

    Args:
        drafts: the variants without the sweep's parameters.
        shared: the sweep's parameters, by dotted path.
        shared_nodes: where those were written.
        problems: gathers what is wrong.
    """
    variants = []
    num_mistakes = 0
    for draft in drafts:
        nodes = {**shared_nodes, **draft.parameter_nodes}
        searched = {
            path: found
            for path, found in {**shared, **draft.parameters}.items()
            if _is_sound(path, found, nodes[path], draft, drafts, problems)
        }
        variant = _complete(draft, searched, nodes, problems)
        if num_mistakes < MAX_MISTAKES:
            most = max(1, MAX_POINTS // len(drafts))
            num_mistakes += _check_points(variant, draft, nodes, most, problems)
        variants.append(variant)
    return variants


def _is_sound(
    path: str,
    found: Distribution,
    node: Node,
    draft: Draft,
    drafts: Sequence[Draft],
    problems: Problems,
) -> bool:
    """Whether a parameter is a field of the variant that may take such values."""
    if problems.is_unknown(path):
        return False
    try:
        value = get_path(draft.config, path)
    except UnknownPathError as error:
        _tell_unknown(error, node, draft, drafts, problems)
        return False
    if isinstance(value, Config):
        fields = [f"{path}.{name}" for name in type(value).model_fields]
        what = f"`{path}` is a section, not a value"
        problems.add(node.spot, what, one_of(fields), "search one of its fields")
        return False
    if path in draft.overrides:
        what = f"`{path}` is searched, and variant `{draft.name}` sets it"
        problems.add(node.spot, what, fix="search it or compare it: remove one of the two")
        return False
    is_real = isinstance(found, FloatRange) or (
        isinstance(found, QuantizedRange) and not found.is_whole
    )
    if type(value) is int and is_real:
        what = f"`{path}` takes whole numbers, and this range has others"
        choices = "int_uniform, int_log_uniform_values, or q_uniform with whole min, max and q"
        problems.add(node.spot, what, choices, "write distribution: int_uniform")
        return False
    return True


def _tell_unknown(
    error: UnknownPathError,
    node: Node,
    draft: Draft,
    drafts: Sequence[Draft],
    problems: Problems,
) -> None:
    able = [other.name for other in drafts if _has(other, error.path)]
    fix = did_you_mean(error.path, error.choices, "take one of these")
    if able:
        fix = f"move it to the parameters of the variants that have it: {', '.join(able)}"
    what = f"`{error.path}` names nothing in variant `{draft.name}`"
    problems.add(node.spot, what, one_of(error.choices), fix)


def _has(draft: Draft, path: str) -> bool:
    try:
        get_path(draft.config, path)
    except UnknownPathError:
        return False
    return True


def _complete(
    draft: Draft,
    parameters: Mapping[str, Distribution],
    nodes: Mapping[str, Node],
    problems: Problems,
) -> Variant:
    constants = {p: found.value for p, found in parameters.items() if isinstance(found, Constant)}
    given, config = draft.tree.plain(), draft.config
    for path, value in constants.items():
        given = with_value(given, path, value)
    try:
        config = TrialConfig.model_validate(given)
    except ValidationError as error:
        problems.add_invalid(error, _overlaid(draft, constants, nodes), TrialConfig)
    return Variant.model_construct(  # each part is valid already
        name=draft.name,
        overrides={**draft.overrides, **constants},
        config=config,
        given=given,
        parameters={path: found for path, found in parameters.items() if path not in constants},
    )


def _check_points(
    variant: Variant, draft: Draft, nodes: Mapping[str, Node], most: int, problems: Problems
) -> int:
    """Build the configuration of every corner and of many draws; the number that are invalid."""
    num_mistakes = 0
    remark = f" (in variant `{variant.name}`)"
    for point in itertools.islice(points(variant.parameters), most):
        given = variant.given
        for path, value in point.items():
            given = with_value(given, path, value)
        try:
            TrialConfig.model_validate(given)
        except ValidationError as error:
            problems.add_invalid(error, _overlaid(draft, point, nodes), TrialConfig, remark)
            num_mistakes += 1
        if num_mistakes == MAX_MISTAKES:
            break
    return num_mistakes


def points(parameters: Mapping[str, Distribution]) -> Iterator[dict[str, Scalar]]:
    """Values to try: all combinations of corners where they are few, then seeded draws."""
    if not parameters:
        return
    corners = {path: found.corners() for path, found in parameters.items()}
    if math.prod(map(len, corners.values())) <= MAX_CORNERS:
        for values in itertools.product(*corners.values()):
            yield dict(zip(corners, values, strict=True))
    else:
        yield from ({path: value} for path, values in corners.items() for value in values)
    generator = Random(0)
    for _ in range(NUM_DRAWS):
        yield {path: found.draw(generator) for path, found in parameters.items()}


def _overlaid(draft: Draft, point: Mapping[str, Scalar], nodes: Mapping[str, Node]) -> Node:
    """A variant's tree at a point of its search, each value with the place of its parameter."""
    tree = draft.tree
    for path, value in point.items():
        tree = with_node(tree, path.split("."), node_of(value, nodes[path].spot))
    return tree
