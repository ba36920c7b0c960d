"""Files that are whole whenever the machine stops: replaced at once, or grown by whole lines."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lmtune.errors import Problem, UserError

Model = TypeVar("Model", bound=BaseModel)

_CHECKSUM = "checksum"


def write_text(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a crash, finds the old or the new text, never a part.

    Raises:
        OSError: the disk is full, say; the old file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def json_text(value: Any, indent: int | None = 2) -> str:  # noqa: ANN401 - any JSON value
    """A value as JSON; NaN and infinities, which JSON lacks, become null."""
    return json.dumps(_without_non_finite(value), indent=indent, allow_nan=False)


def _without_non_finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_non_finite(item) for item in value]
    return value


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """A record with its checksum, by which `parse` sees whether it was altered."""
    return {**content, _CHECKSUM: _digest(json_text(content, indent=None))}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def append_line(path: Path, line: str) -> None:
    """Add a line to a file and hand it to the operating system.

    What a crash left of a line at the end of the file is cut away first.
    """
    with path.open("ab+") as file:
        size = file.tell()
        if size:
            file.seek(size - 1)
            if file.read() != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode() + b"\n")


def read_lines(path: Path) -> list[str]:
    """The whole lines of a file; none where it is missing, and not what a crash tore at its end."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content.decode(errors="replace").split("\n")[:-1]


def parse(model: type[Model], text: str, *, where: str, fix: str) -> Model:
    """Read a record that was written as JSON.

    Args:
        model: what the record is.
        text: the JSON.
        where: the file, and the line where there are several, for the message.
        fix: what to do about a record that cannot be read, for the message.

    Raises:
        UserError: the record was altered, or another version of lmtune wrote it.
    """
    return _validated(model, _unsealed(text, where=where, fix=fix), where=where, fix=fix)


def parse_numbers(model: type[Model], text: str, *, where: str, fix: str) -> Model:
    """Read a record whose every null stands for a number that was not finite.

    Raises:
        UserError: as `parse`.
    """
    text = _unsealed(text, where=where, fix=fix)
    if "null" in text:
        text = _with_nan(text)
    return _validated(model, text, where=where, fix=fix)


def _validated(model: type[Model], text: str, *, where: str, fix: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(
            Problem(
                where=f"{where}: {field}" if field else where,
                what=f"cannot be read: {first['msg']}",
                expected="a record as this version of lmtune writes it",
                fix=fix,
            )
        ) from error


def _with_nan(text: str) -> str:
    """The JSON of an object, NaN in place of null."""
    try:
        values = json.loads(text)
    except ValueError:
        return text
    if not isinstance(values, dict):
        return text
    return json.dumps({key: math.nan if value is None else value for key, value in values.items()})


def _unsealed(text: str, *, where: str, fix: str) -> str:
    """A record without its checksum, which is to fit; one that has none passes."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict) or _CHECKSUM not in content:
        return text
    checksum = content.pop(_CHECKSUM)
    text = json.dumps(content)
    if checksum != _digest(text):
        raise UserError(
            Problem(
                where=where,
                what="the record was altered: it does not have the checksum in it",
                expected="a record as lmtune wrote it",
                fix=fix,
            )
        )
    return text
