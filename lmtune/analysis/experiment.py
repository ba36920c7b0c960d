"""An experiment's records, read once: what the report's figures and sections are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lmtune.analysis.confirmed import metric_value
from lmtune.analysis.summary import Summary, VariantSummary, summarize_records
from lmtune.records import ExperimentFolder, TrialRecord
from lmtune.records.samples import Samples, read_samples
from lmtune.records.timeline import Span
from lmtune.spec.result import Status
from lmtune.spec.sweep import SweepSpec


@dataclass(frozen=True)
class Experiment:
    """The records of a sweep and what they came to.

    Attributes:
        folder: where they are.
        summary: the conclusions.
        records: all trials, as `ExperimentFolder.read_trials` orders them.
        others: trials of earlier versions of the sweep, with why they are left out, by id.
        environment: where it ran; empty where that was not kept.
        spans: when trials ran; empty where that was not kept.
        samples: what the variants' models wrote; None where that was not asked.
    """

    folder: ExperimentFolder
    summary: Summary
    records: tuple[TrialRecord, ...]
    others: Mapping[str, str]
    environment: dict[str, Any]
    spans: tuple[Span, ...]
    samples: Samples | None

    @property
    def sweep(self) -> SweepSpec:
        """The question."""
        return self.summary.sweep

    @property
    def metric(self) -> str:
        """The name of what is compared."""
        return self.sweep.metric.name

    @property
    def searched(self) -> list[VariantSummary]:
        """The variants that search something."""
        return [each for each in self.summary.variants if each.variant.parameters]

    def tuned(self, variant: str, status: Status) -> list[TrialRecord]:
        """The tune trials of a variant that ended so."""
        return [
            record
            for record in self.records
            if record.spec.variant == variant
            and record.spec.phase == "tune"
            and record.status == status
        ]

    def completed_values(self, variant: str) -> list[tuple[TrialRecord, float]]:
        """The tune trials of a variant at full budget, with the metric after the last epoch."""
        records = self.tuned(variant, "completed")
        found = [(record, metric_value(record.last, self.metric)) for record in records]
        return [(record, value) for record, value in found if value is not None]


def read_experiment(folder: ExperimentFolder) -> Experiment:
    """Read all records of an experiment.

    Raises:
        UserError: the folder holds no experiment, or a record is not readable.
    """
    belonging = folder.sort_out()
    records = belonging.records
    return Experiment(
        folder=folder,
        summary=summarize_records(folder.read_sweep(), folder.read_datasets(), records),
        records=records,
        others=belonging.others,
        environment=folder.read_environment(),
        spans=tuple(folder.timeline.spans()),
        samples=read_samples(folder.samples_json),
    )
