"""`python -m lmtune.tracking.mlflow_process FD`: MLflow's side of `mlflow_remote`.

Answers what it is asked over the connection until its other end is closed, by whatever end the
driver comes to.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from lmtune.errors import LmtuneError
from lmtune.tracking.mlflow_observer import _load_mlflow_runs

_NICENESS = 19
"""Trials, to which Ray gives 15, and their driver go first: what MLflow is behind with, it writes
when they wait."""


def main(descriptor: int) -> None:
    """Serve one `MlflowRuns`: the first question makes it, the others are asked of it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # to the whole job: the driver's, who ends
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    connection = Connection(descriptor)
    runs: Any = None
    while True:
        try:
            what, arguments, options = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # at once: who asks no more does not wait either
        reply: tuple[Any, LmtuneError | str | None, BaseException | None]
        try:
            if runs is None:
                runs = _load_mlflow_runs()(*arguments)
                answer = None
            elif what.endswith("()"):
                answer = getattr(runs, what.removesuffix("()"))(*arguments, **options)
            else:
                found = getattr(runs, what)
                answer = (True, None) if callable(found) else (False, found)
            reply = (answer, None, None)
        except Exception as error:
            reply = (None, *_plain(error))  # whatever it is, the driver is to know
        try:
            connection.send(reply)
        except OSError:
            os._exit(0)


def _plain(error: Exception) -> tuple[LmtuneError | str, BaseException | None]:
    """An error as another process can read it that has not loaded MLflow, and its bottom."""
    if isinstance(error, LmtuneError):
        return error, None
    bottom: BaseException = error
    while (below := _below(bottom)) is not None:
        bottom = below
    text = str(error).strip() or type(error).__name__
    is_plain = type(bottom).__module__ in ("builtins", "sqlite3") and _is_picklable(bottom)
    return text, bottom if is_plain else None


def _below(error: BaseException) -> BaseException | None:
    held = (each for each in error.args if isinstance(each, BaseException))
    return error.__cause__ or error.__context__ or next(held, None)


def _is_picklable(error: BaseException) -> bool:
    try:
        pickle.dumps(error)
    except Exception:
        return False
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]))
