"""The errors that a user can meet, sorted by what the sweep does about them.

Every message says what is wrong with which value, where, and how to fix it. The front doors
print these without a traceback; any other exception is a bug in lmtune.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmtune.credentials import mask_credentials


class LmtuneError(Exception):
    """Base of everything that lmtune raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, said so that a user can mend it.

    Attributes:
        where: `file:line: dotted.path`, as much of it as is known.
        what: what is wrong, with the value.
        expected: the rule or the choices; empty where `what` says it.
        fix: an edit or a command to type.
    """

    where: str
    what: str
    expected: str = ""
    fix: str = ""

    def __str__(self) -> str:
        """As a user reads it: no secret of an address, nothing that would disturb a terminal."""
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            lines.append(f"  Expected: {self.expected}")
        if self.fix:
            lines.append(f"  Fix: {self.fix}")
        return "\n".join(map(_printable, mask_credentials("\n".join(lines)).split("\n")))


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


class UserError(LmtuneError):
    """The input is wrong; nothing was started. Exit code 2.

    Args:
        problems: all that was found, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class SpecError(UserError):
    """The sweep file or a command-line override cannot be understood."""


class DataError(UserError):
    """A corpus is missing, unreadable or too small for what the sweep asks of it."""


class ResourceError(UserError):
    """The sweep asks for more than this machine or cluster has."""


class TrackingError(UserError):
    """Where the runs should be tracked cannot be written."""


class CheckpointError(LmtuneError):
    """A checkpoint is missing, torn or belongs to another trial."""


class TrialDiverged(LmtuneError):
    """A loss became non-finite; the weights are those before the update.

    Args:
        step: optimizer steps finished before the loss was seen.
        loss: the value seen.
    """

    def __init__(self, step: int, loss: float) -> None:
        self.step = step
        self.loss = loss
        super().__init__(f"loss became {loss} at step {step + 1}")

    def __reduce__(self) -> tuple[type, tuple[int, float]]:
        return type(self), (self.step, self.loss)


class SweepError(LmtuneError):
    """The sweep as a whole cannot go on. Exit code 1."""
