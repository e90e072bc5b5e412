"""What the fields of documents may hold."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta

__all__ = ["URL", "Count", "Name", "Number", "Seconds", "Text", "one_line"]

#: What repositories, remotes and the like are called.
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+~-]*$")]
URL = Annotated[str, Meta(min_length=8, max_length=8192, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#\\]+[^\s\\]*$")]
Text = Annotated[str, Meta(max_length=4096)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[float, Meta(ge=0, le=1e10)]

_LINES = re.compile(r"[\r\n]").search


def one_line(_: object, __: Any, value: Any) -> None:
    """Refuse an end of a line: ``$`` of a pattern lets one pass at the end of a text."""
    if isinstance(value, str) and _LINES(value):
        raise ValueError("is more than one line")
