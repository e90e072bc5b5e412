"""
A client's connection: slow clients, floods and requests that two readers could read differently end here.

twisted.web refuses a length that is given twice or in two ways, names that are no tokens, and values of more than one
line. What it lets through, and RFC 9112 does not, is refused here: folded lines, lines that end without a CR, a request
without a Host or with two, codings that it ignores, and targets that are no paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from types import MappingProxyType
from typing import Any

from twisted.internet.tcp import Connection
from twisted.protocols.basic import LineReceiver
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request

__all__ = ["BODY", "ContentChannel", "ContentRequest", "path_of"]

Pairs = tuple[tuple[bytes, bytes], ...]

#: Bytes of a request's body that are read, and thrown away; content is only ever asked for.
BODY = 64 << 10

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?").fullmatch
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE).match


def path_of(target: bytes) -> bytes:
    """Return the path and query of *target*, which may be a whole URL (RFC 9112 section 3.2.2)."""
    found = _ABSOLUTE(target)
    if found is None:
        return target
    path = target[found.end() :]
    return path if path.startswith(b"/") else b"/" + path


class ContentRequest(Request):
    """A request whose body is thrown away."""

    _dropped = 0

    def gotLength(self, length: int | None) -> None:
        """Have no file for a body."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Throw it away, up to a limit."""
        self._dropped += len(data)
        if self._dropped > BODY:
            channel: Any = self.channel
            channel.refuse(413)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Take the path of a target that is a whole URL (RFC 9112 section 3.2.2)."""
        super().requestReceived(command, path_of(path), version)  # type: ignore[no-untyped-call]

    def send_whole(self, status: int, headers: Pairs, body: bytes) -> bool:
        """
        Answer to the end, in one piece; return whether that was possible. Else nothing was done.

        It does what `write` and `finish` do of which nobody has called one yet, in a third of the time.

        :param headers: that are sent beside those that were set, Content-Length among them.
        """
        channel: Any = self.channel
        if channel is None or self.startedWriting or self._disconnected or self.method != b"GET":
            return False
        if self._encoder or self.cookies or self.etag is not None or self.lastModified is not None:
            return False
        given = {name.lower() for name, _ in headers}
        lines = [b"%b: %b\r\n" % pair for pair in headers]
        for name, values in self.responseHeaders.getAllRawHeaders():
            if name.lower() not in given:
                lines += [b"%b: %b\r\n" % (name, value) for value in values]
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):  # whoever sets headers there is careful
            return False
        self.setResponseCode(status)
        self.startedWriting, self.sentLength = 1, len(body)
        reason = self.code_message
        channel.send_now(b"%b %d %b\r\n%b\r\n%b" % (self.clientproto, status, reason, head, body))
        self.finish()  # type: ignore[no-untyped-call]
        return True


class ContentChannel(HTTPChannel):
    """
    A connection that is timed from the first byte of a request to its last, whatever comes in between.

    :ivar headers_time: seconds in which the headers of a request must be complete.
    :ivar body_time: seconds in which its body must.
    :ivar idle_time: seconds that may pass between requests.
    """

    headers_time, body_time, idle_time = 30.0, 60.0, 60.0
    _timed = _refused = False
    _host: Any = None

    def connectionMade(self) -> None:
        """Time the first request from the beginning: who connects has something to ask."""
        self.timeOut = self.headers_time  # type: ignore[assignment]
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._timed = True

    def getHost(self) -> Any:
        """Return our address, which each request wants to know and the kernel is asked for once."""
        if self._host is None:
            self._host = super().getHost()  # type: ignore[no-untyped-call]
        return self._host

    def dataReceived(self, data: bytes) -> None:
        """Read; what comes in drops does not win time."""
        if self._refused:
            return
        if not self._timed and not self._handlingRequest:
            self._timed = True
            self.setTimeout(self.headers_time)  # type: ignore[no-untyped-call]
        LineReceiver.dataReceived(self, data)
        if self.line_mode and not self._busyReceiving and not self.paused and b"\n" in self._buffer:
            self.refuse(400)  # a line that no CR ends

    def lineReceived(self, line: bytes) -> None:
        """Refuse folded lines (RFC 9112 section 5.2), which readers unfold differently."""
        if self._refused:
            return
        if line[:1] in (b" ", b"\t"):
            self.refuse(400)
            return
        super().lineReceived(line)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long."""
        self.refuse(400)

    def headerReceived(self, line: bytes) -> bool:
        """Refuse lengths that are too long for a number, too."""
        try:
            return bool(super().headerReceived(line))  # type: ignore[no-untyped-call]
        except ValueError:
            self.refuse(400)
            return False

    def allHeadersReceived(self) -> None:
        """Look at what only all of them together say."""
        if self._refused:
            return
        status = self._wrong()
        if status is not None:
            self.refuse(status)
            return
        if self.length != 0:
            self.setTimeout(self.body_time)  # type: ignore[no-untyped-call]
        super().allHeadersReceived()  # type: ignore[no-untyped-call]

    def _wrong(self) -> int | None:
        headers = self.requests[-1].requestHeaders
        hosts = headers.getRawHeaders(b"Host", [])
        if len(hosts) > 1 or (not hosts and self._version == b"HTTP/1.1") or not all(map(_HOST, hosts)):
            return 400
        codings = headers.getRawHeaders(b"Transfer-Encoding")
        if codings is not None and (len(codings) > 1 or self._version != b"HTTP/1.1" or self.length is not None):
            return 400
        if b"#" in self._path or not (self._path[:1] == b"/" or _ABSOLUTE(self._path) or self._path == b"*"):
            return 400
        return 413 if self.length is not None and self.length > self.room() else None

    def room(self) -> int:
        """Return how many bytes of a body may come."""
        return BODY

    def rawDataReceived(self, data: bytes) -> None:
        """Refuse a chunk that will be too long, before its bytes come."""
        super().rawDataReceived(data)
        length = getattr(self._transferDecoder, "length", None)  # of a chunk; other bodies have said theirs
        if length is not None and length > self.room():
            self.refuse(413)

    def allContentReceived(self) -> None:
        """Answer, unless it was refused."""
        if self._refused:
            return
        self._timed = False
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write them in one piece: the transport looks at every piece that it gets."""
        lines = [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        transport = self.transport
        assert transport is not None
        transport.write(b"%b %b %b\r\n%b\r\n" % (version, code, reason, b"".join(lines)))

    def send_now(self, data: bytes) -> None:
        """Write *data*; let the socket take it at once: to ask the reactor, and to take that back, costs more."""
        transport: Any = self.transport
        plain = isinstance(transport, Connection) and not transport.TLS and not transport.disconnecting
        if plain and transport.connected and not transport.dataBuffer and not transport._tempDataBuffer:
            try:
                sent = transport.socket.send(data)
            except OSError:  # the reactor will meet it too, and knows what it means
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)

    def requestDone(self, request: Request) -> None:
        """Wait for the next one."""
        self._savedTimeOut = self.idle_time
        super().requestDone(request)  # type: ignore[no-untyped-call]

    # A client that asks and asks, and takes no answer, is not read until it does: else its answers would pile up.
    def pauseProducing(self) -> None:
        """Begin no other request while the client does not take what it has."""
        super().pauseProducing()  # type: ignore[no-untyped-call]
        self.paused = True
        self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on with what the client has asked for meanwhile."""
        self.paused = False
        super().resumeProducing()  # type: ignore[no-untyped-call]
        if self._waitingForTransport or self._refused:
            return
        if sum(map(len, self._dataBuffer)) <= self._optimisticEagerReadSize:
            self._networkProducer.resumeProducing()
        if self._buffer and not self._busyReceiving:
            self.dataReceived(b"")

    def refuse(self, status: int) -> None:
        """Answer with *status*, and read nothing more from this client."""
        self.send_and_end(status)

    def send_and_end(self, status: int, headers: Mapping[str, str] = MappingProxyType({}), body: bytes = b"") -> None:
        """Answer with *status*, *headers* and *body*, and read nothing more from this client."""
        if self._refused:
            return
        self._refused = True
        self._buffer = b""
        self.setTimeout(self.headers_time)  # type: ignore[no-untyped-call]  # for it to take the answer
        transport = self.transport
        assert transport is not None
        pairs = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs.items()).encode("latin-1")
        reason = HTTPStatus(status).phrase.encode("ascii")
        transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, reason, lines, body))
        self.loseConnection()  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        """Let go of a client: of one that was refused at once, of others when they have what was written."""
        if self._refused:
            self.forceAbortClient()  # type: ignore[no-untyped-call]
        else:
            super().timeoutConnection()  # type: ignore[no-untyped-call]

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400)
