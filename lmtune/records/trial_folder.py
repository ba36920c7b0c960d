"""One trial's records: what it was, its curve row by row, and how it ended."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from lmtune.errors import UserError
from lmtune.records.files import (
    append_line,
    json_text,
    parse,
    parse_numbers,
    read_lines,
    sealed,
    write_text,
)
from lmtune.spec.config import Config
from lmtune.spec.result import Evaluation, Retry, Status, TrialFacts, TrialResult
from lmtune.spec.trial import Phase, Scalar, TrialSpec


class Role(Config):
    """What a trial was run for: a variant may arrive at a configuration that another one has."""

    variant: str
    phase: Phase
    parameters: dict[str, Scalar] = {}
    study: str = ""
    proposal: int = 0

    @classmethod
    def of(cls, spec: TrialSpec) -> Role:
        """What a trial's own specification says."""
        return cls(
            variant=spec.variant,
            phase=spec.phase,
            parameters=spec.parameters,
            study=spec.study,
            proposal=spec.proposal,
        )


class _SpecFile(Config):
    """The content of `spec.json`."""

    trial_id: str
    spec: TrialSpec
    facts: TrialFacts
    roles: tuple[Role, ...] = Field(default=(), description="besides that of the spec itself")


@dataclass(frozen=True)
class TrialRecord:
    """All that the records know of a trial.

    Attributes:
        roles: what it was run for besides what its spec says.
    """

    spec: TrialSpec
    facts: TrialFacts
    curve: tuple[Evaluation, ...]
    result: TrialResult | None
    roles: tuple[Role, ...] = ()

    @property
    def all_roles(self) -> tuple[Role, ...]:
        """All that it was run for."""
        return (Role.of(self.spec), *self.roles)

    @property
    def status(self) -> Status:
        """How the trial ended; one that did not end is `interrupted`, or is running just now."""
        return "interrupted" if self.result is None else self.result.status

    @property
    def last(self) -> Evaluation | None:
        """The evaluation after the last epoch that was done."""
        return self.curve[-1] if self.curve else None

    @property
    def best(self) -> Evaluation | None:
        """The first evaluation of the lowest `val_loss`."""
        finite = [row for row in self.curve if math.isfinite(row.val_loss)]
        return min(finite, key=lambda row: row.val_loss, default=None)


@dataclass(frozen=True)
class Recovered:
    """What can be built on of a trial's records.

    Attributes:
        spec: what it was when it started last; None where it did not, or that was spoilt.
        curve: without what was spoilt.
        result: None where it has not ended.
        words: what was found spoilt, a line each.
    """

    spec: TrialSpec | None
    curve: list[Evaluation]
    result: TrialResult | None
    words: list[str]


class TrialFolder:
    """The folder of one trial.

    Args:
        path: `trials/<trial_id>` of an experiment; made by the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def trial_id(self) -> str:
        """The trial's name."""
        return self.path.name

    @property
    def spec_json(self) -> Path:
        """What the trial is; written when it starts."""
        return self.path / "spec.json"

    @property
    def curve_jsonl(self) -> Path:
        """One evaluation a line."""
        return self.path / "curve.jsonl"

    @property
    def result_json(self) -> Path:
        """How the trial ended; missing while it runs."""
        return self.path / "result.json"

    @property
    def retries_jsonl(self) -> Path:
        """A line for each attempt that failed and was followed by another."""
        return self.path / "retries.jsonl"

    @property
    def error_txt(self) -> Path:
        """The traceback of a trial that failed; missing for others."""
        return self.path / "error.txt"

    @property
    def checkpoints(self) -> Path:
        """The folder of the trial's checkpoints, which the training room fills."""
        return self.path / "checkpoints"

    def write_spec(self, spec: TrialSpec, facts: TrialFacts) -> None:
        """Write what the trial is, before anything else of it.

        What else it was run for is kept beside it.
        """
        own = Role.of(spec)
        others = [role for role in self._read_roles() if not _is_same(role, own)]
        content = _SpecFile(trial_id=spec.trial_id, spec=spec, facts=facts, roles=tuple(others))
        write_text(self.spec_json, json_text(sealed(content.model_dump(mode="json"))) + "\n")

    def read_spec(self) -> TrialSpec:
        """What the trial is.

        Raises:
            FileNotFoundError: it was never started.
            UserError: the record is not readable.
        """
        return self._read_spec_file().spec

    def append_evaluation(self, evaluation: Evaluation) -> None:
        """Add a row to the curve: handed to the operating system, not forced to the disk."""
        append_line(self.curve_jsonl, _row(evaluation))

    def read_curve(self) -> list[Evaluation]:
        """The curve, an evaluation an epoch, without what a crash tore at its end.

        A row that goes back to an earlier epoch, as a resumed trial's does, takes the place of
        all rows from that epoch on. Numbers that are not finite read as NaN.

        Raises:
            UserError: a row is not readable.
        """
        curve: list[Evaluation] = []
        for number, line in enumerate(read_lines(self.curve_jsonl), start=1):
            row = self._parse_row(number, line)
            while curve and curve[-1].epoch >= row.epoch:
                curve.pop()
            curve.append(row)
        return curve

    def recover(self) -> Recovered:
        """What the records hold of the trial, mended first where something is spoilt."""
        try:
            return self._recovered([])
        except UserError:
            return self._recovered(self.mend())

    def _recovered(self, words: list[str]) -> Recovered:
        spec = self.read_spec() if self.spec_json.exists() else None
        return Recovered(spec, self.read_curve(), self.read_result(), words)

    def mend(self) -> list[str]:
        """Drop what is spoilt of the records, so that the trial goes on from what is not.

        Rows from the first that is spoilt on go, and with rows the result, which was of all.

        Returns:
            What was found spoilt, a line each.
        """
        words = []
        if self.spec_json.exists() and (word := _why_unreadable(self._read_spec_file)):
            words.append(word)
            self.spec_json.unlink()
        rows = read_lines(self.curve_jsonl)
        for number, line in enumerate(rows, start=1):
            if word := _why_unreadable(partial(self._parse_row, number, line)):
                words.append(word)
                write_text(self.curve_jsonl, "".join(row + "\n" for row in rows[: number - 1]))
                break
        word = _why_unreadable(self.read_result)
        if word or (words and self.result_json.exists() and self._is_longer_than_its_curve()):
            self.result_json.unlink()
            words += [word] if word else []
        return words

    def _is_longer_than_its_curve(self) -> bool:
        result = self.read_result()
        return result is not None and result.epochs_done > len(self.read_curve())

    def cut_curve(self, epochs: int) -> None:
        """Drop the rows after an epoch, the last that a checkpoint holds."""
        rows = [_row(row) + "\n" for row in self.read_curve() if row.epoch <= epochs]
        write_text(self.curve_jsonl, "".join(rows))

    def write_result(self, result: TrialResult) -> None:
        """Write how the trial ended, once its curve is safe on the disk."""
        if self.curve_jsonl.exists():
            with self.curve_jsonl.open("rb") as curve:
                os.fsync(curve.fileno())
        if result.status == "failed":
            write_text(self.error_txt, result.message + "\n")
        else:
            self.error_txt.unlink(missing_ok=True)
        write_text(self.result_json, json_text(sealed(_content(result))) + "\n")

    def read_result(self) -> TrialResult | None:
        """How the trial ended; None if it has not.

        Raises:
            UserError: the record is not readable.
        """
        try:
            text = self.result_json.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return parse_numbers(TrialResult, text, where=str(self.result_json), fix=self._fix)

    def append_retry(self, retry: Retry) -> None:
        """Note an attempt that failed."""
        append_line(self.retries_jsonl, json_text(retry.model_dump(mode="json"), indent=None))

    def read_retries(self) -> list[Retry]:
        """The attempts that failed, of all runs of the sweep.

        Raises:
            UserError: a line is not readable.
        """
        return [
            parse(Retry, line, where=f"{self.retries_jsonl}:{number}", fix=self._fix)
            for number, line in enumerate(read_lines(self.retries_jsonl), start=1)
        ]

    def read(self) -> TrialRecord:
        """All of the trial's records.

        Raises:
            FileNotFoundError: it was never started.
            UserError: a record is not readable.
        """
        content = self._read_spec_file()
        return TrialRecord(
            spec=content.spec,
            facts=content.facts,
            curve=tuple(self.read_curve()),
            result=self.read_result(),
            roles=content.roles,
        )

    def _parse_row(self, number: int, line: str) -> Evaluation:
        where = f"{self.curve_jsonl}:{number}"
        return parse_numbers(Evaluation, line, where=where, fix=self._fix)

    def _read_roles(self) -> list[Role]:
        """All that the trial was run for; nothing where that cannot be read."""
        try:
            content = self._read_spec_file()
        except (FileNotFoundError, UserError):
            return []
        return [*content.roles, Role.of(content.spec)]

    def _read_spec_file(self) -> _SpecFile:
        text = self.spec_json.read_text(encoding="utf-8")
        return parse(_SpecFile, text, where=str(self.spec_json), fix=self._fix)

    @property
    def _fix(self) -> str:
        return f"move {self.path} away; the sweep's command then runs the trial again"


def _why_unreadable(read: Callable[[], object]) -> str:
    """The first line of what is wrong with a record; empty where nothing is."""
    try:
        read()
    except UserError as error:
        return str(error).partition("\n")[0]
    return ""


def _is_same(role: Role, other: Role) -> bool:
    return (role.variant, role.phase) == (other.variant, other.phase)


def _row(evaluation: Evaluation) -> str:
    """A row of the curve; null is a number that is not finite, what was not measured is absent."""
    return json_text(sealed(_content(evaluation, exclude_none=True)), indent=None)


def _content(record: Config, *, exclude_none: bool = False) -> dict[str, Any]:
    """The content of a record as it will be read back."""
    content: dict[str, Any] = record.model_dump(mode="json", exclude_none=exclude_none)
    return content
