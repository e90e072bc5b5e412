"""Ranges: when the rest of a file may be asked for, and what the answer means (RFC 9110 sections 13.1.5 and 14)."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from twisted_pulp.download import Source
from twisted_pulp.errors import HTTPStatusError, ResumeRefused
from twisted_pulp.headers import Fields

__all__ = [
    "Version",
    "check_part",
    "complete",
    "part_headers",
    "range_end",
    "range_headers",
    "range_total",
    "rest_follows",
    "takes_ranges",
]

_content_range = re.compile(r"bytes +(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.I).fullmatch
_unsatisfied = re.compile(r"bytes +\*/(\d{1,19})", re.I).fullmatch
# A date is as good as a strong tag when the file had been at rest for so long when it was sent (RFC 9110 8.8.2.2).
_AT_REST = 60.0


class Version(Struct, eq=False):
    """
    Which version of a file some bytes are of.

    :ivar url: they came from, of the source that was asked.
    :ivar length: of the whole file, or None.
    """

    url: str
    _validator: str | None
    length: int | None
    _fields: Fields | None = None

    @classmethod
    def of(cls, source: Source, fields: Fields, length: int | None) -> Version:
        """Return the version that a response tells of."""
        return cls(source.url, None, length, fields)  # most are never looked at

    @property
    def validator(self) -> str | None:
        """A strong ETag, or a Last-Modified as good as one, or None."""
        if self._fields is not None:
            self._validator, self._fields = strong_validator(self._fields), None
        return self._validator


def strong_validator(fields: Fields) -> str | None:
    """Return what If-Range may hold, or None."""
    tag = fields.get("etag")
    if tag is not None:
        return tag if len(tag) >= 2 and tag[0] == '"' == tag[-1] else None
    from email.utils import parsedate_to_datetime

    modified, sent = fields.get("last-modified"), fields.get("date")
    if modified is None or sent is None:
        return None
    try:
        rested = parsedate_to_datetime(sent).timestamp() - parsedate_to_datetime(modified).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return modified if rested >= _AT_REST else None


def range_headers(
    offset: int, version: Version, source: Source, proven: bool, until: int | None = None
) -> dict[str, str] | None:
    """
    Return the headers that ask for the rest of a file, or None when all of it must be asked for.

    :param offset: bytes that are here.
    :param until: where there are bytes again; None: nowhere.
    :param version: they are of.
    :param source: to be asked.
    :param proven: whether a digest will prove the result, so that any source will do.
    """
    headers = {"Range": f"bytes={offset}-" if until is None else f"bytes={offset}-{until - 1}"}
    if source.url == version.url and version.validator is not None:
        headers["If-Range"] = version.validator
        return headers
    return headers if proven else None


def rest_follows(
    status: int,
    fields: Fields,
    offset: int,
    version: Version,
    source: Source,
    size: int | None,
    until: int | None = None,
) -> Literal["rest", "whole"]:
    """
    Judge the answer to a request for the rest.

    :param size: expected bytes, or None.
    :param until: where what was asked for ends; None: with the file.
    :returns: "rest" when what follows continues at *offset*, "whole" when it begins at 0.
    :raises ResumeRefused: when it is neither, or of another version.
    """
    if status == 200:
        return "whole"
    url = source.url
    if status != 206:
        raise ResumeRefused(url, f"status {status} for a range")
    match = _content_range(fields.get("content-range", ""))
    if match is None:
        raise ResumeRefused(url, "206 without a single range")
    start, end = int(match[1]), int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if start != offset or end < start:
        raise ResumeRefused(url, f"asked for the bytes from {offset} on, got {start}-{end}")
    for expected in (version.length, size):
        if total is not None and expected is not None and total != expected:
            raise ResumeRefused(url, f"the file has {total} bytes now, not {expected}")
    if until is not None:
        if end != until - 1:
            raise ResumeRefused(url, f"asked for the bytes up to {until - 1}, got {start}-{end}")
    elif total is not None and end != total - 1:
        raise ResumeRefused(url, f"the range ends at {end} of {total} bytes")
    tag = fields.get("etag")
    before = version.validator if source.url == version.url else None
    if tag is not None and before is not None and before[:1] == '"' and tag != before:
        raise ResumeRefused(url, "the file has changed")
    return "rest"


def range_end(fields: Fields) -> int:
    """Return where in the file a range that `rest_follows` has accepted ends: the offset behind its last byte."""
    match = _content_range(fields["content-range"])
    assert match is not None
    return int(match[2]) + 1


def range_total(fields: Fields) -> int | None:
    """Return the bytes of the whole file of which `rest_follows` has accepted a range, or None if it does not say."""
    match = _content_range(fields["content-range"])
    assert match is not None
    return None if match[3] == "*" else int(match[3])


def complete(error: HTTPStatusError, offset: int) -> bool:
    """Return whether a 416 says that the *offset* bytes that are here are all there are."""
    match = _unsatisfied(error.headers.get("content-range", ""))
    return error.status == 416 and match is not None and int(match[1]) == offset


def part_headers(start: int, end: int, validator: str | None) -> dict[str, str]:
    """Return the headers that ask for the bytes from *start* to *end*, of the version with *validator* if known."""
    headers = {"Range": f"bytes={start}-{end - 1}"}
    if validator is not None:
        headers["If-Range"] = validator
    return headers


def check_part(url: str, status: int, fields: Fields, start: int, end: int, length: int, validator: str | None) -> None:
    """
    Judge the answer to a request for the bytes from *start* to *end* of a file of *length* bytes.

    :param validator: of the version that is wanted, or None.
    :raises ResumeRefused: when what follows are not these bytes, or of another version.
    """
    if status != 206:
        raise ResumeRefused(url, f"status {status} for a range")
    match = _content_range(fields.get("content-range", ""))
    if match is None:
        raise ResumeRefused(url, "206 without a single range")
    if (int(match[1]), int(match[2]) + 1) != (start, end):
        raise ResumeRefused(url, f"asked for the bytes from {start} to {end - 1}, got {match[1]}-{match[2]}")
    if match[3] != "*" and int(match[3]) != length:
        raise ResumeRefused(url, f"the file has {match[3]} bytes, not {length}")
    tag = fields.get("etag")
    if tag is not None and validator is not None and validator[:1] == '"' and tag != validator:
        raise ResumeRefused(url, "the file has changed")


def takes_ranges(status: int, fields: Fields) -> bool:
    """Return whether a response says that ranges can be asked for."""
    units = fields.get("accept-ranges", "").lower().split(",")
    return status == 206 or any(unit.strip() == "bytes" for unit in units)
