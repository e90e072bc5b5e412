"""Numbers with a unit, as people write them: "1h" and "8M"."""

from __future__ import annotations

import re

__all__ = ["EXAMPLES", "number_of"]

#: Unit -> what may be written.
EXAMPLES: dict[str | None, str] = {
    "seconds": "a number of seconds, or such as 30s, 15m, 1h or 7d",
    "bytes": "a number of bytes, or such as 512K, 8M or 1G",
}
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*").fullmatch
_UNITS = {
    "seconds": {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800},
    "bytes": {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40},
}


def number_of(value: object, unit: str | None) -> object:
    """
    Return the number that *value* says, or *value* itself if it says none.

    :param unit: "seconds" or "bytes", in which the number is; None: there is none, and no text is a number.
    """
    if unit is None or not isinstance(value, str) or (match := _NUMBER(value)) is None:
        return value
    letter = match[2].lower()
    if unit == "bytes":
        letter = letter.removesuffix("ib")
    factor = _UNITS[unit].get(letter)
    if factor is None:
        return value
    number = float(match[1]) * factor
    return int(number) if number.is_integer() else number
