"""Headers: those that a user may set, and those that came."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from twisted_pulp.errors import SettingsError

__all__ = ["PUBLIC", "Fields", "checked_headers"]

#: Headers, in lower case, that are no secret: they may go to any origin.
PUBLIC = frozenset({"user-agent", "accept", "accept-charset", "accept-language"})

# RFC 9110 section 5.6.2 (token) and 5.5 (field-value): anything else could inject a line.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "range", "if-range"})


def is_field_value(value: object) -> bool:
    """Return whether *value* is text that fits a header without adding a line."""
    return isinstance(value, str) and _VALUE(value) is not None


def names_of(headers: Mapping[str, str]) -> str:
    """Return what may be shown of *headers*: their names."""
    return repr(list(headers))


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """
    Return a read-only copy of *headers*.

    :raises SettingsError: when one would inject a line, or is one the downloader itself must set.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN(name) or name.lower() in _OURS:
            raise SettingsError("headers", name, "a header name, and none that the downloader itself sets")
        if not is_field_value(value):
            raise SettingsError(f"headers.{name}", "***", "text of one line in Latin-1")
    return MappingProxyType(dict(headers))


class Fields(Mapping[str, str]):
    """
    The headers of a response: name in lower case -> value, repeated ones joined with ", " (RFC 9110 section 5.3).

    They are decoded when first asked for; most are never.

    :param given: names and values as they came, or the lines they came in.
    """

    __slots__ = ("_given", "_made")

    def __init__(self, given: Sequence[tuple[bytes, bytes]] | bytes) -> None:
        self._given = given
        self._made: dict[str, str] | None = None

    def pairs(self) -> Sequence[tuple[bytes, bytes]]:
        """Return names and values as they came."""
        if isinstance(self._given, bytes):
            lines = (line.partition(b":") for line in self._given.splitlines())
            self._given = [(name, value.strip(b" \t")) for name, _, value in lines]
        return self._given

    def _all(self) -> dict[str, str]:
        made = self._made
        if made is None:
            made = {}
            for raw, content in self.pairs():
                name, value = raw.decode("latin-1").lower(), content.decode("latin-1").strip(" \t")
                made[name] = f"{made[name]}, {value}" if name in made else value
            self._made = made
        return made

    def __getitem__(self, name: str) -> str:
        return self._all()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def every(self, name: bytes) -> list[bytes]:
        """Return each value of *name*, given in lower case, as it came."""
        return [value.strip(b" \t") for given, value in self.pairs() if given.lower() == name]

    def __repr__(self) -> str:
        return f"Fields({list(self._all())!r})"
