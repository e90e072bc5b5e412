"""One question to one name server."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from twisted.internet import error as failing
from twisted.internet.defer import CancelledError, Deferred
from twisted.names import dns
from twisted.python.failure import Failure

from tests.unit.answering import outcome
from tests.unit.name_wire import UDPReactor, answer
from twisted_pulp.http._name_question import Silent, Unanswered, ask

SERVER = ("192.0.2.53", 53)
RECORD: Any = dns.Record_A("192.0.2.1", 60)  # type: ignore[no-untyped-call]


class Asking:
    """A question, and what became of it."""

    def __init__(self, server: tuple[str, int] = SERVER) -> None:
        self.reactor = UDPReactor()
        self.d = Deferred.fromCoroutine(ask(self.reactor, server, b"a.test", dns.A))

    @property
    def port(self) -> Any:
        """The port it is asked from."""
        return self.reactor.ports[0]

    @property
    def left(self) -> list[Any]:
        """What it has left behind."""
        return [*self.reactor.open, *self.reactor.getDelayedCalls()]


def test_asked() -> None:
    """One question is asked, of one server, with recursion wanted."""
    asking = Asking()
    question = asking.port.question
    assert SERVER == asking.port.to
    assert [(b"a.test", dns.A, dns.IN)] == [(each.name.name, each.type, each.cls) for each in question.queries]
    assert (1, 0) == (question.recDes, question.answer)


def test_answered() -> None:
    """The answer is returned, and nothing is left."""
    asking = Asking()
    asking.port.say(RECORD)
    message = outcome(asking.d)
    assert ["192.0.2.1"] == [each.payload.dottedQuad() for each in message.answers]
    assert [] == asking.left


def test_ids_are_random() -> None:
    """Nobody can guess the id of the next question."""
    ids = {Asking().port.question.id for _ in range(100)}
    assert len(ids) > 90


@pytest.mark.parametrize(("server", "interface"), [(SERVER, ""), (("2001:db8::53", 5353), "::")])
def test_interface(server: tuple[str, int], interface: str) -> None:
    """A port is of the server's version of IP."""
    assert (interface, server) == (Asking(server).port.interface, Asking(server).port.to)


@pytest.mark.parametrize(
    "change",
    [
        lambda message: setattr(message, "id", message.id ^ 1),
        lambda message: setattr(message, "answer", 0),
        lambda message: setattr(message, "opCode", dns.OP_STATUS),
        lambda message: setattr(message, "queries", []),
        lambda message: setattr(message, "queries", [dns.Query(b"b.test", dns.A)]),
        lambda message: setattr(message, "queries", [dns.Query(b"a.test", dns.AAAA)]),
        lambda message: setattr(message, "queries", [dns.Query(b"a.test", dns.A, dns.CH)]),
        lambda message: setattr(message, "queries", message.queries * 2),
    ],
)
def test_not_an_answer(change: Any) -> None:
    """What answers no question of ours is not believed (N1), and the answer may still come."""
    asking = Asking()
    asking.port.say(RECORD, change=change)
    assert asking.reactor.open
    asking.port.say(RECORD)
    assert 1 == len(outcome(asking.d).answers)


def test_name_in_other_letters() -> None:
    """A server may change the case of the name."""
    asking = Asking()
    asking.port.say(RECORD, change=lambda message: setattr(message, "queries", [dns.Query(b"A.TEST", dns.A)]))
    assert 1 == len(outcome(asking.d).answers)


@pytest.mark.parametrize("code", [dns.EFORMAT, dns.ESERVER, dns.ENOTIMP, dns.EREFUSED])
def test_refusal_without_the_question(code: int) -> None:
    """A server that refuses need not repeat what."""
    asking = Asking()
    asking.port.say(rCode=code, change=lambda message: message.queries.clear())
    assert code == outcome(asking.d).rCode


def test_nonsense(rng: random.Random) -> None:
    """Whatever else comes is no answer, and does no harm."""
    asking = Asking()
    whole = answer(asking.port.question, RECORD)
    for _ in range(300):
        data = bytearray(whole[: rng.randrange(2, len(whole))] + rng.randbytes(rng.randrange(20)))
        data[rng.randrange(2)] ^= 1 + rng.randrange(255)
        asking.port.protocol.datagramReceived(bytes(data), SERVER)
    assert asking.reactor.open
    head = struct.pack("!H", asking.port.question.id)
    for data in (b"", head, head + b"\x80", head + b"\x81\x80" + b"\xff" * 8 + b"\xc0\x0c" * 2000):
        asking.port.protocol.datagramReceived(data, SERVER)
    assert asking.reactor.open
    asking.port.say(RECORD)
    assert 1 == len(outcome(asking.d).answers)


def test_second_answer() -> None:
    """Only the first answer counts."""
    asking = Asking()
    asking.port.say(RECORD)
    asking.port.say(rCode=dns.ENAME)
    assert dns.OK == outcome(asking.d).rCode


def test_silent() -> None:
    """A server has 5 s."""
    asking = Asking()
    asking.reactor.advance(4.9)
    assert not asking.d.called
    asking.reactor.advance(0.1)
    error = outcome(asking.d)
    assert isinstance(error, Silent)
    assert "192.0.2.53 did not answer in 5 s" == str(error)
    assert [] == asking.left


@pytest.mark.parametrize("end", ["connectionRefused", "stopProtocol"])
def test_nobody_listens(end: str) -> None:
    """Where nobody listens nobody is waited for."""
    asking = Asking()
    getattr(asking.port.protocol, end)()
    error = outcome(asking.d)
    assert type(error) is Unanswered
    assert "nothing listens at 192.0.2.53 port 53" == str(error)
    assert [] == asking.left


def test_unreachable() -> None:
    """Where there is no way to a server it cannot be asked."""
    reactor = UDPReactor()
    reactor.unreachable = OSError(101, "Network is unreachable")
    error = outcome(Deferred.fromCoroutine(ask(reactor, SERVER, b"a.test", dns.A)))
    assert "192.0.2.53 cannot be asked: [Errno 101] Network is unreachable" == str(error)
    assert [] == [*reactor.open, *reactor.getDelayedCalls()]


def test_no_port() -> None:
    """Where there is no port neither."""
    reactor = UDPReactor()
    reactor.exhausted = failing.CannotListenError("", 0, OSError(24, "Too many open files"))
    error = outcome(Deferred.fromCoroutine(ask(reactor, SERVER, b"a.test", dns.A)))
    assert type(error) is Unanswered
    assert "Too many open files" in str(error)


def test_cancelled() -> None:
    """Cancelling closes the port and the timer, which `twisted.names.client` does not."""
    asking = Asking()
    asking.d.cancel()
    assert isinstance(outcome(asking.d), CancelledError)
    assert [] == asking.left


# By TCP


def truncated() -> Asking:
    """Return a question whose answer did not fit."""
    asking = Asking()
    asking.port.say(trunc=1)
    assert [] == asking.reactor.open
    return asking


def test_stream() -> None:
    """What does not fit is asked for again by TCP, at the same server, and the connection is closed."""
    asking = truncated()
    assert SERVER == asking.reactor.tcpClients[0][:2]
    transport = asking.reactor.stream()
    length, sent = struct.unpack("!H", transport.value()[:2])[0], transport.value()[2:]
    assert length == len(sent)
    assert asking.port.sent == [sent]
    whole = answer(asking.port.question, RECORD, RECORD)
    asking.reactor.protocol.dataReceived(struct.pack("!H", len(whole)) + whole[:20])
    assert not asking.d.called
    asking.reactor.protocol.dataReceived(whole[20:])
    assert 2 == len(outcome(asking.d).answers)
    assert asking.reactor.connectors[0]._disconnected
    assert [] == asking.left


def test_stream_that_says_something_else() -> None:
    """Another answer by TCP is none."""
    asking = truncated()
    asking.reactor.stream()
    asking.reactor.protocol.dataReceived(b"\0\x03abc")
    assert type(outcome(asking.d)) is Unanswered


def test_stream_that_ends() -> None:
    """A server that hangs up has not answered."""
    asking = truncated()
    asking.reactor.stream()
    asking.reactor.protocol.connectionLost(Failure(failing.ConnectionLost()))
    assert type(outcome(asking.d)) is Unanswered
    assert [] == asking.left


def test_stream_refused() -> None:
    """Nor has one that does not speak TCP."""
    asking = truncated()
    factory, connector = asking.reactor.tcpClients[0][2], asking.reactor.connectors[0]
    factory.clientConnectionFailed(connector, Failure(failing.ConnectionRefusedError()))
    assert "nothing listens at 192.0.2.53 port 53" == str(outcome(asking.d))


@pytest.mark.parametrize("accepted", [True, False])
def test_stream_silent(accepted: bool) -> None:
    """By TCP it has 5 s as well."""
    asking = truncated()
    if accepted:
        asking.reactor.stream()
    asking.reactor.advance(5)
    assert isinstance(outcome(asking.d), Silent)
    assert asking.reactor.connectors[0]._disconnected
    assert [] == asking.left


def test_stream_cancelled() -> None:
    """Cancelling ends the connection."""
    asking = truncated()
    asking.d.cancel()
    assert isinstance(outcome(asking.d), CancelledError)
    assert asking.reactor.connectors[0]._disconnected
    assert [] == asking.left
