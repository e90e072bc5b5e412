"""Bodies of stored artifacts, on their way to clients."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import Cancelled, NotStored, StorageDamaged, StorageError
from twisted_pulp.interfaces import IStorage
from twisted_pulp.streamer._answer import Answer, answer_of
from twisted_pulp.streamer._client import STALLED, Stall, cut, plain_socket
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._hot import SMALL, Hot
from twisted_pulp.streamer._ranges import Span
from twisted_pulp.streamer._sendfile import Sendfile, Unsupported
from twisted_pulp.threads import InThread, outlasting

__all__ = ["Stored", "send_all"]

_log = Logger()
# The URL is signed for a while, and for the one who asked.
_FOR_NOW = ((b"Cache-Control", b"no-store"),)
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


@define(eq=False)
class Stored:
    """
    Answer requests with artifacts that are stored.

    Small ones are sent in one piece, the rest from the disk as the client takes it: without a copy over plain TCP,
    else read by threads. Where the storage has URLs of its own for clients, they are sent there for the large ones.

    :ivar storage: has the artifacts.
    :ivar clock: ends requests whose clients take nothing.
    :ivar in_thread: calls what waits for the disk.
    :ivar hot: keeps small artifacts in memory.
    :ivar stalled: seconds in which a client must take something.
    """

    storage: IStorage
    clock: IReactorTime
    in_thread: InThread
    hot: Hot = field(factory=lambda: Hot(16 << 20))
    stalled: float = STALLED
    now: Callable[[], float] = time.time

    def send(self, request: Any, entity: Entity) -> Deferred[None] | None:
        """
        Answer a GET or HEAD, to its end.

        :param entity: that has a sha256 and a size.
        :returns: None when that is done already; else a Deferred that fires when it is, however it ends. It fails with
            `NotStored`, or another `StorageError`, only while the request can still be answered otherwise.
        """
        assert entity.sha256 is not None
        answer = answer_of(request.method, request.requestHeaders.getRawHeaders, entity, self.now())
        if not answer.pieces:
            answer.begin(request)
            request.finish()
            return None
        if entity.size is not None and entity.size <= SMALL:
            data = self.hot.get(entity.sha256)
            if data is not None:
                send_all(request, answer, data)
                return None
            return Deferred.fromCoroutine(self._small(request, answer, entity.sha256, entity.size))
        return Deferred.fromCoroutine(self._large(request, answer, entity.sha256))

    async def _small(self, request: Any, answer: Answer, sha256: str, size: int) -> None:
        data = await self.storage.read(sha256)
        if len(data) != size:
            raise StorageDamaged(f"artifact {sha256} has {len(data)} bytes, not {size}")
        self.hot.keep(sha256, data)
        if getattr(request, "channel", None) is not None:  # the client may have gone meanwhile
            send_all(request, answer, data)

    async def _large(self, request: Any, answer: Answer, sha256: str) -> None:
        stall = Stall(request, self.clock, self.stalled)
        sending = Deferred.fromCoroutine(self._pieces(request, answer, sha256))
        request.notifyFinish().addErrback(lambda _: sending.cancel())
        stall.start()
        try:
            await sending
        except (Cancelled, CancelledError):
            if stall.stalled:
                _log.info("cut off a client that took nothing for {seconds} s", seconds=self.stalled)
            return
        except StorageError as error:
            if not request.startedWriting:
                answer.retract(request)
                raise
            _log.error("cut off a client in the middle of {sha256}: {error}", sha256=sha256, error=error)
            cut(request)
            return
        finally:
            stall.stop()
        request.finish()

    async def _elsewhere(self, request: Any, sha256: str) -> bool:
        """Send the client to the store itself, if that is wanted; return whether that was done."""
        url = await self.storage.url(sha256)
        if url is None:
            return False
        if sha256 not in await self.storage.has([sha256]):
            raise NotStored(sha256)
        request.setResponseCode(302)
        for name, value in ((b"Location", url.encode("ascii")), (b"Content-Length", b"0"), *_FOR_NOW):
            request.responseHeaders.setRawHeaders(name, [value])
        return True

    async def _pieces(self, request: Any, answer: Answer, sha256: str) -> None:
        if await self._elsewhere(request, sha256):
            return
        path, transport = self.storage.path(sha256), plain_socket(request)
        if path is not None and transport is not None and hasattr(os, "sendfile"):
            opened: list[int] = []
            try:
                await outlasting(self.in_thread(_open, opened, path, sha256, max(_ends(answer))))
                await self._sendfile(request, transport, answer, opened[0])
                return
            except Unsupported:
                pass  # the other way, then
            finally:
                for fd in opened:
                    os.close(fd)
        await self._produce(request, answer, sha256)

    async def _sendfile(self, request: Any, transport: Connection, answer: Answer, fd: int) -> None:
        answer.begin(request)
        sending = Sendfile(request, transport, fd, self.in_thread)
        try:
            await sending.send(answer.pieces)
        finally:
            await outlasting(sending.quiet())

    async def _produce(self, request: Any, answer: Answer, sha256: str) -> None:
        literal = not isinstance(answer.pieces[0], Span)
        if literal and sha256 not in await self.storage.has([sha256]):  # to be known before anything is written
            raise NotStored(sha256)
        answer.begin(request)
        for piece in answer.pieces:
            if isinstance(piece, Span):
                await self.storage.produce(sha256, _Taker(request), piece.first, piece.length())
            else:
                request.write(piece)


@implementer(IConsumer)
@define(eq=False)
class _Taker:
    """A request as a consumer, also when its client has gone."""

    _request: Any

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._request.channel is None:
            producer.stopProducing()
        else:
            self._request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        if getattr(self._request, "channel", None) is not None:
            self._request.unregisterProducer()

    def write(self, data: bytes) -> None:
        self._request.write(data)


def _ends(answer: Answer) -> list[int]:
    return [span.first + span.length() for span in answer.spans]


def _open(opened: list[int], path: str, sha256: str, size: int) -> None:
    """Add a descriptor of an artifact that has *size* bytes at least to *opened*."""
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise NotStored(sha256) from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
    opened.append(fd)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size < size:
        raise StorageDamaged(f"artifact {sha256} has {found.st_size} bytes, fewer than {size}")


def send_all(request: Any, answer: Answer, data: bytes) -> None:
    """Send *answer* to its end, of an artifact that consists of *data*."""
    pieces = [
        data[piece.first : piece.first + piece.length()] if isinstance(piece, Span) else piece
        for piece in answer.pieces
    ]
    send_whole = getattr(request, "send_whole", None)  # other sites' requests have none
    if send_whole is not None and send_whole(answer.status, answer.headers, b"".join(pieces)):
        return
    answer.begin(request)
    for piece in pieces:
        request.write(piece)
    request.finish()
