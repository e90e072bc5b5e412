"""A body that comes no faster than it may."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse
from zope.interface.verify import verifyObject

from tests.fakes import Response
from tests.leaks import LoggedErrors
from tests.unit.wire import OK, Body, Wire, get, ok
from twisted_pulp.http._meter import Meter, MeteredResponse
from twisted_pulp.http._rates import Rates
from twisted_pulp.settings import Limits, Remote


class Timed(Body):
    """A body that knows when its bytes came."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.pieces: list[tuple[float, int]] = []
        self.over: float | None = None

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.pieces.append((round(self._clock.seconds(), 4), len(data)))

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.over = round(self._clock.seconds(), 4)


class Metered:
    """
    A response behind a meter.

    :ivar rates: all there are.
    :ivar remote: those of its Remote.
    :ivar body: what came of it.
    """

    def __init__(self, clock: Clock, response: Any, rate: float | None = 1000, **more: Any) -> None:
        self.clock = clock
        self.rates: Rates = more.get("rates") or Rates(clock)
        self.remote = self.rates.of(more.get("remote") or Remote())
        if rate is not None:
            self.rates.bytes_per_second = rate
        self.ends: list[Failure] = []
        self.response = MeteredResponse(response, self.rates, self.remote, "h", self.ends.append)
        self.below = response
        self.body: Any = more.get("body") or Timed(clock)
        self.response.deliverBody(self.body)

    def run(self, seconds: float) -> None:
        """Let time pass, from timer to timer."""
        end = self.clock.seconds() + seconds + 1e-9
        while calls := [call for call in self.clock.getDelayedCalls() if call.getTime() <= end]:
            self.clock.advance(max(0, calls[0].getTime() - self.clock.seconds()))
        self.clock.advance(max(0, end - self.clock.seconds()))


def test_interfaces(clock: Clock) -> None:
    """It is a response, and its meter is a producer."""
    metered = Metered(clock, Wire().ask(get(), ok(b""), deliver=False).response)
    assert verifyObject(IResponse, metered.response)
    assert verifyObject(IPushProducer, Meter(Body(), None, list, metered.rates, None))


def test_whole(clock: Clock) -> None:
    """A body that has come whole is handed on in slices of a twentieth of a second, and ends when its time is over."""
    metered = Metered(clock, Response(pieces=[b"x" * 500]))
    assert [(0, 50)] == metered.body.pieces
    metered.run(3)
    assert [(round(number / 20, 4), 50) for number in range(10)] == metered.body.pieces
    assert (0.5, "ResponseDone") == (metered.body.over, metered.body.end)
    assert 1 == len(metered.ends)
    assert not clock.getDelayedCalls()


def test_no_cycle(clock: Clock) -> None:
    """At the end nothing is left for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        gone: list[object] = []
        metered = Metered(clock, Response(pieces=[b"x" * 500]))
        metered.run(1)
        weakref.finalize(metered.body, gone.append, "body")
        weakref.finalize(metered.body.producer, gone.append, "meter")
        assert metered.body.end == "ResponseDone"
        del metered
        assert ["body", "meter"] == sorted(gone)  # type: ignore[type-var]
    finally:
        gc.enable()


def test_paused_below(clock: Clock) -> None:
    """While something is held nothing is read; then it is read on."""
    metered = Metered(clock, Response(pieces=[b"x" * 100], end=None))
    assert ["pause"] == metered.below.told
    metered.run(0.06)
    assert ["pause", "resume"] == metered.below.told
    metered.below.send(b"y" * 30)
    assert 100 == len(metered.body.received)
    metered.run(0.05)
    assert ["pause", "resume", "pause", "resume"] == metered.below.told
    metered.below.end()
    assert "" == metered.body.end
    metered.run(0.03)
    assert (0.13, "ResponseDone") == (metered.body.over, metered.body.end)
    assert b"x" * 100 + b"y" * 30 == metered.body.received


def test_small_reads(clock: Clock) -> None:
    """Reads that are small for the rate need no timer, until they amount to something."""
    metered = Metered(clock, Response(end=None))
    for _ in range(6):
        metered.below.send(b"x" * 5)
    assert (30, []) == (len(metered.body.received), metered.below.told)
    metered.below.send(b"x" * 5)
    assert (30, ["pause"]) == (len(metered.body.received), metered.below.told)
    metered.run(0.03)
    assert (35, ["pause", "resume"]) == (len(metered.body.received), metered.below.told)


def test_more_while_paused(clock: Clock) -> None:
    """What comes although nothing is wanted, as TLS may have read it already, is held too."""
    metered = Metered(clock, Response(pieces=[b"a" * 60, b"b" * 60], end=None))
    metered.run(1)
    assert b"a" * 60 + b"b" * 60 == metered.body.received


def test_tiny_rate(clock: Clock) -> None:
    """With less than twenty bytes a second it goes byte by byte."""
    metered = Metered(clock, Response(pieces=[b"abc"]), rate=2)
    metered.run(2)
    assert [(0, 1), (0.5, 1), (1.0, 1)] == metered.body.pieces
    assert 1.5 == metered.body.over


def test_without_limits(clock: Clock) -> None:
    """Without a limit everything passes at once."""
    metered = Metered(clock, Response(pieces=[b"x" * 500, b"y"]), rate=None)
    assert ([(0, 500), (0, 1)], 0) == (metered.body.pieces, metered.body.over)
    assert [] == metered.below.told


def test_limit_of_another(clock: Clock) -> None:
    """A limit of another Remote does not count."""
    rates = Rates(clock)
    other = Remote(limits=Limits(bytes_per_second=1))
    rates.of(other)
    assert rates.metered
    metered = Metered(clock, Response(pieces=[b"x" * 500]), rate=None, rates=rates)
    assert ([(0, 500)], "ResponseDone") == (metered.body.pieces, metered.body.end)


def test_set_changed_lifted(clock: Clock) -> None:
    """A limit may be set, changed and lifted while the body comes."""
    metered = Metered(clock, Response(pieces=[b"a" * 100], end=None), rate=None)
    assert 100 == len(metered.body.received)
    metered.rates.host("h").bytes_per_second = 100
    metered.below.send(b"b" * 1000)
    metered.run(0.5)
    assert 100 + 55 == len(metered.body.received)
    metered.rates.host("h").bytes_per_second = 1000
    metered.run(0.21)
    assert 330 <= len(metered.body.received) <= 420
    metered.rates.host("h").bytes_per_second = None
    assert 1100 == len(metered.body.received)
    metered.below.send(b"c" * 1000)
    metered.below.end()
    assert (2100, "ResponseDone") == (len(metered.body.received), metered.body.end)
    assert not metered.below.paused


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_protocol_pauses(clock: Clock, rate: float | None) -> None:
    """When the protocol wants no more it gets no more, whatever comes, nor the end before the rest."""
    metered = Metered(clock, Response(end=None), rate=rate)
    metered.body.producer.pauseProducing()
    metered.body.producer.pauseProducing()
    assert ["pause"] == metered.below.told
    metered.below.send(b"x" * 20)
    metered.below.end()
    metered.run(1)
    assert (b"", "") == (metered.body.received, metered.body.end)
    metered.body.producer.resumeProducing()
    metered.run(1)
    assert (b"x" * 20, "ResponseDone") == (metered.body.received, metered.body.end)


def test_protocol_pauses_in_the_middle(clock: Clock) -> None:
    """A protocol may pause when it gets a piece, and while the next waits for its time; nothing is paid twice."""
    metered = Metered(clock, Response(pieces=[b"x" * 200]))
    metered.body.producer.pauseProducing()
    metered.run(0.5)
    assert 50 == len(metered.body.received)
    metered.body.producer.resumeProducing()
    assert 100 == len(metered.body.received)
    metered.run(1)
    assert round(0.5 + 0.15, 4) == metered.body.over


class Pausing(Timed):
    """Pauses at each piece."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.pauseProducing()


def test_protocol_pauses_at_each_piece(clock: Clock) -> None:
    """A protocol that pauses at each piece gets one for each time it resumes."""
    metered = Metered(clock, Response(pieces=[b"x" * 100]), body=Pausing(clock))
    metered.run(1)
    assert 50 == len(metered.body.received)
    metered.body.producer.resumeProducing()
    metered.run(1)
    assert (100, "ResponseDone") == (len(metered.body.received), metered.body.end)


def test_stopped(clock: Clock) -> None:
    """A protocol that stops gets nothing but the end; its timer is gone, and what was not handed on does not count."""
    metered = Metered(clock, Response(pieces=[b"x" * 1050], end=None))
    metered.body.producer.stopProducing()
    metered.body.producer.stopProducing()
    assert metered.below.stopped
    assert (50, "ResponseFailed") == (len(metered.body.received), metered.body.end)
    assert [] == metered.ends
    assert not clock.getDelayedCalls()
    other = Metered(clock, Response(pieces=[b"y"]), rate=None, rates=metered.rates)
    other.run(0.04)
    assert b"" == other.body.received
    other.run(0.02)
    assert b"y" == other.body.received


def test_stopped_after_the_end_below(clock: Clock) -> None:
    """The same holds when everything has come already: the end is then no good one."""
    metered = Metered(clock, Response(pieces=[b"x" * 500]))
    metered.body.producer.stopProducing()
    assert ["ConnectionAborted"] == [each.type.__name__ for each in metered.body.ends[0].value.reasons]  # type: ignore[attr-defined]
    assert not clock.getDelayedCalls()


def test_stopped_when_all_was_handed_on(clock: Clock) -> None:
    """One that stops when it has everything is told the end at once."""
    metered = Metered(clock, Response(pieces=[b"x" * 50]))
    assert "" == metered.body.end
    metered.body.producer.stopProducing()
    assert "ResponseDone" == metered.body.end
    assert not clock.getDelayedCalls()
    metered.body.producer.stopProducing()


class Stopping(Timed):
    """Stops at the first piece."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.stopProducing()


@pytest.mark.parametrize("end", [None, ConnectionLost()])
def test_stopped_at_a_piece(clock: Clock, end: Exception | None) -> None:
    """A protocol may stop when it gets a piece."""
    metered = Metered(clock, Response(pieces=[b"x" * 500], end=end), body=Stopping(clock))
    assert (50, "ResponseFailed") == (len(metered.body.received), metered.body.end)
    assert metered.below.stopped


def test_bytes_after_the_stop(clock: Clock) -> None:
    """What comes after that is thrown away."""

    class Deaf(Response):
        def stopProducing(self) -> None:
            self.told.append("stop")

    metered = Metered(clock, Deaf(end=None))
    metered.body.producer.stopProducing()
    metered.below.send(b"x" * 1000)
    metered.body.producer.resumeProducing()
    metered.below.end()
    assert (b"", "ResponseDone") == (metered.body.received, metered.body.end)
    assert metered.rates.bytes.idle


class Failing(Timed):
    """Raises at the first piece."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        raise ZeroDivisionError("of the test")


@pytest.mark.parametrize("end", [None, ConnectionLost()])
def test_protocol_raises(clock: Clock, end: Exception | None) -> None:
    """A protocol that raises gets no more, and is told its own error as the end."""
    metered = Metered(clock, Response(pieces=[b"x" * 500], end=end), body=Failing(clock))
    assert (50, "ZeroDivisionError") == (len(metered.body.received), metered.body.end)
    assert metered.below.stopped


def test_protocol_raises_when_all_is_here(clock: Clock) -> None:
    """The same holds when the response is over below."""
    metered = Metered(clock, Response(), rate=1)
    later = Metered(clock, Response(pieces=[b"xx"]), rate=None, rates=metered.rates, body=Failing(clock))
    later.run(5)
    assert (1, "ZeroDivisionError") == (len(later.body.received), later.body.end)


def test_protocol_raises_without_limits(clock: Clock) -> None:
    """Without limits its error goes where it would without a meter."""
    wire = Wire()
    asked = wire.ask(None, OK + b"Content-Length: 10\r\n\r\n", deliver=False)
    metered = Metered(clock, asked.response, rate=None, body=Failing(clock))
    wire.hear(b"x")
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert "ResponseFailed" == metered.body.end


class FailingAtTheEnd(Timed):
    """Raises at the end."""

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        raise ZeroDivisionError("of the test")


def test_protocol_raises_at_its_end(clock: Clock, logged_errors: LoggedErrors) -> None:
    """A protocol that raises at its end is logged, and disturbs nobody."""
    Metered(clock, Response(), body=FailingAtTheEnd(clock))
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


def test_broken_off(clock: Clock) -> None:
    """What came before a connection broke is handed on, at its time; then comes the reason."""
    metered = Metered(clock, Response(pieces=[b"x" * 500], end=ConnectionLost()))
    metered.run(0.49)
    assert (500, "") == (len(metered.body.received), metered.body.end)
    metered.run(0.02)
    assert "ConnectionLost" == metered.body.end
    assert [ConnectionLost] == [each.type for each in metered.ends]


def test_two_bodies(clock: Clock) -> None:
    """Two bodies take turns, and take twice as long."""
    rates = Rates(clock)
    rates.bytes_per_second = 1000
    one, two = (Metered(clock, Response(pieces=[b"x" * 500]), rate=None, rates=rates) for _ in range(2))
    one.run(0.5)
    assert 50 >= abs(len(one.body.received) - len(two.body.received))
    one.run(1)
    assert 1.0 == two.body.over
    assert 0.9 <= one.body.over <= 1.0
    assert not clock.getDelayedCalls()


def test_real_connection_is_not_silent(clock: Clock) -> None:
    """A connection whose body is held back says that it is we who do not read."""
    wire = Wire()
    asked = wire.ask(get(), OK + b"Content-Length: 300\r\n\r\n" + b"x" * 100, deliver=False)
    metered = Metered(clock, asked.response)
    assert (True, "paused") == (wire.connection.paused, wire.transport.producerState)
    metered.run(0.05)
    assert (False, "producing") == (wire.connection.paused, wire.transport.producerState)
    wire.hear(b"x" * 200)
    assert (1, False) == (len(wire.idle), wire.connection.paused)
    metered.run(1)
    assert (300, "ResponseDone", 0.3) == (len(metered.body.received), metered.body.end, metered.body.over)


def test_whole_of_a_real_connection(clock: Clock) -> None:
    """A whole response of a connection is delivered like that too, once its connection is free."""
    wire = Wire()
    asked = wire.ask(get(), ok(b"x" * 100), deliver=False)
    assert asked.response.whole
    metered = Metered(clock, asked.response)
    assert 1 == len(wire.idle)
    metered.run(1)
    assert (100, "ResponseDone", 0.1) == (len(metered.body.received), metered.body.end, metered.body.over)
    with pytest.raises(RuntimeError):
        metered.response.deliverBody(Body())


class Wide(Response):
    """A response that can come in larger pieces."""

    read_by: Any

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.sizes: list[int | None] = []
        self.read_by = self.sizes.append


@pytest.mark.parametrize(("rate", "expected"), [(None, [1 << 20, None]), (1000.0, [])])
def test_read_by(rate: float | None, expected: list[int | None]) -> None:
    """What is not limited may come in larger pieces; what is comes in small ones."""
    wide = Wide(end=None, length=300_000)
    metered = Metered(Clock(), wide, rate)
    metered.response.deliverBody(metered.body)
    transport: Any = metered.body.transport
    transport.read_by(1 << 20)
    transport.read_by(None)
    assert expected == wide.sizes


def test_read_by_nobody() -> None:
    """Of a body that comes as it comes, nothing is asked."""
    response = Response(end=None, length=300_000)
    metered = Metered(Clock(), response, None)
    metered.response.deliverBody(metered.body)
    transport: Any = metered.body.transport
    transport.read_by(1 << 20)
    assert [] == response.told
