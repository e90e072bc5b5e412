"""How numbers and times are told to people."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

__all__ = ["ago", "count", "duration", "moment", "size", "subject"]

#: Stands where there is no number.
NOTHING = "\N{EN DASH}"
_UNITS = "B", "KiB", "MiB", "GiB", "TiB", "PiB"
_STEPS = (86_400, "d"), (3600, "h"), (60, "min"), (1, "s")


def size(value: float | None) -> str:
    """Return so many bytes: "1.5 MiB"."""
    if value is None:
        return NOTHING
    number, unit = float(value), 0
    while number >= 1023.95 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} B" if not unit else f"{number:.1f} {_UNITS[unit]}"


def count(value: int | None) -> str:
    """Return a number with thin spaces between its thousands."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def duration(seconds: float | None) -> str:
    """Return so many seconds, in the two largest units: "3 h 20 min"."""
    if seconds is None:
        return NOTHING
    left, parts = int(max(seconds, 0)), []
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for length, unit in _STEPS:
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def ago(then: float | None, now: float) -> str:
    """Return how long ago that was: "3 min ago"."""
    if then is None:
        return NOTHING
    passed = now - then
    if passed < -1:
        return f"in {duration(-passed)}"
    return "just now" if passed < 5 else f"{_roughly(passed)} ago"


def _roughly(seconds: float) -> str:
    return next(f"{int(seconds // length)} {unit}" for length, unit in _STEPS if seconds >= length)


def moment(then: float | None) -> str:
    """Return when that was: "2026-01-31 12:00:00 UTC"."""
    if then is None:
        return ""
    try:
        when = datetime.datetime.fromtimestamp(then, datetime.UTC)
    except (OverflowError, OSError, ValueError):
        return str(then)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def subject(job: Any) -> str:
    """Return what a job is about."""
    payload: Mapping[str, Any] = job.payload if isinstance(job.payload, Mapping) else {}
    if job.kind == "download":
        files = f"{count(job.total)} file{'' if job.total == 1 else 's'}"
        return f"{files} from {job.remote}" if job.remote else files
    if job.kind == "sync":
        return str(payload.get("repository", ""))
    if job.kind == "verify":
        return "all stored files" + (", with repair" if payload.get("repair") else "")
    return "what nothing refers to" if job.kind == "cleanup" else ""
