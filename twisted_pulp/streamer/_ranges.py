"""The Range of a request, as spans of a representation (RFC 9110 section 14)."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

__all__ = ["MOST", "Ranges", "Span", "ranges_of"]

#: Ranges that one request may ask for; who wants more gets everything (section 14.2 allows it, CVE-2011-3192 says why).
MOST = 32

# So many digits hold every size there is; a number of 5,000 digits would be an error of `int`.
_RANGE = re.compile(rb"[ \t]*(?:([0-9]{1,18})[ \t]*-[ \t]*([0-9]{1,40})?|-[ \t]*([0-9]{1,40}))[ \t]*").fullmatch
_UNIT = re.compile(rb"[ \t]*bytes=(?=.)", re.IGNORECASE).match


class Span(NamedTuple):
    """
    Bytes of a representation, both ends included.

    :ivar last: None is the end of one whose size nobody knows.
    """

    first: int
    last: int | None

    def length(self) -> int:
        """Return how many bytes these are; of known ends."""
        assert self.last is not None
        return self.last - self.first + 1


class Ranges(Enum):
    """What a Range means that names no bytes to send."""

    WHOLE = "everything is sent, as if there were none"
    UNSATISFIABLE = "nothing of it is there: 416"


def ranges_of(header: bytes | None, size: int) -> Ranges | tuple[Span, ...]:
    """
    Return what *header*, the value of Range, asks for: in its order, and clipped to what there is.

    Ranges may overlap, but together they must not be larger than everything is, or everything is sent.

    :param size: of the representation in bytes.
    """
    begun = _UNIT(header) if header is not None else None
    if begun is None or header is None:  # other units are not for us
        return Ranges.WHOLE
    spans: list[Span] = []
    for each in header[begun.end() :].split(b","):
        match = _RANGE(each)
        if match is None:
            return Ranges.UNSATISFIABLE
        if not size and not int(match[1] or 0):  # there is no way to name the bytes of what is empty
            return Ranges.WHOLE
        span = _span(match, size)
        if span is not None:
            if len(spans) == MOST:
                return Ranges.WHOLE
            spans.append(span)
    if not spans:
        return Ranges.UNSATISFIABLE
    return tuple(spans) if sum(map(Span.length, spans)) <= size else Ranges.WHOLE


def _span(match: re.Match[bytes], size: int) -> Span | None:
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size - 1
    else:
        start, end = int(first), size - 1 if last is None else min(int(last), size - 1)
    return Span(start, end) if start <= end else None
