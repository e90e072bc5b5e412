"""Conditional requests: what they make of an answer (RFC 9110 section 13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache

from twisted_pulp.streamer._entity import Entity

__all__ = ["Lookup", "Verdict", "date_of", "range_applies", "verdict"]

#: Returns the values of a request's header, given its name; or None.
Lookup = Callable[[bytes], "list[bytes] | None"]

# Section 8.8.3; commas inside of quotes belong to the tag.
_TAG = re.compile(rb'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|\Z)')
# Section 8.8.2.2: a date says which bytes only when they could not change again in the same second.
_SETTLED = 1.0


class Verdict(Enum):
    """What the conditions of a request say."""

    SEND = 200
    NOT_MODIFIED = 304
    FAILED = 412


def verdict(method: bytes, header: Lookup, entity: Entity) -> Verdict:
    """
    Return what becomes of a request, by the steps of section 13.2.2 in their order.

    :param header: gives the request's headers.
    """
    wanted = header(b"If-Match")
    if wanted is not None:
        if not _matches(wanted, entity, weak=False):
            return Verdict.FAILED
    elif _changed_since(header(b"If-Unmodified-Since"), entity) is True:
        return Verdict.FAILED
    known = header(b"If-None-Match")
    if known is not None:
        if not _matches(known, entity, weak=True):
            return Verdict.SEND
        return Verdict.NOT_MODIFIED if method in (b"GET", b"HEAD") else Verdict.FAILED
    if method in (b"GET", b"HEAD") and _changed_since(header(b"If-Modified-Since"), entity) is False:
        return Verdict.NOT_MODIFIED
    return Verdict.SEND


def range_applies(header: Lookup, entity: Entity, now: float) -> bool:
    """
    Return whether If-Range, if there is one, lets the Range count: only a strong validator does.

    :param now: seconds since the epoch.
    """
    values = header(b"If-Range")
    if values is None:
        return True
    value = values[-1].strip(b" \t")
    if value[:1] == b'"' or value[:2] == b"W/":
        return entity.etag is not None and value == entity.etag.encode("latin-1") and not value.startswith(b"W/")
    moment = date_of(value)
    return moment is not None and moment == entity.second and moment <= now - _SETTLED


def _matches(values: list[bytes], entity: Entity, *, weak: bool) -> bool:
    given = b",".join(values).strip(b" \t")
    if given == b"*":
        return True
    if entity.etag is None:
        return False
    tag = entity.etag.encode("latin-1")
    if not weak:
        return not tag.startswith(b"W/") and tag in _tags(given)
    return tag.removeprefix(b"W/") in {each.removeprefix(b"W/") for each in _tags(given)}


def _tags(given: bytes) -> set[bytes]:
    """Return the entity tags of a list, up to what is none."""
    found, at = set(), 0
    while at < len(given):
        match = _TAG.match(given, at)
        if match is None:
            if given[at : at + 1] not in (b",", b" ", b"\t"):  # empty members are allowed (section 5.6.1)
                break
            at += 1
            continue
        found.add(match[1])
        at = match.end()
    return found


def _changed_since(values: list[bytes] | None, entity: Entity) -> bool | None:
    """Return whether the entity is newer than the date, or None when that means nothing."""
    if values is None or len(values) > 1 or entity.second is None:
        return None
    moment = date_of(values[0])
    return None if moment is None else entity.second > moment


def date_of(value: bytes) -> int | None:
    """Return the seconds since the epoch of a date of HTTP, in any of its three forms; None when it is none."""
    return None if len(value) > 64 or not value[:3].isalpha() else _dated(value)


@lru_cache(1024)  # the same ones come again and again: of one response, and of a file that is asked for often
def _dated(value: bytes) -> int | None:
    try:
        moment = parsedate_to_datetime(value.decode("ascii"))
        if moment.tzinfo is None:  # the form of asctime names no zone, and all dates of HTTP are UTC
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
