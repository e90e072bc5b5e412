"""A list, read line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

from attrs import define, field, frozen

from twisted_pulp.download import Download
from twisted_pulp.lists._line import download_of

__all__ = ["Reader", "Refused", "lines_of"]

LONGEST_LINE = 1 << 20
#: So many bad lines in a row are no list; it is left there, so that a wrong file is not printed line by line.
HOPELESS = 1000


@frozen
class Refused:
    """
    A line, or a whole list, that nothing could be made of.

    :ivar place: the list, with the number of the line if it is one: `files.jsonl:3`.
    :ivar reason: why, in a few words.
    """

    place: str
    reason: str


@define(eq=False, repr=False)
class Reader:
    """
    Makes Downloads of a list's lines, whose formats are told apart line by line.

    :ivar name: the list, for people's eyes.
    :ivar base: the URL that the names of a PULP_MANIFEST are resolved against, or None.
    :ivar refused: called with each line that is bad; the others go on.
    :ivar number: of the last line.
    """

    name: str
    base: str | None
    refused: Callable[[Refused], object]
    number: int = field(init=False, default=0)
    _bad: int = field(init=False, default=0)

    def take(self, line: bytes) -> Download | None:
        """Return what the next *line* asks for; None when it is blank, a comment or bad."""
        self.number += 1
        try:
            if len(line) > LONGEST_LINE:
                raise ValueError(f"longer than {LONGEST_LINE} bytes")
            if self.number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            download = download_of(line, self.base)
        except ValueError as error:
            self._bad += 1
            self.refused(Refused(f"{self.name}:{self.number}", str(error)))
            if self._bad == HOPELESS:
                self.refused(Refused(self.name, f"given up after {HOPELESS} bad lines in a row"))
            return None
        if download is not None:
            self._bad = 0
        return download

    @property
    def hopeless(self) -> bool:
        """Whether this is no list."""
        return self._bad >= HOPELESS

    def read(self, lines: Iterable[bytes]) -> Iterator[Download]:
        """Give what *lines* ask for; one is taken when the next Download is wanted."""
        try:
            for line in lines:
                download = self.take(line)
                if download is not None:
                    yield download
                elif self.hopeless:
                    return
        except OSError as error:
            self.refused(Refused(self.name, error.strerror or str(error)))


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Give the lines of *file*; of one that is too long only the beginning, which is longer than `LONGEST_LINE`."""
    read = partial(file.readline, LONGEST_LINE + 1)
    for line in iter(read, b""):
        end = line
        while len(end) > LONGEST_LINE and not end.endswith(b"\n"):
            end = read()
        yield line
