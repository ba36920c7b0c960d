"""Durations as a person writes them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

from lmtune.spec.config import Conflict, PositiveFloat

_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")


def _seconds(value: object) -> object:
    """`1h30m` and the like, in seconds."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if not (match and value):
        raise Conflict(
            what="the duration cannot be read",
            expected="days, hours, minutes and seconds (1h30m, 90s), or a number of seconds",
            fix="write 30m, say",
        )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


Duration = Annotated[PositiveFloat, BeforeValidator(_seconds, json_schema_input_type=float | str)]
"""Seconds, written as `1h30m` and the like."""


def format_duration(seconds: float | None) -> str:
    """`1h02m`, `3m20s`, `45s`; `-` where it is not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
