"""What a person sees while a sweep runs: a live table, or plain lines where nobody watches."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lmtune.datasets import Dataset, PairsDataset
from lmtune.spec.duration import format_duration
from lmtune.spec.result import Evaluation, Status, TrialFacts, TrialResult
from lmtune.spec.sweep import Metric, SweepSpec, Variant
from lmtune.spec.trial import Phase, TrialSpec

REFRESHES_PER_S = 2
_UNHAPPY: tuple[Status, ...] = ("stopped", "diverged", "failed")


def planned_trials(sweep: SweepSpec, variant: Variant) -> dict[Phase, int]:
    """How many trials of a variant each phase runs, at most."""
    return {
        "tune": sweep.num_tune_trials(variant),
        "confirm": sweep.num_confirm_trials(variant),
    }


def describe(sweep: SweepSpec) -> str:
    """How much a sweep is."""
    trials = sum(sum(planned_trials(sweep, variant).values()) for variant in sweep.variants)
    variants = "1 variant" if len(sweep.variants) == 1 else f"{len(sweep.variants)} variants"
    return f"{sweep.name}: {variants}, at most {trials} trials"


@dataclass
class VariantProgress:
    """The counts of one variant."""

    planned: dict[Phase, int]
    ended: dict[Phase, Counter[Status]] = field(
        default_factory=lambda: {"tune": Counter(), "confirm": Counter()}
    )
    running: Counter[Phase] = field(default_factory=Counter)
    best: float | None = None

    def num_left(self, phase: Phase) -> int:
        """Trials of a phase that have not ended."""
        return max(0, self.planned[phase] - self.ended[phase].total())


@dataclass
class Durations:
    """How long trials took."""

    count: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    @property
    def mean_s(self) -> float:
        """Of those added so far, of which there is one at least."""
        return self.total_s / self.count

    def add(self, duration_s: float) -> None:
        """Count another trial."""
        self.count += 1
        self.total_s += duration_s
        self.longest_s = max(self.longest_s, duration_s)


class Progress:
    """Counts of a sweep, kept as it goes on; observes the sweep.

    Args:
        sweep: what runs.
    """

    def __init__(self, sweep: SweepSpec) -> None:
        self.metric = sweep.metric
        self.variants = {
            each.name: VariantProgress(planned_trials(sweep, each)) for each in sweep.variants
        }
        self._started_at = time.monotonic()
        self._durations: dict[Phase, Durations] = {"tune": Durations(), "confirm": Durations()}
        self._last_values: dict[str, float] = {}
        self._running: dict[str, tuple[TrialSpec, float]] = {}

    @property
    def elapsed_s(self) -> float:
        """Since this run of the sweep began."""
        return time.monotonic() - self._started_at

    @property
    def num_ended(self) -> int:
        """Trials that ended, earlier runs included."""
        return sum(c.total() for each in self.variants.values() for c in each.ended.values())

    @property
    def num_planned(self) -> int:
        """Trials of the whole sweep, at most."""
        return sum(sum(each.planned.values()) for each in self.variants.values())

    def trials_per_minute(self) -> float | None:
        """Trials that ended in this run, a minute; None before the first."""
        ended = sum(each.count for each in self._durations.values())
        return 60 * ended / self.elapsed_s if ended else None

    def left_s(self) -> float | None:
        """Seconds to the end, if trials go on as those of this run did; None before the first.

        A confirm trial, before one has ended, is taken to last as long as the longest tune trial.
        """
        tune, confirm = self._durations["tune"], self._durations["confirm"]
        if not tune.count and not confirm.count:
            return None
        confirm_s = confirm.mean_s if confirm.count else tune.longest_s
        tune_s = tune.mean_s if tune.count else confirm_s
        expected_s: dict[Phase, float] = {"tune": tune_s, "confirm": confirm_s}
        left = sum(
            each.num_left(phase) * expected_s[phase]
            for each in self.variants.values()
            for phase in expected_s
        )
        now = time.monotonic()
        running = list(self._running.values())  # at once: the table is drawn by another thread
        begun = sum(min(now - at, expected_s[trial.phase]) for trial, at in running)
        return max(0.0, left - begun) / max(1, len(running))

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """Start the clock."""
        self._started_at = time.monotonic()

    def trial_known(
        self, trial: TrialSpec, result: TrialResult, curve: Sequence[Evaluation]
    ) -> None:
        """Count a trial that an earlier run finished."""
        for evaluation in curve[-1:]:
            self._enter(trial, evaluation)
        self._count(trial, result.status)

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        """Count a trial as running."""
        self._running[trial.trial_id] = trial, time.monotonic()
        self.variants[trial.variant].running[trial.phase] += 1

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        """Remember the last value of a trial."""
        self._enter(trial, evaluation)

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        """Count a trial as ended."""
        _, started_at = self._running.pop(trial.trial_id)
        self._durations[trial.phase].add(time.monotonic() - started_at)
        self.variants[trial.variant].running[trial.phase] -= 1
        self._count(trial, result.status)

    def sweep_ended(self, finished: bool) -> None:
        """Nothing: the counts stay."""

    def _enter(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        value = getattr(evaluation, self.metric.name)
        if value is not None:  # text is written after some epochs only
            self._last_values[trial.trial_id] = float(value)

    def _count(self, trial: TrialSpec, status: Status) -> None:
        variant = self.variants[trial.variant]
        variant.ended[trial.phase][status] += 1
        value = self._last_values.get(trial.trial_id)
        if status != "completed" or value is None:
            return
        if variant.best is None or is_better(value, variant.best, self.metric):
            variant.best = value


def is_better(value: float, other: float, metric: Metric) -> bool:
    """Whether a value is the better of two."""
    return value < other if metric.goal == "minimize" else value > other


class LiveTable(Progress):
    """A table that redraws itself, for a terminal.

    Args:
        console: a terminal.
        sweep: what runs.
    """

    def __init__(self, console: Console, sweep: SweepSpec) -> None:
        super().__init__(sweep)
        self._live = Live(
            console=console,
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
        )

    def sweep_started(
        self, sweep: SweepSpec, datasets: Mapping[str, Dataset | PairsDataset]
    ) -> None:
        """Begin to draw."""
        super().sweep_started(sweep, datasets)
        self._live.start()

    def sweep_ended(self, finished: bool) -> None:
        """Draw no more."""
        self._live.stop()

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("variant")
        for name in ("tuned", *_UNHAPPY, "confirmed", "running"):
            table.add_column(name, justify="right")
        table.add_column(f"best {self.metric.name}", justify="right")
        for name, variant in self.variants.items():
            table.add_row(Text(name), *_cells(variant))
        return Group(self._headline(), table)

    def _headline(self) -> Text:
        rate = self.trials_per_minute()
        return Text(
            f"{self.num_ended} of {self.num_planned} trials, "
            f"{len(self._running)} running, "
            f"{'-' if rate is None else f'{rate:.1f}'} a minute, "
            f"{format_duration(self.elapsed_s)} elapsed, {format_duration(self.left_s())} left"
        )


def _cells(variant: VariantProgress) -> list[str]:
    """The cells of a variant's row, without its name."""
    tune, confirm = variant.ended["tune"], variant.ended["confirm"]
    running = list(variant.running.items())  # at once: as above
    return [
        f"{tune.total()}/{variant.planned['tune']}" if variant.planned["tune"] else "-",
        *(str(tune[status] + confirm[status] or "") for status in _UNHAPPY),
        f"{confirm.total()}/{variant.planned['confirm']}",
        " ".join(f"{count} {phase}" for phase, count in running if count),
        "-" if variant.best is None else f"{variant.best:.4f}",
    ]


class PlainLines(Progress):
    """A line an event, for logs and pipes.

    Args:
        console: any output.
        sweep: what runs.
    """

    def __init__(self, console: Console, sweep: SweepSpec) -> None:
        super().__init__(sweep)
        self._console = console

    def trial_started(self, trial: TrialSpec, facts: TrialFacts) -> None:
        """Print which trial starts."""
        super().trial_started(trial, facts)
        values = "".join(
            f" {path}={f'{value:.4g}' if isinstance(value, float) else value}"
            for path, value in trial.parameters.items()
        )
        self._print(trial, f"started: seed {trial.seed}{values}")

    def trial_evaluated(self, trial: TrialSpec, evaluation: Evaluation) -> None:
        """Print the epoch's value."""
        super().trial_evaluated(trial, evaluation)
        name = self.metric.name
        if getattr(evaluation, name) is None:
            name = "val_loss"
        epochs = trial.config.training.epochs
        value = f"{name} {getattr(evaluation, name):.4f}"
        self._print(trial, f"epoch {evaluation.epoch}/{epochs}: {value}")

    def trial_ended(self, trial: TrialSpec, result: TrialResult) -> None:
        """Print how it ended, and how far the sweep is."""
        super().trial_ended(trial, result)
        reason = f": {result.message.splitlines()[-1]}" if result.message else ""
        self._print(
            trial,
            f"{result.status} after epoch {result.epochs_done}{reason} "
            f"({self.num_ended} of {self.num_planned} trials, "
            f"{format_duration(self.left_s())} left)",
        )

    def _print(self, trial: TrialSpec, event: str) -> None:
        clock = time.strftime("%H:%M:%S")
        line = f"{clock} {trial.variant} {trial.phase} {trial.trial_id} {event}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def terminal(console: Console, sweep: SweepSpec) -> LiveTable | PlainLines:
    """The display that suits a console."""
    return LiveTable(console, sweep) if console.is_terminal else PlainLines(console, sweep)
