"""What flights need around them, all in the test's hands."""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from tests.fakes import Agent, Response, Shared
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.downloader import Downloader
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._cold import send_cold
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._flights import Flights
from twisted_pulp.streamer._threshold import Threshold
from twisted_pulp.streamer._wanted import Wanted
from twisted_pulp.transfer import Hooks

__all__ = ["BODY", "Client", "Surroundings", "sha256"]

BODY = hashlib.shake_256(b"flight").digest(2 << 20)


def sha256(body: bytes) -> str:
    """Return the digest of *body*."""
    return hashlib.sha256(body).hexdigest()


class Channel:
    """The connection of a client."""

    transport = None
    _waitingForTransport = False

    def __init__(self, client: Client) -> None:
        self.abortConnection = client.abortConnection


@define(eq=False)
class Client:
    """
    A request of ours, and the client behind it.

    :ivar room: bytes that it takes before it lets its producer wait for `take`; None is any number.
    :ivar body: what it was given.
    :ivar excess: bytes that it was given while its producer was to wait.
    :ivar state: "open", "finished", "cut" or "gone".
    :ivar error: that it was to be told, as no response had begun.
    """

    method: bytes = b"GET"
    room: int | None = None
    channel: Any = Factory(Channel, takes_self=True)
    requestHeaders: Headers = field(factory=Headers)
    responseHeaders: Headers = field(init=False, factory=Headers)
    body: bytearray = field(init=False, factory=bytearray)
    code: int | None = field(init=False, default=None)
    sentLength: int = field(init=False, default=0)
    startedWriting: bool = field(init=False, default=False)
    state: str = field(init=False, default="open")
    error: BaseException | None = field(init=False, default=None)
    over: bool = field(init=False, default=False)
    excess: int = field(init=False, default=0)
    caching: str | None = field(init=False, default=None)
    _taken: int = field(init=False, default=0)
    _producer: Any = field(init=False, default=None)
    _paused: bool = field(init=False, default=False)
    _waiting: list[Deferred[None]] = field(init=False, factory=list)

    def abortConnection(self) -> None:
        """Note it."""
        self._end("cut", Failure(ConnectionAbortedError()))

    def notifyFinish(self) -> Deferred[None]:
        """Return a Deferred of the end."""
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def setResponseCode(self, code: int) -> None:
        """Note *code*."""
        self.code = code

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume it."""
        assert self._producer is None
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Take it."""
        assert self.state == "open", self.state
        self.startedWriting = True
        self.body += data
        self.sentLength += len(data)
        self.excess += len(data) if self._paused else 0
        if self.room is not None and len(self.body) - self._taken >= self.room and self._producer is not None:
            self._paused = True
            self._producer.pauseProducing()

    def take(self) -> None:
        """Have room again."""
        self._taken, self._paused = len(self.body), False
        if self._producer is not None:
            self._producer.resumeProducing()

    def finish(self) -> None:
        """It is over."""
        assert self._producer is None
        self._end("finished", None)

    def leave(self) -> None:
        """Go."""
        self._end("gone", Failure(ConnectionAbortedError()))

    def _end(self, state: str, why: Any) -> None:
        assert self.state == "open"
        self.state = state
        waiting, self._waiting = self._waiting, []
        for d in waiting:
            d.callback(why)

    def header(self, name: str) -> str | None:
        """Return the value of a header of the response."""
        values = self.responseHeaders.getRawHeaders(name)
        return None if values is None else values[0]


class Context(Shared):
    """The surroundings, as a Context that makes Downloaders."""

    def downloader(self, remote: Remote, *, hooks: Hooks) -> Downloader:
        """Return one."""
        return Downloader(self, remote, hooks=hooks)

    def forget(self, downloader: object) -> None:
        """*downloader* is closed."""


@define(eq=False)
class Surroundings:
    """
    Flights over a fake network, with a clock, threads that work at once, and memory as storage.

    :ivar kept: the reports of what was to be noted down.
    """

    threshold: Threshold = field(factory=Threshold)
    context: Context = field(factory=Context)
    storage: MemoryStorage = field(factory=MemoryStorage)
    flights: Flights = field(init=False)
    kept: list[DownloadReport] = field(init=False, factory=list)
    failed: list[str] = field(init=False, factory=list)
    remote: Remote = field(init=False, default=Remote(retry=Retry(retries=3, base=0.0)))

    def __attrs_post_init__(self) -> None:
        self.flights = Flights(self.context, self.storage, self.threshold)

    @property
    def agent(self) -> Agent:
        """The network."""
        return self.context.ours

    def wanted(self, body: bytes = BODY, *urls: str, **fields: Any) -> Wanted:
        """Return a wish for *body*."""
        given: dict[str, Any] = {
            "sources": tuple(Source(url, remote=self.remote) for url in urls or ("http://h/f",)),
            "remote": self.remote,
            "size": len(body),
            "digests": {"sha256": sha256(body)},
            "keep": lambda report, _: self.kept.append(report),
            "failed": lambda source, _: self.failed.append(source.url),
        }
        return Wanted(**given | fields)

    def ask(self, wanted: Wanted, *headers: tuple[str, str], entity: Entity | None = None, **client: Any) -> Client:
        """Return a client that has asked for *wanted*."""
        made = Client(**client)
        for name, value in headers:
            made.requestHeaders.addRawHeader(name, value)
        known = entity or Entity(size=wanted.size, sha256=wanted.digests.get("sha256"))
        sending = send_cold(made, self.flights, wanted, known, 1e9, self.context.reactor)

        def over(result: Any) -> None:
            made.over = True
            made.error = result.value if isinstance(result, Failure) else None

        Deferred.fromCoroutine(sending).addBoth(over)
        return made

    def answer(self, response: Response | BaseException) -> Response:
        """Answer the oldest request that waits."""
        self.agent.waiting.pop(0).callback(Failure(response) if isinstance(response, BaseException) else response)
        return response  # type: ignore[return-value]

    def body(self, body: bytes = BODY, *, length: bool = True, **fields: Any) -> Response:
        """Answer with a body that is yet to come."""
        return self.answer(Response(length=len(body) if length else None, end=None, **fields))

    def close(self) -> None:
        """Give everything back, and look that nothing is left."""
        closing: list[Any] = []
        self.flights.close().addBoth(closing.append)
        self.context.reactor.advance(0)
        assert [None] == closing
        assert (0, 0) == (self.flights.count, self.context.threads.active)
        self.context.watch.stop()
        assert [] == self.context.reactor.getDelayedCalls()
        self.storage.close()
