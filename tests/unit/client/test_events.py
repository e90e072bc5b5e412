"""How long a client waits for a server that is gone, or says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_pulp.client import ServerUnreachable
from twisted_pulp.client._events import BEAT, Event, Events


class Body:
    """A response that goes on for ever."""

    code = 200

    def __init__(self) -> None:
        self.paused = self.stopped = False
        self.protocol: Any = None

    def deliverBody(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.stopped = True


class Wire:
    """A server that is there for some time."""

    def __init__(self, *answers: Body | None) -> None:
        self._answers = list(answers)
        self.asked: list[str | None] = []

    async def stream(self, path: str, last_id: str | None) -> Body:
        """Answer as it is said, and then no more."""
        self.asked.append(last_id)
        found = self._answers.pop(0) if self._answers else None
        if found is None:
            raise ServerUnreachable("nobody is there")
        return found


def listening(wire: Wire, clock: Clock, **options: Any) -> tuple[list[Event], list[Any]]:
    """Listen, and return what is heard, and how it ends."""
    found: list[Event] = []
    events = Events(wire, clock, uniform=lambda low, high: high, **options)  # type: ignore[arg-type]

    async def listen() -> None:
        async for event in events.each():
            found.append(event)  # noqa: PERF401 -- it ends with an error

    ends: list[Any] = []
    Deferred.fromCoroutine(listen()).addBoth(ends.append)
    return found, ends


def test_gone(clock: Clock) -> None:
    """A server that is gone is asked again after 2 s, and less and less often; after five minutes it is given up."""
    wire = Wire()
    _, ends = listening(wire, clock)
    waits, asked = [], 1
    for _ in range(400):
        clock.advance(1)
        if len(wire.asked) > asked:
            asked = len(wire.asked)
            waits.append(clock.seconds())
        if ends:
            break
    assert [2, 6, 14, 30, 60, 90] == waits[:6]
    assert ends[0].check(ServerUnreachable)
    assert 270 <= clock.seconds() <= 300
    assert [] == clock.getDelayedCalls()


def test_silent(clock: Clock) -> None:
    """A connection that gives no sign of life for 45 s is left for another one; a sign of life keeps it."""
    first, second = Body(), Body()
    wire = Wire(first, second)
    found, _ = listening(wire, clock, beats=True)
    first.protocol.dataReceived(b'id: 1\nevent: job\ndata: {"a": 1}\n\n')
    clock.advance(44)
    first.protocol.dataReceived(b": still here\n\n")
    clock.advance(44)
    assert not first.stopped
    clock.advance(1)
    assert first.stopped
    clock.advance(2)
    assert [None, "1"] == wire.asked
    assert [BEAT, Event("1", "job", {"a": 1}), BEAT, BEAT] == found
    second.protocol.stop()


def test_slow(clock: Clock) -> None:
    """While a hundred events wait to be taken nothing more is read."""
    body = Body()
    events = Events(Wire(body), clock).each()  # type: ignore[arg-type]
    taken: list[Event] = []

    def take() -> None:
        Deferred.fromCoroutine(anext(events)).addCallback(taken.append)  # type: ignore[arg-type]

    take()
    body.protocol.dataReceived(b"".join(b"id: %d\ndata: {}\n\n" % n for n in range(150)))
    assert (True, 1) == (body.paused, len(taken))
    for _ in range(148):
        take()
    assert (False, 149) == (body.paused, len(taken))
    Deferred.fromCoroutine(events.aclose())  # type: ignore[arg-type]
    assert body.stopped
    assert [] == clock.getDelayedCalls()


@pytest.mark.parametrize(("sent", "wait"), [(b"retry: 100\n", 0.1), (b"retry: 999999\n", 30), (b"retry: x\n", 2)])
def test_retry(clock: Clock, sent: bytes, wait: float) -> None:
    """The server says how soon it is to be asked again, within bounds."""
    body = Body()
    wire = Wire(body)
    listening(wire, clock)
    body.protocol.dataReceived(sent + b": hello\n\n")
    body.protocol.connectionLost()
    clock.advance(wait - 0.01)
    assert 1 == len(wire.asked)
    clock.advance(0.02)
    assert 2 == len(wire.asked)
