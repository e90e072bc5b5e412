"""Cache-Control, taken apart (RFC 9111 section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Directives", "directives", "seconds"]

#: Names in lower case -> what stood behind the "=", or None where nothing did.
Directives = Mapping[str, str | None]

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ONE = re.compile(rf'({_NAME})(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?[^,]*', re.S)
# RFC 9111 section 1.2.2: what does not fit counts as this.
_LARGEST = 2**31


def directives(value: str | None) -> dict[str, str | None]:
    """Return the directives of a Cache-Control; of one that is there several times the first counts."""
    found: dict[str, str | None] = {}
    for match in _ONE.finditer(value or ""):
        quoted, plain = match[2], match[3]
        found.setdefault(match[1].lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found


def seconds(given: Directives, name: str) -> int | None:
    """Return the seconds of a directive: None when it is not there, 0 when they are none (section 4.2.1)."""
    if name not in given:
        return None
    value = given[name]
    if value is None or not value.isascii() or not value.isdigit():
        return 0
    return min(int(value[:11]), _LARGEST)
