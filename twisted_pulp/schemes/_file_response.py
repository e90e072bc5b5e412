"""The response with a file's bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import FileIO
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IClientRequest, IResponse
from zope.interface import implementer

from twisted_pulp.errors import ConnectionLost, Truncated
from twisted_pulp.headers import Fields

__all__ = ["BLOCK", "FileRequest", "FileResponse"]

#: Bytes delivered at once.
BLOCK = 256 << 10
# Blocks read at once: a hop to the thread and back costs as much as reading one. So many may be held when paused.
_BATCH = 2


@implementer(IClientRequest)
class FileRequest:
    """What is asked."""

    __slots__ = ("absoluteURI", "headers", "method")

    def __init__(self, method: bytes, uri: bytes, headers: Headers) -> None:
        self.method, self.absoluteURI, self.headers = method, uri, headers

    def header(self, name: bytes) -> bytes:
        """Return the values of *name* as one, empty when there are none."""
        return b", ".join(self.headers.getRawHeaders(name, ()))


@implementer(IResponse, IPushProducer)
class FileResponse:
    """
    What came of a request, and the transport of the protocol that gets the body.

    The next blocks are read while the last one is delivered. The file is closed before the protocol hears of the end.

    :param pairs: names and values of the headers.
    :param length: bytes of the body.
    :param first: those that were read already.
    :param file: where the others are, or None.
    :param in_thread: to read them with.
    :ivar fields: every header.
    """

    version = (b"HTTP", 1, 1)
    disconnecting = False
    previousResponse: IResponse | None = None
    _protocol: Any = None
    _failure: Failure | None = None
    _busy = False  # in the middle of delivering: whoever calls back meanwhile leaves the rest to that
    _reading = False  # the thread has the file
    _held = _stopped = False

    def __init__(
        self,
        request: FileRequest,
        code: int,
        phrase: str,
        pairs: Sequence[tuple[bytes, bytes]] = ((b"Content-Length", b"0"),),
        length: int = 0,
        first: bytes = b"",
        file: FileIO | None = None,
        in_thread: Callable[..., Deferred[Any]] = succeed,
    ) -> None:
        self.request, self.code, self.phrase, self.length = request, code, phrase.encode("ascii"), length
        self.fields, self.headers = Fields(pairs), Headers()
        for name, value in pairs:
            self.headers.addRawHeader(name, value)
        self._blocks = deque([first] if first else ())
        self._left = length - len(first)  # bytes that were not read yet
        self._file, self._in_thread = file, in_thread

    def setPreviousResponse(self, response: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        Give the body to *protocol*, once.

        :raises RuntimeError: the second time.
        """
        if self._protocol is not None:
            raise RuntimeError("the body of this response was already delivered")
        self._protocol = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type]  # an IPushProducer is all a body gets
        self._go_on()

    def abandon(self) -> None:
        """Close the file; nobody wants the body. Not in the thread: that may have been ended meanwhile."""
        if self._file is not None:
            self._file.close()

    def _go_on(self) -> None:
        if self._busy or self._reading:
            return
        self._busy = True
        try:
            self._deliver()
        except BaseException:  # the protocol may raise anything
            self._give_up(Failure())
        self._busy = False
        if self._blocks or self._reading:
            return
        if self._left and self._failure is None:
            if self._file is not None:
                if not self._held:
                    self._fetch()
                return
            url = self.request.absoluteURI.decode("latin-1")
            self._failure = Failure(Truncated(url, self.length - self._left, self.length))
        self._reading = True  # to the end
        closing = succeed(None) if self._file is None else self._in_thread(self._file.close)
        closing.addBoth(self._end)

    def _deliver(self) -> None:
        while self._blocks and not self._held:
            block = self._blocks.popleft()
            if not self._blocks:
                self._fetch()
            self._protocol.dataReceived(block)

    def _fetch(self) -> None:
        if self._left and self._file is not None:
            self._reading = True
            self._in_thread(_read, self._file, self._left).addCallbacks(self._fetched, self._broken)

    def _fetched(self, blocks: list[bytes]) -> None:
        self._reading = False
        self._left -= sum(map(len, blocks))
        if len(blocks) < _BATCH or not self._left:
            self._file = None  # `_read` has closed it
        if not self._stopped:
            self._blocks.extend(blocks)
        self._go_on()

    def _broken(self, why: Failure) -> None:
        self._reading = False
        url = self.request.absoluteURI.decode("latin-1")
        self._failure = self._failure or Failure(ConnectionLost(url, f"the file could not be read on: {why.value}"))
        self._go_on()

    def _give_up(self, why: Failure) -> None:
        self._stopped, self._failure = True, self._failure or why
        self._blocks.clear()

    def _end(self, _: object) -> None:
        if self._failure is None:
            reason = Failure(ResponseDone("the file was read to its end"))
        else:
            reason = Failure(ResponseFailed([self._failure], self))
        self._protocol.connectionLost(reason)

    # IPushProducer, for the protocol
    def pauseProducing(self) -> None:
        """Deliver no more for now; what is being read is kept."""
        self._held = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._held = False
        self._go_on()

    def stopProducing(self) -> None:
        """Give the rest of the body up."""
        if self._blocks or self._left:
            self._give_up(Failure(ConnectionAborted()))
        self._go_on()

    loseConnection = abortConnection = stopProducing


def _read(file: FileIO, left: int) -> list[bytes]:
    """Return the next blocks of *file*, which ends after *left* bytes; it is closed when there are no more."""
    with ExitStack() as stack:
        stack.callback(file.close)
        blocks: list[bytes] = []
        while left and len(blocks) < _BATCH:
            block = file.read(min(BLOCK, left))
            if not block:  # it has become shorter
                return blocks
            blocks.append(block)
            left -= len(block)
        if left:
            stack.pop_all()
        return blocks
