"""Lists as PostgreSQL writes them: its driver would look at each of their items in Python."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

__all__ = ["array_text"]

# In no text of PostgreSQL: it parts texts while what is in them is escaped, in all at once.
_NUL = "\0"


def array_text(values: Collection[Any]) -> str:
    """
    Return the text of an array (section 8.15.6 of PostgreSQL's manual, "Array Input and Output Syntax").

    :param values: texts, or numbers, or truth values, or bytes; None is null. A text with a NUL is left to the driver,
        which refuses it.
    """
    kinds = set(map(type, values))
    if bytes in kinds:
        return f"{{{','.join(['NULL' if value is None else _hex(value) for value in values])}}}"
    if str not in kinds:
        return f"{{{','.join(map(str, values)).replace('None', 'NULL')}}}"
    if type(None) in kinds:
        return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in values])}}}"
    return f"{{{_quoted(_NUL.join(values), len(values))}}}"


def _hex(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _quoted(text: str, parts: int = 1) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if text.count(_NUL) == parts - 1:
        escaped = escaped.replace(_NUL, '","')
    return f'"{escaped}"'
