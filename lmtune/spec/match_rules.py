"""What `match` asks of the variants: that none of them says itself what the match is to solve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lmtune.spec.file import SweepFile
from lmtune.spec.problems import Problems
from lmtune.spec.sweep import Variant
from lmtune.spec.tree import Node
from lmtune.spec.variants import Draft


def check_match(
    file: SweepFile,
    drafts: Sequence[Draft],
    variants: Sequence[Variant],
    shared_nodes: Mapping[str, Node],
    problems: Problems,
) -> None:
    """Refuse widths that are set or searched; counts, which need the data, are looked at later.

    Args:
        file: the sweep file.
        drafts: of the variants, in their order.
        variants: with what they search.
        shared_nodes: where the sweep's parameters were written.
        problems: gathers what is wrong.
    """
    if file.match is None:
        return
    for draft, variant in zip(drafts, variants, strict=True):
        nodes = {**shared_nodes, **draft.parameter_nodes}
        model = variant.config.model
        width = f"model.{model.WIDTHS[0]}"
        if width in variant.overrides:
            node = nodes.get(width) or draft.tree.find(width.split("."))
            problems.add(
                node.spot if node else draft.spot,
                f"variant `{variant.name}` sets {width}, which match is to solve",
                expected="variants that leave the width to match",
                fix=f"remove {width} here, or remove match",
            )
        for path in _sizes(variant):
            problems.add(
                nodes[path].spot,
                f"{path} is searched, so {file.match.by} would change from trial to trial",
                expected="a search that leaves the size alone",
                fix=f"remove match, or make {path} variants: match solves a width for each",
            )


def _sizes(variant: Variant) -> Iterator[str]:
    """The searched fields that decide about the model's size."""
    model = variant.config.model
    for name in ("size", *model.DEPTHS, *model.WIDTHS):
        if (path := f"model.{name}") in variant.parameters:
            yield path
