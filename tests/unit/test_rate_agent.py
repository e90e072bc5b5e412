"""Requests that wait for their turn, and what is seen of their ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost as LostConnection
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone, ResponseFailed
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.fakes import Agent, Response
from tests.unit.answering import Answering, outcome
from tests.unit.wire import OK, Body, ok
from twisted_pulp.errors import (
    Cancelled,
    ConnectionLost,
    ConnectionRefused,
    HeadersTimeout,
    IdleTimeout,
    ProtocolError,
    PulpError,
    SettingsError,
)
from twisted_pulp.http import ErrorAgent, Intake, Paces, RateAgent, Rates
from twisted_pulp.http._meter import MeteredResponse
from twisted_pulp.settings import Remote

URI = b"http://h.test/f"


class Asking:
    """An agent with rates, and what it was asked."""

    def __init__(self, clock: Clock, **rates: float) -> None:
        self.agent, self.rates, self.clock = Agent(), Rates(clock), clock
        self.remote = self.rates.of(Remote())
        for name, value in rates.items():
            setattr(self.rates, name, value)
        self.rated = RateAgent(self.agent, self.rates, self.remote)

    def ask(self, uri: bytes = URI) -> Deferred[Any]:
        """Make a request."""
        return self.rated.request(b"GET", uri)

    @property
    def asked(self) -> int:
        """Requests that were let through."""
        return len(self.agent.asked)


def test_interface(clock: Clock) -> None:
    """It is an agent."""
    assert verifyObject(IAgent, Asking(clock).rated)


def test_without_limits(clock: Clock) -> None:
    """Without a limit every request is made at once."""
    asking = Asking(clock, bytes_per_second=1)
    for _ in range(100):
        asking.ask()
    assert 100 == asking.asked


def test_turns(clock: Clock) -> None:
    """Requests are made at their rate, in the order they were asked for, and what comes of them is handed on."""
    asking = Asking(clock, requests_per_second=10)
    waiting = [asking.ask(b"http://h/%d" % number) for number in range(3)]
    assert 1 == asking.asked
    clock.advance(0.1)
    clock.advance(0.1)
    assert ["http://h/0", "http://h/1", "http://h/2"] == asking.agent.urls
    for number, d in enumerate(asking.agent.waiting):
        d.callback(number)
    assert [0, 1, 2] == [outcome(d) or 0 for d in waiting]


def test_hosts_do_not_wait_for_each_other(clock: Clock) -> None:
    """Where each host has its rate, each has its queue."""
    asking = Asking(clock, host_requests_per_second=1)
    asking.rates.requests_per_second = 1000
    for host in (b"a", b"a", b"a", b"b"):
        asking.ask(b"http://%b/" % host)
    clock.advance(0.01)
    assert ["http://a/", "http://b/"] == asking.agent.urls


def test_cancelled(clock: Clock) -> None:
    """Who is cancelled while it waits fails as any that is cancelled does, and asks for nothing."""
    asking = Asking(clock, requests_per_second=1)
    asking.ask()
    waiting = asking.ask(b"http://user:secret@h.test/f")
    waiting.cancel()
    error = outcome(waiting)
    assert isinstance(error, Cancelled)
    assert "secret" not in str(error)
    assert not clock.getDelayedCalls()
    assert 1 == asking.asked


def test_lifted(clock: Clock) -> None:
    """A limit that is lifted lets everybody through who waits."""
    asking = Asking(clock, requests_per_second=1)
    for _ in range(10):
        asking.ask()
    asking.rates.requests_per_second = None
    assert 10 == asking.asked


def test_errors(clock: Clock) -> None:
    """What fails at once fails in the Deferred, as without a limit."""
    asking = Asking(clock, requests_per_second=1)
    asking.agent.answers = [SettingsError("url", "x", "y")]
    assert isinstance(outcome(asking.ask()), SettingsError)


class Seeing:
    """What an intake makes of responses and errors."""

    def __init__(self, clock: Clock, paces: bool = True) -> None:
        self.rates, self.paces = Rates(clock), Paces(clock, 8, {})
        self.remote = self.rates.of(Remote())
        self.intake = Intake(self.rates, self.remote, self.paces if paces else None)

    def respond(self, *answers: bytes | Exception | None, uri: bytes = URI) -> Any:
        """Ask an agent that gives *answers*; return what came of it."""
        return outcome(ErrorAgent(Answering(*answers), self.intake).request(b"GET", uri))

    @property
    def allowed(self) -> int:
        """Requests at once that the host may have."""
        pace = self.paces.lowered.get(("h.test", 80))
        return 8 if pace is None else pace.allowed


@pytest.fixture
def seeing(clock: Clock) -> Seeing:
    """An intake."""
    return Seeing(clock)


def test_whole_is_left_alone(seeing: Seeing) -> None:
    """Without limits a response that is whole is what it was."""
    response = seeing.respond(ok(b"hello"))
    assert not isinstance(response, MeteredResponse)
    assert response.whole


@pytest.mark.parametrize("answer", [OK + b"Content-Length: 9\r\n\r\n", ok(b"hello")])
def test_metered(seeing: Seeing, answer: bytes) -> None:
    """With limits every body is metered."""
    seeing.rates.bytes_per_second = 1000
    assert isinstance(seeing.respond(answer), MeteredResponse)


def test_under_way(seeing: Seeing) -> None:
    """A body that is still to come can be metered later; nothing else can be seen of that."""
    response = seeing.respond(OK + b"X: y\r\nContent-Length: 5\r\n\r\n")
    assert isinstance(response, MeteredResponse)
    assert ({"x": "y", "content-length": "5"}, 5, 200) == (dict(response.fields), response.length, response.code)
    assert URI == response.request.absoluteURI


@pytest.mark.parametrize("code", [429, 503])
def test_too_much(seeing: Seeing, code: int) -> None:
    """These answers say that it was too much."""
    assert code == seeing.respond(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % code).code
    assert 1 == seeing.allowed


@pytest.mark.parametrize(
    "error", [ConnectionLost("u"), ConnectionRefused("u"), HeadersTimeout("u", 1), LostConnection()]
)
def test_errors_that_say_so(seeing: Seeing, error: Exception) -> None:
    """So do a lost or refused connection, and no answer in time; the error is still raised."""
    raised = seeing.respond(error)
    assert isinstance(raised, PulpError)
    assert 1 == seeing.allowed


@pytest.mark.parametrize("error", [ProtocolError("u"), Cancelled("u")])
def test_errors_that_do_not(seeing: Seeing, error: Exception) -> None:
    """Other errors say nothing; they do not count as good answers either."""
    seeing.respond(error)
    assert {} == seeing.paces.lowered
    seeing.paces.note(("h.test", 80), False)
    for _ in range(50):
        seeing.respond(error)
    assert 1 == seeing.allowed


def test_good_answers(seeing: Seeing) -> None:
    """Good answers count as long as the host is asked less."""
    seeing.paces.note(("h.test", 80), False)
    for _ in range(20):
        seeing.respond(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
    assert 2 == seeing.allowed


@pytest.mark.parametrize(
    ("reason", "allowed"),
    [
        (ResponseDone(), 8),
        (IdleTimeout("u", 1), 1),
        (LostConnection(), 1),
        (ProtocolError("u"), 8),
    ],
)
def test_ends_of_bodies(seeing: Seeing, reason: Exception, allowed: int) -> None:
    """A body that stalls or breaks off says the same."""
    response = Response(end=None)
    seeing.intake.answered(response, URI).deliverBody(Body())
    inner = reason if isinstance(reason, ResponseDone) else ResponseFailed([Failure(reason)], None)
    response.end(inner)
    assert allowed == seeing.allowed


def test_not_adaptive(clock: Clock) -> None:
    """A Remote that does not adapt changes nothing."""
    seeing = Seeing(clock, paces=False)
    seeing.respond(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    seeing.respond(ConnectionRefused("u"))
    response = Response(end=None)
    body = Body()
    seeing.intake.answered(response, URI).deliverBody(body)
    response.end(LostConnection())
    assert "ConnectionLost" == body.end
    assert {} == seeing.paces.lowered


@pytest.mark.parametrize("uri", [b"ftp://h.test/", b"nonsense", b"file:///f"])
def test_other_schemes(seeing: Seeing, uri: bytes) -> None:
    """Only hosts that are asked by HTTP have a pace."""
    seeing.respond(ConnectionRefused("u"), uri=uri)
    assert {} == seeing.paces.lowered
