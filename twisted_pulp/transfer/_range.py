"""Ranges: when the rest of a file may be asked for, and what the answer means (RFC 9110 sections 13.1.5 and 14)."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from twisted_pulp.download import Source
from twisted_pulp.errors import HTTPStatusError, ResumeRefused
from twisted_pulp.headers import Fields

__all__ = ["Version", "complete", "range_end", "range_headers", "rest_follows"]

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


def range_headers(offset: int, version: Version, source: Source, proven: bool) -> dict[str, str] | None:
    """
    Return the headers that ask for the rest of a file, or None when all of it must be asked for.

    :param offset: bytes that are here.
    :param version: they are of.
    :param source: to be asked.
    :param proven: whether a digest will prove the result, so that any source will do.
    """
    headers = {"Range": f"bytes={offset}-"}
    if source.url == version.url and version.validator is not None:
        headers["If-Range"] = version.validator
        return headers
    return headers if proven else None


def rest_follows(
    status: int, fields: Fields, offset: int, version: Version, source: Source, size: int | None
) -> Literal["rest", "whole"]:
    """
    Judge the answer to a request for the rest.

    :param size: expected bytes, or None.
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
    if total is not None and end != total - 1:
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


def complete(error: HTTPStatusError, offset: int) -> bool:
    """Return whether a 416 says that the *offset* bytes that are here are all there are."""
    match = _unsatisfied(error.headers.get("content-range", ""))
    return error.status == 416 and match is not None and int(match[1]) == offset
