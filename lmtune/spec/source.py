"""A sweep file's text, from whatever the path turns out to be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lmtune.spec.problems import Problems
from lmtune.spec.tree import Spot

MAX_BYTES = 2**20


def read_text(path: Path, problems: Problems) -> str:
    """The text of a small UTF-8 file.

    Raises:
        SpecError: there is no such file, or it is not one that can be a sweep file.
    """
    spot = Spot(ascii(str(path))[1:-1] if not str(path).isprintable() else str(path))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise problems.fatal(spot, f"is {kind}", fix="give the path of a sweep file (.yaml)")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise problems.fatal(
            spot, f"cannot be read: {reason}", fix="check the path; sweeps/ has examples"
        ) from None
    except ValueError as error:  # a NUL in the path
        raise problems.fatal(spot, f"is no path: {error}", fix="check the path") from None
    if len(content) > MAX_BYTES:
        raise problems.fatal(
            spot,
            f"is larger than {MAX_BYTES} bytes",
            fix="is this a sweep file? If so, split it into several",
        )
    return _decoded(content, spot, problems)


def _decoded(content: bytes, spot: Spot, problems: Problems) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise problems.fatal(
            Spot(f"{spot.label}:{line}"),
            f"the byte 0x{content[error.start]:02X} is not UTF-8",
            fix="save the file as UTF-8",
        ) from None
