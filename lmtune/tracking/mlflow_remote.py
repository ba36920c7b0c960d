"""MLflow in a process of its own, so that writing there takes no time from the driver.

MLflow needs about as much computing for a trial's run as the driver does for all the rest of it,
and threads of one process share one core.
"""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, cast

from lmtune.errors import LmtuneError
from lmtune.machine import own_environment

if TYPE_CHECKING:
    from lmtune.tracking.mlflow_runs import MlflowRuns

_END_S = 5.0


class RemoteError(Exception):
    """What MLflow raised in the other process; its cause is what lay at the bottom of it."""


def open_remote_runs(*arguments: Any) -> MlflowRuns:  # noqa: ANN401 - those of MlflowRuns
    """As `MlflowRuns(...)`, in a process that ends with this one or with what is returned.

    It ends at an error, too, after which MLflow has to be asked anew how far the writing came.

    Raises:
        RemoteError: as `MlflowRuns` raises. This goes for every method and property.
        LmtuneError: as `MlflowRuns` raises.
        ConnectionError: the process has ended.
    """
    return cast("MlflowRuns", _RemoteRuns(arguments))


class _RemoteRuns:
    """Passes on whatever is asked of it."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        ours, theirs = Pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "lmtune.tracking.mlflow_process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=own_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self._connection = ours
        self._end = weakref.finalize(self, _end, ours, process)
        self._ask("", *arguments)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a method, or what a property holds
        is_method, value = self._ask(name)
        return self._method(name) if is_method else value

    def _method(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the method's
            return self._ask(f"{name}()", *arguments, **options)

        setattr(self, name, call)
        return call

    def _ask(self, what: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        try:
            self._connection.send((what, arguments, options))
            answer, error, bottom = self._connection.recv()
        except (EOFError, OSError) as gone:
            raise ConnectionError("the process that writes to MLflow has ended") from gone
        if error is not None:
            self._end()
        if isinstance(error, LmtuneError):
            raise error
        if error is not None:
            raise RemoteError(error) from bottom
        return answer


def _end(connection: Connection, process: subprocess.Popen[bytes]) -> None:
    """Have the process end: it does when nobody can ask it anything any more."""
    connection.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
