"""The sections below the answer, each of blocks, figures and samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmtune.analysis.data_section import data_section
from lmtune.analysis.document import Block, Bullets, Code, Paragraph, Table
from lmtune.analysis.experiment import Experiment
from lmtune.analysis.figures import Absent, Figure
from lmtune.analysis.protocol import protocol
from lmtune.analysis.ranges import range_edges
from lmtune.analysis.report import (
    best_configuration,
    cautions_blocks,
    files,
    fixed_values,
    run_again,
    variants_block,
    variants_notes,
)
from lmtune.analysis.seeds_section import seeds_section
from lmtune.analysis.time_taken import time_taken
from lmtune.records.samples import Samples

_SEARCH = ("slices", "parallel", "importance", "expected_best", "early_stopping", "timeline")


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        id: what links go to.
        title: of it.
        blocks: of text.
        figures: after them.
        samples: prompts with what the models wrote.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    figures: Sequence[Figure | Absent] = ()
    samples: Sequence[dict[str, Any]] = ()


def sections(experiment: Experiment, figures: Sequence[Figure | Absent]) -> list[Section]:
    """All sections of an experiment's page.

    Args:
        experiment: whose.
        figures: all of them, each of which finds its section.
    """
    summary, folder = experiment.summary, experiment.folder
    by_name = {figure.name: figure for figure in figures}
    notes = Bullets(tuple(variants_notes(summary)))
    return [
        Section("cautions", "Cautions", cautions_blocks(summary)),
        Section(
            "numbers", "All numbers", [variants_block(summary), notes, *seeds_section(summary)]
        ),
        Section("curves", "Curves and cost", [], [by_name["curves"], by_name["pareto"]]),
        Section(
            "protocol",
            "How it was done",
            [*protocol(summary), *time_taken(folder), *fixed_values(summary)],
        ),
        _search(experiment, by_name),
        Section("best", "Best configuration", best_configuration(summary)),
        samples_section(experiment.samples),
        Section("data", "Data", data_section(summary)),
        Section(
            "again",
            "Run it again",
            [*run_again(folder, summary), *_environment(experiment), *files(folder)],
        ),
    ]


def _search(experiment: Experiment, by_name: Mapping[str, Figure | Absent]) -> Section:
    if not experiment.searched:
        nothing = [Paragraph("Nothing was searched: every value is the sweep file's own.")]
        return Section("search", "Search", nothing, [by_name["timeline"]])
    shown = [by_name[name] for name in _SEARCH]
    return Section("search", "Search", list(_edges(experiment)), shown)


def _edges(experiment: Experiment) -> Iterator[Block]:
    """Wider ranges to paste, where a best value lies at an edge."""
    wider = dict.fromkeys(
        edge.yaml for edge in range_edges(experiment.summary) if edge.yaml is not None
    )
    if wider:
        yield Paragraph(
            "A best value lies at the edge of its range. Wider ranges, as entries of parameters:"
        )
        yield Code("\n".join(wider), "yaml", "the wider ranges")


def samples_section(samples: Samples | None) -> Section:
    """What the models wrote."""
    if samples is None:
        reason = (
            "No text was written for this experiment: its checkpoints or its data were not there."
        )
        return Section("samples", "Samples", [Paragraph(reason)])
    settings = {"temperature", "top_k"} & samples.decoding.keys()
    decoding = ", ".join(
        [
            f"{samples.decoding['type']} decoding",
            *(f"{name} {samples.decoding[name]:g}" for name in sorted(settings)),
        ]
    )
    problems = [f"{each.variant}: {each.problem}" for each in samples.variants if each.problem]
    told = Paragraph(
        "Written by the best confirmed trial of each variant, from the same beginnings of "
        f"validation texts ({decoding}, seed {samples.seed})."
        if not samples.is_pairs
        else "Written by the best confirmed trial of each variant, from the same sources of the "
        f"validation split ({decoding})."
    )
    written = [each for each in samples.variants if each.texts]
    prompts = [
        {
            "is_pairs": samples.is_pairs,
            "text": prompt.text,
            "expected": prompt.expected,
            "texts": [(each.variant, each.texts[number]) for each in written],
        }
        for number, prompt in enumerate(samples.prompts)
    ]
    blocks: list[Block] = [told, *([Bullets(tuple(problems))] if problems else [])]
    return Section("samples", "Samples", blocks, samples=prompts)


def _environment(experiment: Experiment) -> list[Block]:
    """Where it ran."""
    found = dict(experiment.environment)
    packages = found.pop("packages", {})
    if not found:
        return []
    rows = [(name, str(value)) for name, value in found.items() if value is not None]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    if versions:
        rows.append(("packages", versions))
    header = ("fact", "value")
    return [Table(header, tuple(rows), header, "Environment", is_folded=True)]
