"""file:// as an agent."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import ConnectError
from twisted_pulp.schemes._file_response import BLOCK, FileRequest, FileResponse
from twisted_pulp.schemes._roots import Refused, Roots

__all__ = ["FileAgent"]

_URL = re.compile(rb"file://([^/?#]*)([^?#]*)(\?[^#]*)?", re.I | re.S).match
_RANGE = re.compile(rb"bytes=(\d{1,18})-(\d{0,18})").fullmatch
_INDEX = b"index.html"
# What a date in a header can say.
_LAST_DATE = 253402300799


@implementer(IAgent)
class FileAgent:
    """
    Answer GET and HEAD for file:// URLs as a web server would: ranges, a strong ETag, 404 for what is not there.

    Only regular files below *roots* are read, and no symbolic link there is followed; everything else is 403, and the
    phrase says why. A URL that ends with "/" stands for the index.html there.

    :param roots: absolute paths of directories, as `Remote.file_roots`.
    :param in_thread: calls a function with arguments in a thread, and returns a Deferred of the result.
    """

    def __init__(self, roots: Iterable[str], in_thread: Callable[..., Deferred[Any]]) -> None:
        self._roots, self._in_thread = Roots(roots), in_thread

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; fails with `ConnectError` when the file is there but cannot be opened."""
        request = FileRequest(method, uri, Headers() if headers is None else headers)
        if method not in (b"GET", b"HEAD"):
            return succeed(FileResponse(request, 405, "only GET and HEAD", [(b"Allow", b"GET, HEAD")]))
        try:
            parts = _parts_of(uri)
        except Refused as why:
            return succeed(FileResponse(request, 403, str(why)))
        # Not the thread's Deferred itself: to cancel that would lose the open file.
        answered: Deferred[IResponse] = Deferred()

        def opened(response: FileResponse) -> None:
            if answered.called:
                response.abandon()
            else:
                answered.callback(response)

        def failed(why: Failure) -> None:
            if not answered.called:
                answered.errback(why)

        self._in_thread(self._answer, request, parts).addCallbacks(opened, failed)
        return answered

    def _answer(self, request: FileRequest, parts: list[bytes]) -> FileResponse:
        """Open the file, in a thread; a small one is read and closed at once."""
        try:
            with ExitStack() as stack:
                file = self._roots.open(parts)
                stack.callback(file.close)
                code, phrase, pairs, start, length = _choice(request, os.fstat(file.fileno()))
                if start:
                    file.seek(start)
                if length <= BLOCK:
                    return FileResponse(request, code, phrase, pairs, length, file.read(length))
                stack.pop_all()
                return FileResponse(request, code, phrase, pairs, length, b"", file, self._in_thread)
        except Refused as why:
            return FileResponse(request, 403, str(why))
        except FileNotFoundError:
            return FileResponse(request, 404, "no such file")
        except OSError as error:
            url = request.absoluteURI.decode("latin-1")
            raise ConnectError(url, f"the file could not be opened: {error.strerror}") from error


def _parts_of(uri: bytes) -> list[bytes]:
    """
    Return the parts of *uri*'s path.

    :raises Refused: when it is not the path of a file on this host.
    """
    match = _URL(uri)
    if match is None:
        raise Refused("not a file URL")
    host, path, query = match.groups()
    if host.lower() not in (b"", b"localhost"):
        raise Refused("on another host")
    if query is not None:
        raise Refused("a query, or a question mark that is not written %3F")
    segments = path.split(b"/")
    if not segments[-1]:
        segments[-1] = _INDEX
    parts = [unquote_to_bytes(segment) for segment in segments if segment]
    for part in parts:
        if part in (b".", b"..") or b"/" in part or b"\0" in part:
            raise Refused("a path with '.', '..', or a part that hides a separator")
    return parts


def _choice(request: FileRequest, found: os.stat_result) -> tuple[int, str, list[tuple[bytes, bytes]], int, int]:
    """Return status, phrase, headers, the first byte and how many, as RFC 9110 section 13.2.2 wants them."""
    size = found.st_size
    etag = b'"%x-%x-%x-%x"' % (found.st_dev, found.st_ino, size, found.st_mtime_ns)
    from email.utils import formatdate

    modified = formatdate(min(max(found.st_mtime, 0), _LAST_DATE), usegmt=True).encode("ascii")
    pairs = [(b"Accept-Ranges", b"bytes"), (b"ETag", etag), (b"Last-Modified", modified)]
    if _unchanged(request, etag, modified):
        return 304, "not modified", pairs, 0, 0
    wanted = _range(request, etag)
    if wanted is None:
        pairs.append((b"Content-Length", b"%d" % size))
        return 200, "OK", pairs, 0, 0 if request.method == b"HEAD" else size
    first, stop = wanted[0], min(wanted[1], size)
    if first >= size:
        pairs += [(b"Content-Range", b"bytes */%d" % size), (b"Content-Length", b"0")]
        return 416, "not that long", pairs, 0, 0
    pairs += [
        (b"Content-Range", b"bytes %d-%d/%d" % (first, stop - 1, size)),
        (b"Content-Length", b"%d" % (stop - first)),
    ]
    return 206, "a part of it", pairs, first, stop - first


def _range(request: FileRequest, etag: bytes) -> tuple[int, int] | None:
    """Return the first byte wanted and the one after the last; None is everything, whatever else was asked for."""
    match = _RANGE(request.header(b"Range"))
    if match is None or request.method != b"GET" or request.header(b"If-Range") not in (b"", etag):
        return None
    first, stop = int(match[1]), int(match[2]) + 1 if match[2] else sys.maxsize
    return (first, stop) if first < stop else None


def _unchanged(request: FileRequest, etag: bytes, modified: bytes) -> bool:
    tags = request.header(b"If-None-Match")
    if tags:
        return tags == b"*" or etag in [tag.strip(b" \t").removeprefix(b"W/") for tag in tags.split(b",")]
    return request.header(b"If-Modified-Since") == modified
