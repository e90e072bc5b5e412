"""Writers that are no file: memory, nothing at all, a client of ours."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import TooLarge
from twisted_pulp.interfaces import Head, IWriter

__all__ = ["DigestOnly", "Memory", "ResponseWriter"]

#: Headers of an upstream that a client of ours may see.
_FORWARDED = (
    "content-type",
    "etag",
    "last-modified",
    "cache-control",
    "expires",
    "content-language",
    "content-disposition",
)


@implementer(IWriter)
class DigestOnly:
    """Keep nothing: the report's size and digests are what is wanted."""

    rewindable = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Nothing to pause: it is always fast enough."""

    def unregisterProducer(self) -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Forget *data*."""

    def begin(self, head: Head) -> None:
        """Nothing."""

    def commit(self, report: DownloadReport) -> None:
        """Nothing."""

    def abort(self, error: BaseException) -> None:
        """Nothing."""


@implementer(IWriter)
class Memory(DigestOnly):
    """
    Keep the file in memory, for small metadata.

    :param limit: bytes; default 64 MiB. More fails with `TooLarge`.
    :ivar content: what came, once the download has succeeded.
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit, self._size = limit, 0
        self._pieces: list[bytes] = []
        self.content: bytes | None = None

    def begin(self, head: Head) -> None:
        """Forget what came before, unless it goes on from there."""
        if head.offset == 0:
            self._pieces, self._size = [], 0
        if head.length is not None and head.length > self._limit:
            raise TooLarge(head.url, self._limit)

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(limit=self._limit)
        self._pieces.append(data)

    def commit(self, report: DownloadReport) -> None:
        """Show what came."""
        self.content = b"".join(self._pieces)
        self._pieces = []

    def abort(self, error: BaseException) -> None:
        """Forget what came."""
        self._pieces, self._size = [], 0


@implementer(IWriter)
class ResponseWriter:
    """
    Pass the file on as the body of a response of ours, without a file on disk.

    Status and allowed headers go before the first byte. The upstream is paused with the client, and cancelled when the
    client leaves. The last piece is kept back until the download is proven: of a file that is not what it must be, or
    that was cut short, the client gets a broken connection and never a complete body. When nothing was sent yet, the
    client gets 502 instead.

    :param request: a `twisted.web.server.Request` whose `render` has returned NOT_DONE_YET.
    """

    rewindable = False

    def __init__(self, request: Any) -> None:
        self._request = request
        self._held = b""
        self._begun = self._gone = False
        self._producer: Any = None
        request.notifyFinish().addErrback(self._left)

    def _left(self, _: object) -> None:
        self._gone = True
        if self._producer is not None:
            self._producer.stopProducing()

    def begin(self, head: Head) -> None:
        """Send status and headers, the first time."""
        if self._gone:
            raise ConnectionAbortedError("the client has left")
        if self._begun:
            return
        self._begun = True
        request = self._request
        request.setResponseCode(200)
        for name in _FORWARDED:
            value = head.headers.get(name)
            if value is not None and value.isprintable():
                request.setHeader(name.title().replace("Etag", "ETag"), value.encode("latin-1", "replace"))
        if head.length is not None:
            request.setHeader("Content-Length", str(head.length))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the client's speed decide."""
        self._producer = producer
        if self._gone:
            producer.stopProducing()
        else:
            self._request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """The next source, or the end, follows."""
        if self._producer is not None and not self._gone:
            self._request.unregisterProducer()
        self._producer = None

    def write(self, data: bytes) -> None:
        """Send what was held back, and hold *data* back."""
        held, self._held = self._held, data
        if held and not self._gone:
            self._request.write(held)

    def commit(self, report: DownloadReport) -> None:
        """Send the rest: it is what it must be."""
        if self._gone:
            raise ConnectionAbortedError("the client has left")
        if self._held:
            self._request.write(self._held)
            self._held = b""
        self._request.finish()

    def abort(self, error: BaseException) -> None:
        """Break the response off, or answer 502 if it has not begun."""
        self._held = b""
        if self._gone:
            return
        request = self._request
        if request.startedWriting:
            request.transport.abortConnection()
            return
        for name in ("Content-Length", *_FORWARDED):
            request.responseHeaders.removeHeader(name)
        request.setResponseCode(502)
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        request.write(f"{type(error).__name__}\n".encode())
        request.finish()


@implementer(IWriter)
class Plain(DigestOnly):
    """A consumer that hears nothing of beginnings and ends. What it was given cannot be taken back."""

    rewindable = False

    def __init__(self, consumer: IConsumer) -> None:
        self._consumer = consumer
        self.write = consumer.write  # type: ignore[method-assign]
        self.registerProducer = consumer.registerProducer  # type: ignore[method-assign]
        self.unregisterProducer = consumer.unregisterProducer  # type: ignore[method-assign]


def as_writer(given: Any) -> Any:
    """
    Return *given* if it is an `IWriter`, or one around it if it is a consumer.

    :raises TypeError: when it is neither.
    """
    if IWriter.providedBy(given):
        return given
    if IConsumer.providedBy(given):
        return Plain(given)
    raise TypeError(f"{given!r} is neither an IWriter nor an IConsumer")
