"""What is asked of an FTP server, and what the answer will be once it is known what the server has."""

from __future__ import annotations

import re
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from twisted.web.http_headers import Headers
from twisted.web.iweb import IClientRequest
from zope.interface import implementer

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.urls import Origin, origin_of, without_userinfo

__all__ = ["FTPRequest", "Plan", "Target"]

Pairs = list[tuple[bytes, bytes]]

_range = re.compile(rb"bytes=([0-9]{1,18})-([0-9]{0,18})").fullmatch
_type = re.compile(r";type=([a-z])\Z", re.I).search
_breaks = re.compile(rb"[\r\n\0]").search


class Target(Struct, frozen=True):
    """
    A file on a server, or what cannot be one.

    :ivar url: without user name and password.
    :ivar path: for RETR: relative to where the login leads, or absolute when the URL's begins with %2F.
    :ivar userinfo: that stood in the URL, or None.
    """

    url: str
    origin: Origin
    path: bytes
    userinfo: tuple[str, str] | None

    @classmethod
    def of(cls, given: str) -> Target:
        """
        Read a URL (RFC 1738 section 3.2.2). Files are fetched as they are, whatever ``;type=`` says.

        :raises SettingsError: when it is not the URL of a file, or could smuggle a command in.
        """
        url, userinfo = without_userinfo(given.partition("#")[0])
        if "?" in url:
            raise SettingsError("url", shown(url), "one without a query; a question mark in a name is written %3F")
        name = url.partition("://")[2].partition("/")[2]
        kind = _type(name)
        if kind is not None:
            name = name[: kind.start()]
        path = unquote_to_bytes(name)
        if kind is not None and kind[1] not in "aAiI":
            raise SettingsError("url", shown(url), "the URL of a file, not of a directory")
        if _breaks(path):
            raise SettingsError("url", shown(url), "a URL without line breaks and zero bytes, encoded or not")
        return cls(url, origin_of(url), path, userinfo)

    @property
    def is_file(self) -> bool:
        """Whether it can be one. Directories are not listed."""
        return not self.path.endswith(b"/") and self.path != b""


@implementer(IClientRequest)
class FTPRequest:
    """
    What is asked.

    :ivar path: of the file; empty when it is none.
    """

    __slots__ = ("absoluteURI", "headers", "method", "path")
    bodyProducer = None

    def __init__(self, method: bytes, uri: bytes, headers: Headers, path: bytes = b"") -> None:
        self.method, self.absoluteURI, self.headers, self.path = method, uri, headers, path

    def header(self, name: bytes) -> bytes:
        """Return the values of *name* as one, empty when there are none."""
        return b", ".join(self.headers.getRawHeaders(name, ()))


class Plan(Struct):
    """
    An answer.

    :ivar code: as HTTP has it.
    :ivar pairs: names and values of the headers.
    :ivar start: the first byte of the body.
    :ivar length: bytes of the body, or None when they are not known.
    :ivar body: whether there is one to be fetched.
    :ivar cut: whether it ends before the file does.
    """

    code: int
    phrase: str
    pairs: Pairs
    start: int = 0
    length: int | None = 0
    body: bool = False
    cut: bool = False

    @classmethod
    def of(cls, request: FTPRequest, size: int | None, modified: bytes | None, now: float, whole: bool = False) -> Plan:
        """
        Return the answer to *request* for a file of *size* bytes, as RFC 9110 section 13.2.2 wants it.

        :param modified: as Last-Modified has it; this and *size* are None when the server does not say.
        :param now: seconds since the epoch, so that it can be told how long the file has been at rest.
        :param whole: whether the server can only send all of it.
        """
        pairs = [(b"Accept-Ranges", b"bytes"), (b"Date", formatdate(now, usegmt=True).encode("ascii"))]
        if modified is not None:
            pairs.append((b"Last-Modified", modified))
            if request.header(b"If-Modified-Since") == modified:
                return cls(304, "not modified", pairs)
        wanted = None if whole or size is None else _wanted(request, modified)
        if wanted is None or size is None:
            if size is not None:
                pairs.append((b"Content-Length", b"%d" % size))
            get = request.method == b"GET"
            return cls(200, "OK", pairs, 0, size if get else 0, get)
        first, stop = wanted[0], min(wanted[1], size)
        if first >= size:
            pairs += [(b"Content-Range", b"bytes */%d" % size), (b"Content-Length", b"0")]
            return cls(416, "not that long", pairs)
        pairs += [
            (b"Content-Range", b"bytes %d-%d/%d" % (first, stop - 1, size)),
            (b"Content-Length", b"%d" % (stop - first)),
        ]
        return cls(206, "a part of it", pairs, first, stop - first, True, stop < size)


def _wanted(request: FTPRequest, modified: bytes | None) -> tuple[int, int] | None:
    """Return the first byte wanted and the one after the last; None is everything, whatever else was asked for."""
    match = _range(request.header(b"Range"))
    if match is None or request.method != b"GET" or request.header(b"If-Range") not in (b"", modified):
        return None
    first, stop = int(match[1]), int(match[2]) + 1 if match[2] else 10**19
    return (first, stop) if first < stop else None
