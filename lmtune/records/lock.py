"""One command at a time in an experiment folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from lmtune.errors import Problem, UserError


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a lock file, which says who does, until the block or the process ends.

    The operating system frees it when the process ends, however that happens. The file itself
    stays: removing it would let two processes lock two files of one name.

    Raises:
        UserError: another process holds it; it goes on undisturbed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(_held(path, file.read())) from None
        file.truncate(0)
        file.write(_holder())
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder_of(path: Path) -> str | None:
    """Who holds a lock file, in words; None where nobody does."""
    try:
        with path.open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _who(file.read())
    except FileNotFoundError:
        pass
    return None


def _holder() -> str:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _who(content: str) -> str:
    try:
        holder = json.loads(content)
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):  # it has the lock, and has not yet said who it is
        return "another process"


def _held(path: Path, content: str) -> Problem:
    return Problem(
        where=str(path.parent),
        what=f"the experiment is in use by {_who(content)}",
        expected="one command at a time in an experiment",
        fix="wait until it ends, or stop it; or give this sweep another name",
    )
