"""What is known about a partial file, across runs."""

from __future__ import annotations

import msgspec

from twisted_pulp.transfer._place import Place
from twisted_pulp.transfer._range import Version

__all__ = ["Journal"]

_VERSION = 1
_LARGEST = 64 << 10


class Journal(msgspec.Struct, frozen=True):
    """
    A note beside a partial file, or beside a finished one that no digest proves.

    :ivar version: of this format.
    :ivar url: the bytes came from, without user name, password and query.
    :ivar validator: of the version they are of, or None.
    :ivar length: bytes of the whole file, or None.
    :ivar ranges: what is there: first byte and the one after the last.
    :ivar modified: of the finished file, in nanoseconds since the epoch; 0 while it is partial.
    """

    version: int
    url: str
    validator: str | None
    length: int | None
    ranges: list[tuple[int, int]]
    modified: int = 0

    @property
    def done(self) -> int:
        """Bytes that are there from the start on."""
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 0 else 0

    @property
    def end(self) -> int:
        """The byte after the last that is there."""
        return max((end for _, end in self.ranges), default=0)

    @classmethod
    def of(cls, version: Version, done: int, modified: int = 0) -> Journal:
        """Return the note that *done* bytes of *version* are there."""
        return cls.with_gaps(version, [(0, done)] if done else [], modified)

    @classmethod
    def with_gaps(cls, version: Version, ranges: list[tuple[int, int]], modified: int = 0) -> Journal:
        """Return the note that *ranges* of *version* are there."""
        return cls(_VERSION, bare(version.url), version.validator, version.length, ranges, modified)

    @classmethod
    def read(cls, place: Place) -> Journal | None:
        """Return the note at *place*, or None where there is none that can be understood."""
        data = place.read(place.journal, _LARGEST)
        if data is None:
            return None
        try:
            journal = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        sound = all(0 <= start < end for start, end in journal.ranges)
        return journal if journal.version == _VERSION and sound else None

    def write(self, place: Place) -> None:
        """Put the note at *place*, at once or not at all."""
        place.replace(place.journal, msgspec.json.encode(self))


def bare(url: str) -> str:
    """Return *url* without query and fragment; a Source's has no user name."""
    return url.partition("#")[0].partition("?")[0]
