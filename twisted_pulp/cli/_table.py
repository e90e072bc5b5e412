"""Tables of text: columns that are as wide as what is in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from twisted_pulp.cli._streams import printable

__all__ = ["facts", "moment", "table"]

_GAP = "  "


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Give the lines of a table; numbers stand at the right, and None is nothing."""
    given = [list(row) for row in rows]
    cells = [[_text(cell) for cell in row] for row in given]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [bool(given) and all(isinstance(row[at], int | None) for row in given) for at in range(len(header))]
    for row in (header, *cells):
        aligned = (
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(row, widths, right, strict=True)
        )
        yield _GAP.join(aligned).rstrip()


def facts(pairs: Iterable[tuple[str, object]]) -> Iterator[str]:
    """Give a line for each name and its value."""
    given = [(name, _text(value)) for name, value in pairs]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        yield f"{name.ljust(width)}{_GAP}{value}".rstrip()


def moment(seconds: float | None) -> str:
    """Return *seconds* since the epoch as a date and time here."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _text(cell: object) -> str:
    return "" if cell is None else printable(str(cell))
