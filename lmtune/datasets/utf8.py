"""Bytes to text: UTF-8, taken as it stands.

Line ends, control characters and Unicode forms are not touched. Only a byte order mark at the
start is dropped, since it names the encoding and is no text.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from lmtune.errors import DataError, Problem

EXPECTED = "a UTF-8 text file"
_BYTE_ORDER_MARK = "\ufeff"


def decode_utf8(content: bytes, path: Path, where: str) -> str:
    """Return the text of a file.

    Args:
        content: of the file.
        path: of the file, for the messages.
        where: place in the sweep file, for the messages.

    Raises:
        DataError: the file is binary or not UTF-8.
    """
    if (offset := content.find(b"\0")) >= 0:
        what = f"{path} is a binary file: NUL at byte {offset}"
        raise DataError(Problem(where, what, EXPECTED, _conversion(path, "UTF-16")))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{path} is not UTF-8: 0x{content[error.start]:02x} at byte {error.start}"
        raise DataError(Problem(where, what, EXPECTED, _conversion(path, "LATIN1"))) from error
    return text.removeprefix(_BYTE_ORDER_MARK)


def _conversion(path: Path, encoding: str) -> str:
    source, target = shlex.quote(str(path)), shlex.quote(f"{path}.utf8")
    return f"if it is {encoding} text: iconv -f {encoding} -t UTF-8 {source} > {target}"
