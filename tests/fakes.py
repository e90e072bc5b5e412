"""What stands where agents, responses, threads and clocks would, in tests without a network."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IConsumer, IProtocol, IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web._newclient import PotentialDataLoss, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.download import Source
from twisted_pulp.errors import HTTPStatusError
from twisted_pulp.headers import Fields
from twisted_pulp.http import Watch
from twisted_pulp.interfaces import Head
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Health, Mirrors, Traffic

DONE, CUT_OR_WHOLE = ResponseDone(), PotentialDataLoss()
HeaderPairs = Sequence[tuple[bytes, bytes]]


@implementer(IPushProducer)
class Producer:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.disconnecting = False

    @property
    def paused(self) -> bool:
        """Whether it may send nothing now."""
        heard = [each for each in self.told if each != "stop"]
        return bool(heard) and heard[-1] == "pause"

    @property
    def stopped(self) -> bool:
        """Whether it may send nothing any more."""
        return "stop" in self.told

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


@define(eq=False)
class Request:
    """As much of a request as a response shows."""

    absoluteURI: bytes
    method: bytes = b"GET"


@implementer(IResponse, IPushProducer)
class Response(Producer):
    """
    A response whose body comes when the test says so.

    :param pieces: of the body, delivered as soon as somebody takes it.
    :param end: the reason that follows them; None leaves the body open.
    """

    version = (b"HTTP", 1, 1)
    phrase = b""
    previousResponse = None

    def __init__(
        self,
        code: int = 200,
        pieces: Iterable[bytes] = (),
        headers: HeaderPairs = (),
        *,
        length: int | None = None,
        end: BaseException | None = DONE,
        url: bytes = b"",
    ) -> None:
        super().__init__()
        self.code, self.fields = code, Fields(tuple(headers))
        self.headers = Headers()
        for name, value in headers:
            self.headers.addRawHeader(name, value)
        self.length: Any = UNKNOWN_LENGTH if length is None else length
        self.request = Request(url) if url else None
        self._pieces, self._end = list(pieces), end
        self._protocol: Any = None

    def deliverBody(self, protocol: IProtocol) -> None:
        self._protocol = protocol
        protocol.makeConnection(self)  # type: ignore[arg-type]
        for piece in self._pieces:
            if not self.stopped:
                self.send(piece)
        if self._end is not None and not self.stopped:
            self.end(self._end)

    @property
    def taken(self) -> bool:
        """Whether somebody has asked for the body."""
        return self._protocol is not None

    def send(self, data: bytes) -> None:
        """Let *data* come."""
        self._protocol.dataReceived(data)

    def end(self, error: BaseException = DONE) -> None:
        """Let the body end."""
        protocol, self._protocol = self._protocol, None
        protocol.connectionLost(Failure(error))

    def stopProducing(self) -> None:
        stopped = self.stopped
        super().stopProducing()
        if not stopped and self._protocol is not None:
            from twisted.internet.error import ConnectionAborted

            self.end(ConnectionAborted())

    # As the transport of a protocol
    def setProducer(self, *_: object) -> None:
        """Nothing."""


Answer = Response | BaseException | Callable[[bytes, Headers], Any]


@implementer(IAgent)
class Agent:
    """
    Answers each request with what comes next; without an answer, the request waits for the test.

    :ivar asked: URL and headers of each request, names in lower case.
    :ivar waiting: requests that the test is to answer.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.methods: list[bytes] = []
        self.waiting: list[Deferred[Any]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        sent = Headers() if headers is None else headers
        flat = {name.decode().lower(): values[0].decode("latin-1") for name, values in sent.getAllRawHeaders()}
        self.asked.append((uri.decode("ascii"), flat))
        self.methods.append(method)
        d: Deferred[Any] = Deferred()
        if not self.answers:
            self.waiting.append(d)
            return d
        answer: Any = self.answers.pop(0)
        if not isinstance(answer, (Response, BaseException)):
            answer = answer(uri, sent)
        if isinstance(answer, BaseException):
            d.errback(Failure(answer))
        else:
            d.callback(answer)
        return d

    @property
    def urls(self) -> list[str]:
        """The URLs asked for, in order."""
        return [url for url, _ in self.asked]


def refusal(status: int, url: str = "http://h/f", **headers: str) -> HTTPStatusError:
    """Return the error that a response of *status* is."""
    return HTTPStatusError.of(url, status, {name.replace("_", "-"): value for name, value in headers.items()})


class Threads:
    """
    Writer threads that work at once, or when the test says so.

    :ivar late: whether calls wait for `work`.
    """

    def __init__(self, late: bool = False, high_water: int = 4 << 20) -> None:
        self.late, self.high_water, self.active = late, high_water, 0
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.closed = False

    def lane(self) -> Threads:
        return self

    def quietly(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        silent: Deferred[Any] = Deferred()
        self(f, *args).addErrback(silent.errback)
        return silent

    def __call__(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if not self.late:
            return execute(f, *args)
        d: Deferred[Any] = Deferred()
        self.waiting.append((d, f, args))
        return d

    def work(self, times: int | None = None) -> None:
        """Do *times* of the calls that wait, or all, as a thread would."""
        while self.waiting and times != 0:
            d, f, args = self.waiting.pop(0)
            execute(f, *args).chainDeferred(d)
            times = None if times is None else times - 1

    def close(self) -> None:
        self.closed = True


@define(eq=False)
class Shared:
    """
    The surroundings of transfers, all in the test's hands.

    :ivar agents: of Remotes that have one of their own; the others have `ours`.
    """

    ours: Agent = field(factory=Agent)
    reactor: Clock = field(factory=Clock)
    threads: Any = field(factory=Threads)
    agents: dict[int, Agent] = field(factory=dict)
    wall: float = 1_000_000.0
    rng: random.Random = field(factory=lambda: random.Random(0))
    watch: Watch = field(init=False)
    health: Health = field(init=False)
    traffic: Traffic = field(init=False)
    mirrors: Mirrors = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.watch, self.health = Watch(self.reactor), Health(self.reactor.seconds)
        self.traffic = Traffic(self.reactor.seconds)
        self.mirrors = Mirrors(self.agent, self.watch, self.reactor.seconds)

    def agent(self, remote: Remote) -> Agent:
        return self.agents.get(id(remote), self.ours)

    def now(self) -> float:
        return self.wall + self.reactor.seconds()

    def uniform(self, low: float, high: float) -> float:
        return high


@implementer(IConsumer)
class Consumer:
    """A consumer that is no writer."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.producer: Any = None
        self.heard: list[str] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer
        self.heard.append("register")

    def unregisterProducer(self) -> None:
        self.producer = None
        self.heard.append("unregister")

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    @property
    def data(self) -> bytes:
        """Everything that came."""
        return b"".join(self.pieces)


def head(
    offset: int = 0, length: int | None = None, headers: HeaderPairs = (), url: str = "http://h/f", status: int = 200
) -> Head:
    """Return what is known before the first byte."""
    return Head(url, status, Fields(tuple(headers)), length, offset, Source(url))


def result_of(d: Deferred[Any]) -> Any:
    """Return what *d* has, or raise it."""
    results: list[Any] = []
    d.addBoth(results.append)
    assert results, "no result"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def done(coroutine: Any) -> Any:
    """Run *coroutine*, which must not wait, and return what it returns."""
    return result_of(Deferred.fromCoroutine(coroutine))
