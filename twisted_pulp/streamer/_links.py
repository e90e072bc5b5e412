"""
Links of an upstream's page: which files they are, and where on a Distribution these are found.

A file below the Remote's URL has the same path below the Distribution. One that is elsewhere is at
`+files/SCHEME/HOST/PATH`, but only if a page of that Remote has named that very file: nobody can ask for what they
like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes

from attrs import frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.urls import origin_of

__all__ = ["FILES", "LONGEST", "Link", "Split", "canonical", "elsewhere", "split"]

#: The first segment of the paths of files that are not below the Remote's URL.
FILES = "+files"
#: Characters of the longest URL that is remembered.
LONGEST = 2000

_NONE: Mapping[str, str] = MappingProxyType({})
_PORTS = {"http": 80, "https": 443}
_PARTS = re.compile(r"([a-z]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.I | re.S)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?").fullmatch
# What a server is sent as it is written; anything else is quoted anew.
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,:;=@-]|%[0-9A-Fa-f]{2})*").fullmatch
# A path that can be written in one way only, but for quotes that nobody needs.
_SAME = re.compile(r"[A-Za-z0-9._~/-]*").fullmatch
_DOTS = frozenset({b".", b".."})


@frozen(kw_only=True)
class Link:
    """
    A file that a page of an upstream names.

    :ivar url: as it is asked for, without a fragment.
    :ivar name: the same for everything that means it; see `canonical`.
    :ivar digests: that the page tells, of those that prove something: algorithm -> hex in lower case.
    """

    url: str
    name: str
    digests: Mapping[str, str] = _NONE


@frozen
class Split:
    """
    A URL of HTTP in its parts.

    :ivar scheme: in lower case.
    :ivar authority: host in lower case, and the port if it is not the scheme's own.
    :ivar segments: of the path, quoted, fit to be sent; at least one.
    :ivar query: without the question mark, or None.
    """

    scheme: str
    authority: str
    segments: tuple[str, ...]
    query: str | None

    @property
    def url(self) -> str:
        """The whole."""
        return f"{self.scheme}://{self.authority}/{self.reference}"

    @property
    def reference(self) -> str:
        """The path without its first slash, and the query."""
        path = "/".join(self.segments)
        return path if self.query is None else f"{path}?{self.query}"

    @property
    def name(self) -> str:
        """The same for all spellings of this URL: clients quote what need not be, and the other way round."""
        path = "/".join(self.segments)
        if not _SAME(path):
            path = "/".join(quote(unquote_to_bytes(each), safe="") for each in self.segments)
        return f"{self.scheme}://{self.authority}/{path}" + ("" if self.query is None else f"?{self.query}")

    @property
    def names(self) -> tuple[bytes, ...]:
        """The segments of the path as they are meant."""
        return tuple(unquote_to_bytes(each) for each in self.segments)


def split(url: str) -> Split | None:
    """
    Return *url*, prepared for the wire, in its parts.

    :returns: None for one that is not HTTP's, has credentials in it, or dots in its path that lead upwards.
    """
    match = _PARTS.match(url)
    if match is None or match[1].lower() not in _PORTS or "@" in match[2]:
        return None
    place = _place(match[1], match[2])
    segments = tuple(match[3][1:].split("/"))
    if not _SAME(match[3]):
        segments = tuple(each if _SEGMENT(each) else quote(unquote_to_bytes(each)) for each in segments)
    if place is None or _dotted(match[3], segments):
        return None
    return Split(*place, segments, match[4])


def _dotted(path: str, segments: Sequence[str]) -> bool:
    return ("/." in path or "%" in path) and not _DOTS.isdisjoint(map(unquote_to_bytes, segments))


@lru_cache(256)
def _place(scheme: str, authority: str) -> tuple[str, str] | None:
    try:
        scheme, host, port = origin_of(f"{scheme}://{authority}")
    except SettingsError:
        return None
    if ":" in host:
        host = f"[{host}]"
    return scheme, host if port == _PORTS[scheme] else f"{host}:{port}"


def canonical(url: str) -> str | None:
    """Return what all spellings of *url* have in common; None for a URL that `split` knows nothing of."""
    parts = split(url)
    return None if parts is None else parts.name


def elsewhere(quoted: Sequence[str], query: str | None) -> str | None:
    """
    Return the canonical URL of the file whose path below `FILES` this is, or None where that cannot be one.

    :param quoted: the segments that follow `FILES`: scheme, host and the path.
    """
    if len(quoted) < 3 or quoted[0] not in _PORTS:
        return None
    authority = unquote_to_bytes(quoted[1]).decode("ascii", "replace")
    if not _AUTHORITY(authority):
        return None
    path = "/".join(quoted[2:])
    return canonical(f"{quoted[0]}://{authority}/{path}" + ("" if query is None else f"?{query}"))
