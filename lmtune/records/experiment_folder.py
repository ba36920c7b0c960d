"""The experiment folder: every path in it, and the records of the sweep as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError

from lmtune.credentials import mask_logins
from lmtune.errors import Problem, UserError
from lmtune.records.files import json_text, parse, write_text
from lmtune.records.lock import hold_lock
from lmtune.records.roles import Belonging, Membership
from lmtune.records.timeline import Timeline
from lmtune.records.trial_folder import TrialFolder, TrialRecord
from lmtune.spec.config import Config
from lmtune.spec.plan import Plan
from lmtune.spec.sweep import SweepSpec
from lmtune.spec.trial import Phase

_PHASES: tuple[Phase, ...] = get_args(Phase)


class DatasetFacts(Config):
    """What a sweep's numbers need to be understood, of the data that they were measured on."""

    fingerprint: str
    vocab_size: int
    train_tokens: int = Field(description="of a text; of pairs, tokens of targets and their ends")
    validation_tokens: int
    bytes_per_token: float
    entropy_rate: float | None = None
    validation_pairs: int | None = Field(default=None, description="None for one running text")
    validation_text_sha256: str | None = Field(
        default=None, description="None where the variants of the sweep share their data anyway"
    )
    tokenized_targets: int = Field(
        default=0, description="validation pairs whose target ends with a period after a space"
    )
    unknown_validation_tokens: int = Field(
        default=0, description="that stand for text outside the vocabulary"
    )
    ngram_floors: dict[str, float] | None = Field(
        default=None, description="nats a validation token; None for pairs"
    )
    leakage: dict[str, float] = Field(
        default={}, description="by split, the share of it that training has too"
    )
    left_out: dict[str, int] = Field(
        default={}, description="by split, pairs that do not fit into context_length"
    )


class _Resolved(SweepSpec):
    """The content of `resolved.json`: the sweep, and beside it what its data turned out to be."""

    datasets: dict[str, DatasetFacts]


class ExperimentFolder:
    """The folder of one experiment, `experiments/<sweep name>`.

    Args:
        path: the folder; made by the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def sweep_yaml(self) -> Path:
        """The sweep file as it was given."""
        return self.path / "sweep.yaml"

    @property
    def resolved_json(self) -> Path:
        """The sweep as it was understood."""
        return self.path / "resolved.json"

    @property
    def environment_json(self) -> Path:
        """Where it ran."""
        return self.path / "environment.json"

    @property
    def study(self) -> Path:
        """The folder of the Optuna storage."""
        return self.path / "study"

    @property
    def ray(self) -> Path:
        """Tune's scratch folder; may be removed."""
        return self.path / "ray"

    @property
    def trials_csv(self) -> Path:
        """The table of trials."""
        return self.path / "trials.csv"

    @property
    def curves_csv(self) -> Path:
        """The table of evaluations."""
        return self.path / "curves.csv"

    @property
    def summary_json(self) -> Path:
        """The answer, for programs."""
        return self.path / "summary.json"

    @property
    def report_md(self) -> Path:
        """The answer, for people."""
        return self.path / "report.md"

    @property
    def plan_json(self) -> Path:
        """What the sweep was expected to do and cost."""
        return self.path / "plan.json"

    @property
    def report_html(self) -> Path:
        """The answer with its figures, for a browser."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """The folder of the report's figures as pictures."""
        return self.path / "figures"

    @property
    def model(self) -> Path:
        """The folder of the best confirmed model, which needs nothing beside it."""
        return self.path / "model"

    @property
    def samples_json(self) -> Path:
        """What a model of each variant wrote from the same prompts."""
        return self.path / "samples.json"

    @property
    def timeline(self) -> Timeline:
        """When the sweep's command ran, and when trials started and ended in it."""
        return Timeline(self.path / "timeline.jsonl")

    @property
    def test_reads_jsonl(self) -> Path:
        """A line for each time that the test split was scored."""
        return self.path / "test_reads.jsonl"

    @property
    def lock(self) -> Path:
        """Locked by the command that works in the folder."""
        return self.path / ".lock"

    def hold(self) -> AbstractContextManager[None]:
        """Keep other commands out of the folder, until the block or the process ends.

        Raises:
            UserError: on entering, if another process holds the folder; it is left alone.
        """
        return hold_lock(self.lock)

    def move_aside(self) -> Path:
        """Rename the folder, which is kept, so that the sweep starts afresh; where it is now.

        Raises:
            UserError: another process holds the folder; it is left alone.
        """
        now = datetime.now()
        with self.hold():
            for second in count():
                stamp = (now + timedelta(seconds=second)).strftime("%Y%m%d-%H%M%S")
                aside = self.path.with_name(f"{self.path.name}.old-{stamp}")
                if not aside.exists():
                    break
            return self.path.rename(aside)

    def trial(self, trial_id: str) -> TrialFolder:
        """The folder of a trial, whether it exists or not."""
        return TrialFolder(self.path / "trials" / trial_id)

    def trials(self) -> list[TrialFolder]:
        """The folders of all trials that were started, by id; older sweeps' trials too."""
        specs = (self.path / "trials").glob("*/spec.json")
        return [TrialFolder(path.parent) for path in sorted(specs)]

    def write_sweep_yaml(self, text: str) -> None:
        """Keep the sweep file as it was given, less logins of addresses, in comments, say."""
        write_text(self.sweep_yaml, mask_logins(text))

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Keep what `describe_environment` found."""
        write_text(self.environment_json, json_text(dict(environment)) + "\n")

    def read_environment(self) -> dict[str, Any]:
        """Where it ran, as `describe_environment` found; empty if that was not kept."""
        try:
            content: dict[str, Any] = json.loads(self.environment_json.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return content

    def write_plan(self, plan: Plan) -> None:
        """Keep a plan in place of the one before."""
        write_text(self.plan_json, json_text(plan.model_dump(mode="json")) + "\n")

    def read_plan(self) -> Plan | None:
        """The last plan; None where there is none that this version can read."""
        try:
            return Plan.model_validate_json(self.plan_json.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_sweep(self, sweep: SweepSpec, datasets: Mapping[str, DatasetFacts]) -> None:
        """Keep the sweep as it was understood.

        Args:
            sweep: the sweep.
            datasets: of each variant, by its name.
        """
        facts = {name: dataset.model_dump(mode="json") for name, dataset in datasets.items()}
        content = {**sweep.model_dump(mode="json"), "datasets": facts}
        write_text(self.resolved_json, json_text(content) + "\n")

    def read_sweep(self) -> SweepSpec:
        """The sweep as it was understood.

        Raises:
            UserError: the folder holds no experiment, or its record is not readable.
        """
        resolved = self._read_resolved()
        return SweepSpec(**{name: getattr(resolved, name) for name in SweepSpec.model_fields})

    def read_datasets(self) -> dict[str, DatasetFacts]:
        """The data of each variant, by its name.

        Raises:
            UserError: as `read_sweep`.
        """
        return self._read_resolved().datasets

    def read_trials(self) -> list[TrialRecord]:
        """The trials of the sweep: by variant, tune before confirm, by seed, by id.

        Those of earlier versions of the sweep's file, or of its data, are left out. A trial that
        serves several variants is there for each of them.

        Raises:
            UserError: as `read_sweep`, or a trial's record is not readable.
        """
        return list(self.sort_out().records)

    def sort_out(self) -> Belonging:
        """Which of all trials are those of the sweep as it was understood last.

        Raises:
            UserError: as `read_trials`.
        """
        resolved = self._read_resolved()
        fingerprints = {name: facts.fingerprint for name, facts in resolved.datasets.items()}
        membership = Membership(self.read_sweep(), fingerprints)
        found = membership.sort_out(folder.read() for folder in self.trials())
        rank = {variant.name: number for number, variant in enumerate(resolved.variants)}
        in_order = sorted(
            found.records,
            key=lambda record: (
                rank[record.spec.variant],
                _PHASES.index(record.spec.phase),
                record.spec.seed,
                record.spec.trial_id,
            ),
        )
        return replace(found, records=tuple(in_order))

    def _read_resolved(self) -> _Resolved:
        try:
            text = self.resolved_json.read_text(encoding="utf-8")
        except FileNotFoundError:
            problem = Problem(
                where=str(self.path),
                what="no experiment here: resolved.json is missing",
                expected="the folder of a sweep that was started, such as experiments/<name>",
                fix="give that folder, or run the sweep first",
            )
            raise UserError(problem) from None
        fix = "run the sweep's command again, which writes this file anew"
        return parse(_Resolved, text, where=str(self.resolved_json), fix=fix)
