"""A PULP_MANIFEST, read as its bytes arrive."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field
from msgspec import Struct

from twisted_pulp.errors import MetadataError
from twisted_pulp.manifest._line import Entry, entry_of, parsed
from twisted_pulp.manifest._paths import Paths

__all__ = ["ManifestReader", "Suspect", "find_path"]

#: Bytes of a line; a path, a digest and a size need far less.
LONGEST_LINE = 1 << 16
_BOM = b"\xef\xbb\xbf"


class Suspect(Struct, frozen=True):
    """
    An entry whose path may have been there before.

    :ivar entry: what its line says.
    :ivar line: the number of its line, from 1.
    """

    entry: Entry
    line: int


@define(eq=False)
class ManifestReader:
    """
    Makes entries of a manifest's bytes, in pieces of any length, and stops at the first line that is none.

    Paths must differ. Of each only a hash is kept: an entry whose path may have been there before is set aside, and
    whoever has the bytes looks for it with `find_path`, and calls `repeated` or takes the entry as it is.

    :ivar url: the manifest's, for the errors.
    :ivar line: the number of the last line that was read.
    :ivar suspects: entries set aside; whoever takes them empties it.
    """

    url: str = ""
    _paths: Paths = field(factory=Paths, kw_only=True)
    line: int = field(init=False, default=0)
    suspects: list[Suspect] = field(init=False, factory=list)
    _rest: bytes = field(init=False, default=b"")

    def feed(self, data: bytes) -> list[Entry]:
        """
        Return the entries of the lines that *data* completes.

        :raises MetadataError: naming the first line that is bad, and why; nothing may be fed afterwards.
        """
        if not self._rest and data.count(b"\n") == len(data):  # nothing, however much of it there is
            self.line += len(data)
            return []
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        entries = self._read(lines)
        if len(self._rest) > LONGEST_LINE:
            raise self._error(self.line + 1, f"longer than {LONGEST_LINE} bytes")
        return entries

    def finish(self) -> list[Entry]:
        """
        Return the entry of a last line that has no end, if there is one.

        :raises MetadataError: as `feed` does.
        """
        rest, self._rest = self._rest, b""
        return self._read([rest]) if rest else []

    def repeated(self, suspect: Suspect, line: int) -> MetadataError:
        """Return the error that *suspect* is: its path was there before, in *line*."""
        return self._error(suspect.line, f"the path {suspect.entry.path!r} was there before, in line {line}")

    def _read(self, lines: Iterable[bytes]) -> list[Entry]:
        entries, seen = [], self._paths.add
        for line in lines:
            self.line += 1
            if self.line == 1:
                line = line.removeprefix(_BOM)
            if len(line) > LONGEST_LINE:
                raise self._error(self.line, f"longer than {LONGEST_LINE} bytes")
            line = line.strip()
            if not line or line.startswith(b"#"):
                continue
            try:
                entry = entry_of(line)
            except ValueError as error:
                raise self._error(self.line, str(error)) from None
            if seen(entry.path):
                self.suspects.append(Suspect(entry, self.line))
            else:
                entries.append(entry)
        return entries

    def _error(self, line: int, reason: str) -> MetadataError:
        return MetadataError(self.url, line, reason)


def find_path(lines: Iterable[bytes], path: str, first: int = 1) -> int | None:
    """
    Return the number of the first of *lines* that names *path*, or None.

    :param lines: of a manifest that could be read so far; those that are no entries name nothing.
    :param first: the number of the first one; default 1.
    """
    encoded = path.encode()
    for number, line in enumerate(lines, first):
        if encoded in line and not line.lstrip().startswith(b"#"):
            entry = parsed(line.removeprefix(_BOM) if number == 1 else line)
            if entry is not None and entry.path == path:
                return number
    return None
