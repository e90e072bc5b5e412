"""What happens at a server, as it happens."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_pulp.client._errors import ServerUnreachable
from twisted_pulp.client._wire import LATER, Wire, asked_to_wait, body_of, refusal

__all__ = ["BEAT", "Event", "Events"]

#: Seconds without a sign of life after which the connection is taken to be dead; the server gives one each 15 s.
_SILENT = 45.0
#: Seconds before the second try, and the longest before any other; and for which it is tried.
_SOON, _LATE, _PATIENCE = 2.0, 30.0, 300.0
#: Events that wait to be taken: with more, nothing is read.
_MANY = 100
#: Bytes that one of them may have.
_LARGE = 1 << 20
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@frozen
class Event:
    """
    Something that happened.

    :ivar id: tells it from every other; what is asked for from then on begins behind it.
    :ivar name: what it is about: "job", "item", "health", "throughput"; or "reset": what was missed is not known any
        more, and everything should be read again.
    :ivar data: what there is to say.
    """

    id: str
    name: str
    data: Mapping[str, Any]


#: What `Events` with beats gives now and then while nothing happens.
BEAT = Event("", "", {})


@define(eq=False)
class Events:
    """
    Iterates over what happens, and over connections that end.

    :param wire: to the server.
    :param reactor: its clock.
    :param last_id: what is known already; default None: everything that is over.
    :param beats: whether to give `BEAT` now and then, and after each new connection; and not to wait for a server that
        takes no more listeners now.
    """

    _wire: Wire
    _reactor: IReactorTime
    last_id: str | None = None
    _beats: bool = False
    _uniform: Callable[[float, float], float] = random.uniform
    _retry: float = field(init=False, default=_SOON)

    async def each(self) -> AsyncGenerator[Event]:
        """Give each event; see `Client.events`."""
        failed, heard = 0, self._reactor.seconds()
        while True:
            why, wait = "the server ended it", 0.0
            try:
                response = await self._wire.stream("/events", self.last_id)
                if response.code == 200:
                    failed, heard = 0, self._reactor.seconds()
                    if self._beats:
                        yield BEAT
                    async with aclosing(self._of(response)) as events:
                        async for event in events:
                            heard = self._reactor.seconds()
                            yield event
                else:
                    error = refusal(response, await body_of(response))
                    if response.code not in LATER or self._beats:
                        raise error
                    why, wait = str(error), asked_to_wait(response)
            except ServerUnreachable as error:
                why = str(error)
            pause = self._pause(failed)
            if self._reactor.seconds() + max(pause, wait) - heard > _PATIENCE and failed:
                raise ServerUnreachable(why)
            failed += 1
            await deferLater(self._reactor, max(pause, wait))

    def _pause(self, failed: int) -> float:
        """Return how long to wait after so many failures in a row: at random, so that not all come back at once."""
        return self._uniform(self._retry / 4, min(_LATE, self._retry * 2.0 ** min(failed, 10)))

    async def _of(self, response: Any) -> AsyncGenerator[Event]:
        """Give what comes by one connection."""
        stream = _Stream(self._reactor)
        response.deliverBody(stream)
        try:
            while (event := await stream.next()) is not None:
                self._retry = stream.retry
                if event is not BEAT:
                    self.last_id = event.id or self.last_id
                elif not self._beats:
                    continue
                yield event
        finally:
            stream.stop()


class _Stream(Protocol):
    """The body of a response that does not end: events, as the HTML Living Standard writes them in 9.2.5."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.retry = _SOON
        self._reactor = reactor
        self._events: deque[Event] = deque()
        self._rest, self._id, self._name, self._data = b"", "", "", list[str]()
        self._waiting: Deferred[None] | None = None
        self._over = self._paused = False
        self._timer: Any = None

    def connectionMade(self) -> None:
        self._timer = self._reactor.callLater(_SILENT, self.stop)

    def next(self) -> Deferred[Event | None]:
        """Return a Deferred of the next event; None: there are no more."""
        return Deferred.fromCoroutine(self._next())

    async def _next(self) -> Event | None:
        while not self._events and not self._over:
            self._waiting = Deferred()
            await self._waiting
        if not self._events:
            return None
        event = self._events.popleft()
        if self._paused and not self._over and len(self._events) < _MANY / 2:
            self._hold(False)
        return event

    def _hold(self, paused: bool) -> None:
        transport: Any = self.transport
        self._paused = paused
        (transport.pauseProducing if paused else transport.resumeProducing)()
        if not self._over:
            self._timer.reset(_SILENT)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self._timer.reset(_SILENT)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
        if len(self._rest) + sum(map(len, self._data)) > _LARGE:
            self.stop()
        elif len(self._events) >= _MANY and not self._paused:
            self._hold(True)
        self._tell()

    def _line(self, line: str) -> None:
        if not line:
            self._end()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self._events.append(BEAT)
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = min(_LATE, max(0.1, int(value) / 1000))

    def _end(self) -> None:
        """The event is complete."""
        name, data, self._name, self._data = self._name, self._data, "", []
        if data:
            try:
                self._events.append(Event(self._id, name or "message", _decode("\n".join(data))))
            except msgspec.DecodeError:  # none of ours
                self._events.append(BEAT)

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def stop(self) -> None:
        """Take no more."""
        if not self._over:
            self._ended()
            transport: Any = self.transport
            transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._over:
            self._ended()

    def _ended(self) -> None:
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._tell()
