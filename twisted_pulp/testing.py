"""Fakes for the tests of whoever builds on this package: no socket, no thread, no clock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.interfaces import Head, IWriter

__all__ = ["Asked", "FakeProducer", "FakeResponse", "FakeSite", "SlowConsumer", "SpyAgent", "SpyWriter"]

_RANGE = re.compile(r"bytes=(\d+)-(\d*)").fullmatch


@frozen
class Asked:
    """
    A request that an agent was asked to make.

    :ivar method: such as "GET".
    :ivar url: as it was given.
    :ivar headers: names in lower case -> the last value of each.
    :ivar answer: the Deferred that the agent returned: `callback` it with a `FakeResponse`, or `errback` it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    answer: Deferred[IResponse] = field(repr=False)


@implementer(IAgent)
@define(eq=False)
class SpyAgent:
    """
    Answers nothing by itself: the test does, through `requests`.

    :ivar requests: what was asked for, in order.
    :ivar cancelled: those that were cancelled.
    """

    requests: list[Asked] = field(init=False, factory=list)
    cancelled: list[Asked] = field(init=False, factory=list)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Note the request."""
        answer: Deferred[IResponse] = Deferred(lambda _: self.cancelled.append(asked))
        asked = Asked(method.decode("ascii"), uri.decode("ascii"), _plain(headers), answer)
        self.requests.append(asked)
        return answer


def _plain(headers: Headers | None) -> dict[str, str]:
    pairs = () if headers is None else headers.getAllRawHeaders()
    return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in pairs}


@implementer(IPushProducer)
@define(eq=False)
class FakeProducer:
    """
    Notes what its consumer tells it.

    :ivar told: "pause", "resume" and "stop", in order.
    """

    told: list[str] = field(init=False, factory=list)

    @property
    def paused(self) -> bool:
        """Whether it may not produce now."""
        return bool(self.told) and self.told[-1] != "resume"

    def pauseProducing(self) -> None:
        """Note it."""
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.told.append("resume")

    def stopProducing(self) -> None:
        """Note it."""
        self.told.append("stop")


@implementer(IPushProducer)
class _Body(FakeProducer):
    """The transport of a body: it can be ended too."""

    disconnecting = False

    def __init__(self, response: FakeResponse) -> None:
        super().__init__()
        self._response = response

    def stopProducing(self) -> None:
        """End the body, as a connection that is given up does."""
        super().stopProducing()
        self._response.end(ResponseFailed([Failure(ConnectionAbortedError("given up"))]))

    loseConnection = abortConnection = stopProducing


class _Request:
    """The request of a response."""

    def __init__(self, url: str) -> None:
        self.absoluteURI, self.method, self.headers = url.encode("ascii"), b"GET", Headers()


@implementer(IResponse)
@define(eq=False)
class FakeResponse:
    """
    A response whose body comes when the test says so, or at once.

    :ivar code: the status; default 200.
    :ivar body: all of the body, given to whoever takes it at once; default None: `send` and `end` give it.
    :ivar fields: headers: name -> value; default none.
    :ivar url: that answered, after redirects.
    :ivar length: bytes that the body has; default that of `body`, else `UNKNOWN_LENGTH`.
    :ivar transport: a `FakeProducer`: what the taker of the body has told it; None until there is a taker.
    """

    code: int = 200
    body: bytes | None = None
    given: Mapping[str, str] = field(factory=dict, alias="headers")
    url: str = "http://fake.test/"
    length: Any = Factory(lambda self: UNKNOWN_LENGTH if self.body is None else len(self.body), takes_self=True)
    version: tuple[bytes, int, int] = field(init=False, default=(b"HTTP", 1, 1))
    phrase: bytes = field(init=False, default=b"Fake")
    previousResponse: Any = field(init=False, default=None)
    transport: Any = field(init=False, default=None)
    headers: Headers = field(init=False)
    request: Any = field(init=False)
    _taker: Any = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.headers = Headers({name: [value] for name, value in self.given.items()})
        self.request = _Request(self.url)

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to *protocol*."""
        self._taker, self.transport = protocol, _Body(self)
        protocol.makeConnection(self.transport)
        if self.body is not None:
            if self.body and self._taker is not None:
                self.send(self.body)
            self.end()

    def send(self, data: bytes) -> None:
        """Give a part of the body."""
        self._taker.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        """
        End the body, once.

        :param reason: why; default None: it is complete.
        """
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.connectionLost(Failure(ResponseDone() if reason is None else reason))

    def setPreviousResponse(self, response: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = response


@implementer(IAgent)
@define(eq=False)
class FakeSite:
    """
    A site in memory, for `Downloader.agent`: GET and HEAD with strong ETags, ranges, If-Range and If-None-Match.

    :ivar files: URL -> content, or a status to answer with; every other URL is 404. May change at any time.
    :ivar requests: what was asked for, in order.
    """

    files: dict[str, bytes | int]
    requests: list[Asked] = field(init=False, factory=list)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Answer at once."""
        url, asked = uri.decode("ascii"), _plain(headers)
        response: Any = self._response(url, asked)
        if method == b"HEAD":
            response.body = b""
        answer = succeed(response)
        self.requests.append(Asked(method.decode("ascii"), url, asked, answer))
        return answer

    def _response(self, url: str, asked: Mapping[str, str]) -> FakeResponse:
        found = self.files.get(url, 404)
        if isinstance(found, int):
            return _answer(url, found)
        tag = f'"{hashlib.sha256(found).hexdigest()[:16]}"'
        if asked.get("if-none-match") == tag:
            return _answer(url, 304, ETag=tag)
        wanted = _RANGE(asked.get("range", ""))
        if wanted is None or asked.get("if-range", tag) != tag:
            return _answer(url, 200, found, ETag=tag)
        first, last = int(wanted[1]), min(int(wanted[2] or len(found)), len(found) - 1)
        if first > last:
            return _answer(url, 416, ETag=tag, **{"Content-Range": f"bytes */{len(found)}"})
        part = {"Content-Range": f"bytes {first}-{last}/{len(found)}"}
        return _answer(url, 206, found[first : last + 1], ETag=tag, **part)


def _answer(url: str, code: int, body: bytes = b"", **headers: str) -> FakeResponse:
    return FakeResponse(code, body, {"Content-Length": str(len(body)), **headers}, url)


@implementer(IConsumer)
@define(eq=False)
class SlowConsumer:
    """
    Takes so much, then pauses its producer until the test calls `take`.

    :ivar room: bytes it takes before it pauses.
    :ivar written: all that came.
    :ivar excess: bytes that came while the producer was paused.
    """

    room: int
    written: bytearray = field(init=False, factory=bytearray)
    excess: int = field(init=False, default=0)
    _producer: Any = field(init=False, default=None)
    _left: int = field(init=False, default=Factory(lambda self: self.room, takes_self=True))

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Pause and resume *producer*, which must push."""
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if not streaming:
            raise TypeError("a producer that pushes is needed")
        self._producer = producer
        if self._left <= 0:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Take *data*, and pause the producer when there is no room for more."""
        self.written += data
        before, self._left = self._left, self._left - len(data)
        if before <= 0:
            self.excess += len(data)
        elif self._left <= 0 and self._producer is not None:
            self._producer.pauseProducing()

    def take(self) -> None:
        """Make room again."""
        before, self._left = self._left, self.room
        if before <= 0 and self._producer is not None:
            self._producer.resumeProducing()


@implementer(IWriter)
@define(eq=False)
class SpyWriter:
    """
    Notes all that a writer hears.

    :ivar rewindable: whether it may be told to begin again; default true.
    :ivar heard: "begin", "write", "commit" and "abort", in order; one "write" for any number in a row.
    :ivar content: what was written since the beginning of the file.
    :ivar head: of the last beginning.
    :ivar report: that it was to commit, or None.
    :ivar error: that it was to abort for, or None.
    """

    rewindable: bool = True
    heard: list[str] = field(init=False, factory=list)
    content: bytes = field(init=False, default=b"")
    head: Head | None = field(init=False, default=None)
    report: DownloadReport | None = field(init=False, default=None)
    error: BaseException | None = field(init=False, default=None)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Nothing to pause: it is always fast enough."""

    def unregisterProducer(self) -> None:
        """Nothing."""

    def begin(self, head: Head) -> None:
        """Note it, and forget what came after *head*.offset."""
        self.heard.append("begin")
        self.head, self.content = head, self.content[: head.offset]

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        if self.heard[-1:] != ["write"]:
            self.heard.append("write")
        self.content += data

    def commit(self, report: DownloadReport) -> None:
        """Note it."""
        self.heard.append("commit")
        self.report = report

    def abort(self, error: BaseException) -> None:
        """Note it."""
        self.heard.append("abort")
        self.error = error
