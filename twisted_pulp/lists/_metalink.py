"""A metalink as a list."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader

from twisted_pulp.download import Download
from twisted_pulp.errors import SettingsError
from twisted_pulp.lists._reader import Reader, Refused, lines_of

__all__ = ["is_metalink", "read_any", "read_whole"]


def read_any(reader: Reader, file: BufferedReader) -> Iterator[Download]:
    """Give what *file* asks for, a metalink or any other list; `OSError` is refused as a bad line is."""
    try:
        start = file.peek(64)
    except OSError as error:
        reader.refused(Refused(reader.name, error.strerror or str(error)))
        return
    if is_metalink(start):
        yield from read_whole(reader, file.read())
    else:
        yield from reader.read(lines_of(file))


def is_metalink(start: bytes) -> bool:
    """Return whether what begins with *start* is a metalink, and not a list of lines."""
    if b"<" not in start[:64]:
        return False
    from twisted_pulp.metalink import looks_like

    return looks_like(start)


def read_whole(reader: Reader, data: bytes) -> Iterator[Download]:
    """Give what the metalink *data* asks for."""
    from twisted_pulp.metalink import read_metalink

    try:
        metalink = read_metalink(data, reader.base)
    except SettingsError as error:
        reader.refused(Refused(reader.name, str(error)))
        return
    for name, reason in metalink.refused:
        reader.refused(Refused(f"{reader.name}: {name!r}", reason))
    yield from metalink.downloads
