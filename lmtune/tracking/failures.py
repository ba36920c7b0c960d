"""Why MLflow cannot be written, and what to do about it, each in a line without secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from lmtune.credentials import mask_credentials

_ADVICE = {
    "database is locked": "see which other process holds it, and end that if it hangs",
    "disk is full": "free some space on the disk that it is on",
    "No space left": "free some space on the disk that it is on",
    "readonly database": "let yourself write it and its folder",
    "Permission denied": "let yourself write it and its folder",
    "Read-only file system": "let yourself write it and its folder",
    "unable to open database file": "let yourself write it and its folder",
    "malformed": "move the file away, and it is made anew from the records",
    "no such table": "move the file away, and it is made anew from the records",
    "not a database": "move the file away, and it is made anew from the records",
    "Connection refused": "see that its server runs and that the address is right",
    "Connection reset": "see that its server runs and that the address is right",
    "closed connection": "see that its server runs and that the address is right",
    "not known": "see that the address is right",
    "timed out": "see whether its server hangs",
}


def reason(error: Exception) -> str:
    """What lies at the bottom of an error: MLflow and its libraries wrap it several times."""
    bottom = [*_chain(error)][-1]
    if isinstance(bottom, OSError) and bottom.strerror:
        at = f": {bottom.filename}" if bottom.filename else ""
        return mask_credentials(bottom.strerror + at)
    if not isinstance(bottom, sqlite3.Error | ConnectionError | TimeoutError):
        bottom = error
    text = str(bottom).strip() or type(bottom).__name__
    return mask_credentials(text.splitlines()[0])


def advice(reason: str) -> str:
    """What helps against it; empty where that is not known."""
    return next((advice for words, advice in _ADVICE.items() if words in reason), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised for or holds, and so on."""
    following: BaseException | None = error
    while following is not None:
        yield following
        held = (each for each in following.args if isinstance(each, BaseException))
        following = following.__cause__ or following.__context__ or next(held, None)
