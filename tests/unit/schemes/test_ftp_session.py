"""A session, reply by reply."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IPushProducer
from twisted.internet.testing import MemoryReactorClock
from twisted.web._newclient import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IClientRequest, IResponse
from zope.interface.verify import verifyObject

from tests.leaks import LoggedErrors
from tests.unit.ftp import Server
from tests.unit.wire import Body
from twisted_pulp.context import Context
from twisted_pulp.errors import (
    ConnectionLost,
    ConnectTimeout,
    HeadersTimeout,
    IdleTimeout,
    LowSpeed,
    ProtocolError,
    SettingsError,
    SizeMismatch,
)
from twisted_pulp.http import Cap, ConnectionPool, translated
from twisted_pulp.schemes._ftp import FTPAgent
from twisted_pulp.schemes._ftp_pairs import Pairs
from twisted_pulp.schemes._ftp_talk import Login
from twisted_pulp.settings import Network, Remote, Timeouts

TIMEOUTS = Timeouts(connect=5, headers=10, idle=20, low_speed=None)


def kind(body: Body) -> type:
    """Return what ended *body*, as an error of this package, or ResponseDone."""
    (end,) = body.ends
    return ResponseDone if end.check(ResponseDone) else type(translated(end, "ftp://h/f"))


# One file


def test_download() -> None:
    """A login, the facts, a data connection to the same host, the bytes; then the session can take the next."""
    server = Server()
    asked = server.sending(size=6)
    assert [b"USER", b"TYPE", b"SIZE", b"MDTM", b"EPSV", b"RETR"] == server.verbs
    assert [("192.0.2.1", 2000)] == server.dialled
    response = asked.response
    assert verifyObject(IResponse, response)
    assert verifyObject(IPushProducer, response)
    assert verifyObject(IClientRequest, response.request)
    assert (200, 6) == (response.code, response.length)
    body = asked.body()
    server.send(b"abc", b"def")
    server.close()
    assert ([], []) == (body.ends, server.idle)
    server.say(b"226 done")
    assert (b"abcdef", ResponseDone) == (body.received, kind(body))
    assert ([server.session], 1) == (server.idle, server.over)
    server.sending(size=6)
    assert 2 == len(server.dialled)
    assert 1 == server.verbs.count(b"USER")


def test_last_word_first() -> None:
    """The last reply may come before the last byte, with the first one, or instead of it."""
    for early in (b"150 coming\r\n226 done", b"226 all is on its way"):
        server = Server()
        asked = server.ask()
        server.welcome()
        server.tell(6)
        server.say(b"229 (|||2000|)", early)
        body = asked.body()
        server.send(b"abcdef")
        assert [] == body.ends
        server.close()
        assert (b"abcdef", ResponseDone, 1) == (body.received, kind(body), len(server.idle))


def test_marks_are_passed_over() -> None:
    """A reply that only says that it goes on does not end a transfer."""
    server = Server()
    body = server.sending().body()
    server.say(b"150 still coming")
    server.send(b"abcdef")
    server.close()
    server.say(b"226 done")
    assert ResponseDone is kind(body)


def test_body_taken_late() -> None:
    """Nothing is read until somebody wants it; what came early, and the end, are kept."""
    server = Server()
    asked = server.sending()
    assert "paused" == server.data.transport.producerState
    server.data.dataReceived(b"abc")
    body = asked.body()
    assert ("producing", b"abc") == (server.data.transport.producerState, body.received)
    server = Server()
    asked = server.sending()
    server.send(b"abcdef")
    server.close()
    server.say(b"226 done")
    assert [server.session] == server.idle
    body = asked.body()
    assert (b"abcdef", ResponseDone) == (body.received, kind(body))
    with pytest.raises(RuntimeError):
        asked.body()


def test_early_bytes() -> None:
    """Bytes that come before the reply that announces them are a part of the body."""
    server = Server()
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)")
    server.send(b"abc")
    server.say(b"150 coming")
    assert b"abc" == asked.body().received


def test_pauses() -> None:
    """Who gets the body may pause it, and it stays paused until it is resumed."""
    server = Server()
    body = server.sending().body()
    body.producer.pauseProducing()
    assert "paused" == server.data.transport.producerState
    assert server.session.paused
    body.producer.resumeProducing()
    body.producer.resumeProducing()
    assert "producing" == server.data.transport.producerState
    server.send(b"abcdef")
    server.close()
    body.producer.pauseProducing()
    body.producer.resumeProducing()
    server.say(b"226 done")
    body.producer.pauseProducing()
    body.producer.resumeProducing()
    assert ResponseDone is kind(body)


def test_paused_from_the_start() -> None:
    """A body may be paused before its first byte."""

    class Hesitant(Body):
        def connectionMade(self) -> None:
            self.producer.pauseProducing()

    server = Server()
    body = server.sending().body(Hesitant())
    assert "paused" == server.data.transport.producerState
    body.producer.resumeProducing()
    assert "producing" == server.data.transport.producerState


def test_given_up() -> None:
    """Who wants no more ends both connections; a second time is nothing."""
    server = Server()
    asked = server.sending()
    body = asked.body()
    body.producer.stopProducing()
    assert (True, True) == (server.control.disconnected, server.data.transport.disconnected)
    assert [ResponseFailed] == [end.type for end in body.ends]
    body.producer.stopProducing()
    server.session.give_up()
    server.session.dataReceived(b"226 done\r\n")
    server.data.dataReceived(b"abc")
    assert (b"", 1, []) == (body.received, len(body.ends), server.idle)
    server.drop()
    assert [] == server.lost
    server.close()
    assert ([server.session], 1) == (server.lost, server.over)


def test_protocol_that_raises(logged_errors: LoggedErrors) -> None:
    """A body's protocol may raise whenever it likes: the connections end, and nothing is left."""

    class Raising(Body):
        def __init__(self, where: str) -> None:
            super().__init__()
            self._where = where

        def connectionMade(self) -> None:
            if self._where == "made":
                raise ZeroDivisionError

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if self._where == "data":
                raise ZeroDivisionError

        def connectionLost(self, reason: Any = None) -> None:
            super().connectionLost(reason)
            if self._where == "lost":
                raise ZeroDivisionError

    server = Server()
    with pytest.raises(ZeroDivisionError):
        server.sending().body(Raising("made"))
    assert server.control.disconnected
    server = Server()
    body = server.sending().body(Raising("data"))
    server.send(b"abc", b"def")
    assert (b"abc", True, 1) == (body.received, server.control.disconnected, len(body.ends))
    server = Server()
    body = server.sending().body(Raising("lost"))
    server.send(b"abcdef")
    server.close()
    server.say(b"226 done")
    assert (1, [server.session]) == (len(body.ends), server.idle)
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


def test_protocol_that_stops_at_the_first_byte() -> None:
    """A protocol may stop in the middle of taking a piece, one that came early too."""

    class Sated(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.producer.stopProducing()

    server = Server()
    body = server.sending().body(Sated())
    server.send(b"abc")
    assert (b"abc", 1) == (body.received, len(body.ends))
    server = Server()
    asked = server.sending()
    server.send(b"abc")
    server.send(b"def")
    body = asked.body(Sated())
    assert (b"abc", 1) == (body.received, len(body.ends))


def test_range_to_before_the_end() -> None:
    """A range that ends before the file does ends the session, which would go on sending."""
    server = Server()
    asked = server.sending({b"Range": b"bytes=1-2"}, size=6)
    assert (206, 2, b"REST 1" in server.control.value()) == (asked.response.code, asked.response.length, True)
    body = asked.body()
    server.send(b"bcdef")
    assert (b"bc", ResponseDone, True) == (body.received, kind(body), server.control.disconnected)


def test_more_than_promised() -> None:
    """No byte more than the size is handed on."""
    server = Server()
    body = server.sending(size=4).body()
    server.send(b"abc", b"def")
    assert (b"abcd", SizeMismatch) == (body.received, kind(body))


def test_no_size() -> None:
    """Without a size the length is not known, and the server is not asked for it again where it has no SIZE."""
    server = Server()
    asked = server.ask()
    server.welcome()
    server.say(b"500 what?", b"502 what?", b"229 (|||2000|)", b"150 coming")
    assert asked.response.length is UNKNOWN_LENGTH
    body = asked.body()
    server.send(b"abc")
    server.close()
    server.say(b"226 done")
    assert ResponseDone is kind(body)
    server.ask()
    assert (1, 1) == (server.verbs.count(b"SIZE"), server.verbs.count(b"MDTM"))


def test_utf8_is_announced_once() -> None:
    """A server is told once that names are in UTF-8, when one needs it, and may know nothing of it."""
    server = Server()
    server.ask(path="ü".encode())
    server.welcome()
    assert b"OPTS" == server.verbs[-1]
    server.say(b"501 what?", b"550 none", b"550 none", b"229 (|||1|)", b"550 none")
    server.ask(path="ö".encode())
    assert 1 == server.verbs.count(b"OPTS")


# What goes wrong


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ([b"421 full"], 503),
        ([b"530 go away"], 401),
        ([b"220 hello", b"530 no"], 401),
        ([b"220 hello", b"331 password?", b"530 no"], 401),
        ([b"220 hello", b"331 password?", b"332 account?"], 401),
        ([b"220 hello", b"230 in", b"504 what?"], 501),
        ([b"220 hello", b"331 password?", b"202 as you like", b"200 I", b"421 bye"], 503),
        ([b"220 hello", b"230 in", b"200 I", b"213 1", b"421 bye"], 503),
        ([b"220 hello", b"230 in", b"200 I", b"213 6", b"213 1", b"421 bye"], 503),
        ([b"220 hello", b"230 in", b"200 I", b"213 6", b"213 1", b"229 (|||1|)", b"421 bye"], 503),
    ],
)
def test_refused(said: list[bytes], status: int) -> None:
    """A refusal is an answer with the status that means the same; the session is not kept where it may not be."""
    server = Server()
    asked = server.ask()
    server.say(*said)
    assert (status, []) == (asked.response.code, server.idle)
    assert server.control.disconnected
    body = asked.body()
    assert (b"", ResponseDone) == (body.received, kind(body))


def test_missing() -> None:
    """A missing file costs no session; its data connection is ended, and counted no more."""
    server = Server()
    asked = server.ask()
    server.welcome()
    server.say(b"550 none", b"550 none", b"229 (|||2000|)", b"550 none")
    assert (404, b"RETR was answered with 550", [server.session]) == (
        asked.response.code,
        asked.response.phrase,
        server.idle,
    )
    assert server.data.transport.disconnected
    server.close()
    assert 1 == server.over
    head = server.ask(method=b"HEAD")
    server.say(b"550 none", b"550 none")
    assert (404, 2) == (head.response.code, len(server.idle))
    there = server.ask(method=b"HEAD")
    server.say(b"550 size is secret", b"213 20211021123456")
    assert 200 == there.response.code


def test_rest_is_not_left_behind() -> None:
    """A session that was told where to begin, and then refuses the file, is not used for another."""
    server = Server()
    asked = server.ask({b"Range": b"bytes=2-"})
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)", b"350 there", b"550 none")
    assert (404, [], True) == (asked.response.code, server.idle, server.control.disconnected)
    server = Server()
    asked = server.ask({b"Range": b"bytes=2-"})
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)", b"421 bye")
    assert 503 == asked.response.code


@pytest.mark.parametrize("late", [False, True])
def test_data_connection_refused(late: bool) -> None:
    """A data connection that cannot be made, or not used, is counted no more, and its error is the request's."""
    server = Server()
    server.refuse, server.late = Refused(), late
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)")
    assert (Refused, 1) == (asked.failure.type, server.over)
    assert server.control.disconnected


@pytest.mark.parametrize("peer", [UNIXAddress("/run/ftp"), object()])
def test_no_network(peer: Any) -> None:
    """Where a connection goes to no host, there is none that data could come from."""
    server = Server(peer)
    asked = server.ask()
    server.welcome()
    server.tell()
    assert SettingsError is asked.failure.type


def test_ipv6() -> None:
    """Over IPv6, only EPSV is tried, each time."""
    server = Server(IPv6Address("TCP", "2001:db8::1", 21))
    server.sending()
    assert [("2001:db8::1", 2000)] == server.dialled
    server = Server(IPv6Address("TCP", "2001:db8::1", 21))
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"502 what?")
    assert 501 == asked.response.code


@pytest.mark.parametrize(
    "said", [b"220 hello\r\n331 early", b"220 hello\r\n" * 90, b"220 hello\r\n" * 101, b"garbage", b"220 a\r\n500 b"]
)
def test_unasked(said: bytes) -> None:
    """An answer to what was not asked is an error: those that follow would be taken for others."""
    server = Server()
    asked = server.ask()
    server.say(said)
    assert ProtocolError is asked.failure.type
    assert server.control.disconnected


def test_too_many_unasked() -> None:
    """Answers that nobody waits for are not gathered without end."""
    server = Server(dialling=Deferred())
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)", *[b"200 and"] * 150)
    assert ProtocolError is asked.failure.type


def test_unasked_while_idle() -> None:
    """Whatever an idle session says ends it; so does what it said behind the last reply."""
    server = Server()
    server.ask(method=b"HEAD")
    server.welcome()
    server.tell()
    assert [server.session] == server.idle
    server.say(b"421 too long idle")
    assert server.control.disconnected
    server = Server()
    body = server.sending().body()
    server.send(b"abcdef")
    server.close()
    server.say(b"226 done\r\n226 done again")
    assert (ResponseDone, [], True) == (kind(body), server.idle, server.control.disconnected)


def test_goodbye_while_dialling() -> None:
    """421 may come at any time, and is the answer to whatever is asked next."""
    dialling: Deferred[None] = Deferred()
    server = Server(dialling=dialling)
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)", b"421 bye")
    dialling.callback(None)
    assert 503 == asked.response.code


# The end of connections


def test_lost() -> None:
    """A control connection that ends is worth another try; a kept one that says nothing more, another at once."""
    server = Server()
    asked = server.ask()
    server.drop()
    assert (ConnectionLost, [server.session]) == (asked.failure.type, server.lost)
    server = Server()
    server.ask(method=b"HEAD")
    server.welcome()
    server.tell()
    asked = server.ask()
    server.drop()
    assert ResponseNeverReceived is asked.failure.type
    server = Server()
    server.ask(method=b"HEAD")
    server.welcome()
    server.tell()
    asked = server.ask()
    server.say(b"421 too long idle")
    assert ResponseNeverReceived is asked.failure.type


def test_lost_behind_the_last_word() -> None:
    """Once the server has said that all was sent, only the data connection matters."""
    server = Server()
    body = server.sending().body()
    server.say(b"226 done")
    server.drop()
    assert ([], []) == (body.ends, server.lost)
    server.send(b"abcdef")
    server.close()
    assert (ResponseDone, [server.session], []) == (kind(body), server.lost, server.idle)


def test_lost_before_the_last_word() -> None:
    """Without it, bytes that are here count, and more may come; but it is no success."""
    server = Server()
    body = server.sending().body()
    server.send(b"abc")
    server.drop()
    server.send(b"def")
    server.close()
    assert (b"abcdef", "Truncated") == (body.received, kind(body).__name__)


def test_aborted() -> None:
    """To abort waits for both connections; what is gone is gone at once."""
    server = Server()
    body = server.sending().body()
    gone: list[Any] = []
    server.session.abort().addCallback(gone.append)
    server.drop()
    assert ([], 1) == (gone, len(body.ends))
    server.close()
    assert [None] == gone
    server.session.abort().addCallback(gone.append)
    assert [None, None] == gone


def test_cancelled() -> None:
    """A request may be cancelled anywhere on its way to an answer."""
    for steps in range(8):
        server = Server()
        asked = server.ask()
        for line in [b"220 hi", b"230 in", b"200 I", b"213 6", b"213 1", b"229 (|||1|)", b"150 coming"][:steps]:
            server.say(line)
        if asked.response is None:
            asked.deferred.cancel()
            assert asked.failure.check(CancelledError)
        else:
            asked.body().producer.stopProducing()
        assert server.control.disconnected
        if server.datas:
            server.close()
        assert (1 if steps >= 5 else 0) == server.over


def test_cancelled_while_it_waits_for_room() -> None:
    """A request that waits for its second connection's place may be cancelled too."""
    server = Server()
    server.slot = Deferred()
    asked = server.ask()
    server.welcome()
    server.tell()
    assert b"EPSV" not in server.verbs
    asked.deferred.cancel()
    assert asked.failure.check(CancelledError)


def test_states() -> None:
    """The pool sees whether a session can take a request, and whether it is lost."""
    server = Server()
    assert ("QUIESCENT", True) == (server.session.state, server.session.idle)
    server.ask()
    assert ("ASKING", False) == (server.session.state, server.session.idle)
    server.session.give_up()
    assert "ABORTING" == server.session.state
    server.drop()
    assert "CONNECTION_LOST" == server.session.state


# TLS


def test_handshake_nobody_waits_for() -> None:
    """The end of a handshake that was given up is nothing to anybody."""
    server = Server()
    server.session.handshakeCompleted()
    body = server.sending().body()
    for _ in range(2):
        server.data.handshakeCompleted()
        server.data.secured = Deferred()
        server.data.handshakeCompleted()
    assert (True, []) == (server.data.secured.called, body.ends)
    server.session.secured = Deferred()
    server.session.secured.callback(None)
    server.session.handshakeCompleted()


class Creator:
    """Makes connections that remember their session."""

    session = None

    def clientConnectionForTLS(self, protocol: object) -> Any:
        return self

    def set_session(self, session: Any) -> None:
        self.session = session


def test_resuming() -> None:
    """A connection goes on with a session, if there is one."""
    from twisted_pulp.schemes._ftp_tls import Resuming

    for session in (None, object()):
        connection: Any = Resuming(Creator(), session).clientConnectionForTLS(None)  # type: ignore[arg-type]
        assert session is connection.session


# Time


def test_headers_timeout() -> None:
    """Each reply has the headers' timeout; the wait for room, and for a data connection, has its own."""
    server = Server(timeouts=TIMEOUTS)
    asked = server.ask()
    for line in (b"220 hi", b"230 in", b"200 I", b"213 6"):
        server.clock.pump([0.5] * 18)
        server.say(line)
    server.clock.pump([0.5] * 24)
    assert HeadersTimeout is asked.failure.type
    server = Server(timeouts=TIMEOUTS)
    server.slot = Deferred()
    asked = server.ask()
    server.welcome()
    server.tell()
    server.clock.pump([0.5] * 100)
    assert asked.failure is None
    server.slot.callback(None)
    server.clock.pump([0.5] * 18)
    assert asked.failure is None
    server.clock.pump([0.5] * 8)
    assert HeadersTimeout is asked.failure.type


def test_connect_timeout() -> None:
    """A data connection has the connect timeout."""
    server = Server(timeouts=TIMEOUTS, dialling=Deferred())
    asked = server.ask()
    server.welcome()
    server.tell()
    server.say(b"229 (|||2000|)")
    server.clock.pump([0.5] * 12)
    assert (ConnectTimeout, 1) == (asked.failure.type, server.over)


def test_idle_timeout() -> None:
    """Data has the idle timeout, which does not run while it is we who do not read."""
    server = Server(timeouts=TIMEOUTS)
    asked = server.sending()
    server.clock.pump([0.5] * 100)
    body = asked.body()
    for _ in range(3):
        server.clock.pump([0.5] * 30)
        server.send(b"a")
    body.producer.pauseProducing()
    server.clock.pump([0.5] * 100)
    body.producer.resumeProducing()
    server.clock.pump([0.5] * 30)
    assert [] == body.ends
    server.session.shift(100.0)
    server.clock.pump([0.5] * 20)
    assert [] == body.ends
    server.session.shift(-100.0)
    server.clock.pump([0.5] * 4)
    assert IdleTimeout is kind(body)


def test_low_speed() -> None:
    """Data that is too slow is given up."""
    server = Server(timeouts=Timeouts(low_speed=1000, low_speed_time=5))
    body = server.sending(size=10_000).body()
    for _ in range(20):
        server.clock.pump([0.5])
        server.send(b"abc")
    assert LowSpeed is kind(body)


def test_last_word_timeout() -> None:
    """When all bytes are here, the last reply has the headers' timeout."""
    server = Server(timeouts=TIMEOUTS)
    body = server.sending().body()
    server.send(b"abcdef")
    server.close()
    server.clock.pump([0.5] * 18)
    assert [] == body.ends
    server.clock.pump([0.5] * 6)
    assert HeadersTimeout is kind(body)


def test_broken_off() -> None:
    """When the server breaks off, what is on its way may still come for a second."""
    server = Server(timeouts=TIMEOUTS)
    body = server.sending().body()
    server.send(b"abc")
    server.say(b"426 sorry")
    server.clock.pump([0.1] * 8)
    server.send(b"de")
    assert [] == body.ends
    server.clock.pump([0.1] * 8)
    assert (b"abcde", ConnectionLost) == (body.received, kind(body))


def test_no_timeouts() -> None:
    """Without timeouts, nothing is given up; an idle session has none either."""
    server = Server()
    asked = server.sending()
    server.clock.pump([10.0] * 10)
    assert asked.failure is None
    server = Server(timeouts=TIMEOUTS)
    server.ask(method=b"HEAD")
    server.welcome()
    server.tell()
    server.clock.pump([0.5] * 100)
    assert not server.control.disconnected


# The agent


class Pool:
    """A pool that only remembers what was wanted."""

    def __init__(self) -> None:
        self.wanted: list[Any] = []

    def getConnection(self, key: object, endpoint: Any) -> Deferred[Any]:
        self.wanted.append(endpoint)
        return Deferred()


def agent(pool: Any, login: Any = (None, None), origins: Any = (), cap: Cap | None = None) -> Any:
    """Return an agent."""
    pairs = Pairs(ConnectionPool(MemoryReactorClock()))
    settings = Timeouts(), Network(), None, login, frozenset(origins), cap
    return FTPAgent(pool, pairs, None, None, None, None, *settings)  # type: ignore[arg-type]


BASIC = Headers({b"Authorization": [b"Basic bWU6cGE6c3M="]})


@pytest.mark.parametrize(
    ("url", "headers", "login", "origins", "expected"),
    [
        (b"ftp://h/f", None, (None, None), [], (b"anonymous", b"anonymous@")),
        (b"ftp://u:p%3A@h/f", BASIC, ("x", "y"), [], (b"u", b"p:")),
        (b"ftp://u@h/f", None, ("x", "y"), [], (b"u", b"")),
        (b"ftp://h/f", BASIC, ("x", "y"), [], (b"me", b"pa:ss")),
        (b"ftp://h/f", None, ("x", "ü"), [], (b"x", "ü".encode())),
        (b"ftp://h/f", None, ("x", None), [("ftp", "h", 21)], (b"x", b"")),
        (b"ftp://h/f", None, ("x", "y"), [("ftps", "h", 21), ("ftp", "h", 22), ("https", "h", 443)], None),
        (b"ftp://h/f", Headers({b"Authorization": [b"Bearer abc"]}), (None, None), [], None),
        (b"ftp://h/f", Headers({b"Authorization": [b"Basic !"]}), (None, None), [], None),
        (b"ftp://h/f", Headers({b"Authorization": [b"Basic YWI="]}), (None, None), [], None),
        (b"ftp://h/f", Headers({b"Authorization": [b"Basic //8="]}), (None, None), [], None),
    ],
)
def test_login(url: bytes, headers: Any, login: Any, origins: Any, expected: Any) -> None:
    """Who we are is said by the URL, else by the request, else by the Remote where it belongs, else nobody."""
    pool = Pool()
    made = agent(pool, login, origins)
    assert verifyObject(IAgent, made)
    made.request(b"GET", url, headers)
    endpoint = pool.wanted[0]
    assert (expected or (b"anonymous", b"anonymous@")) == (endpoint.login.user, endpoint.login.password)
    assert "p:" not in repr(endpoint.login)


def test_endpoints() -> None:
    """A server and a login have one endpoint; not too many are remembered. Sessions count for the Remote too."""
    pool, cap = Pool(), Cap(3)
    made = agent(pool, cap=cap)
    for url in (b"ftp://h/a", b"ftp://h/b", b"ftp://u@h/a", b"ftp://h:22/a"):
        made.request(b"GET", url)
    one, same, other, port = pool.wanted
    assert one is same
    assert 3 == len({each.key for each in (one, other, port)})
    assert cap is one.cap[0]
    for number in range(1000):
        made.request(b"GET", b"ftp://u%d@h/a" % number)
    assert len(made._endpoints) <= 1000


def test_other_methods() -> None:
    """Only GET and HEAD are there."""
    answers: list[Any] = []
    agent(Pool()).request(b"PUT", b"ftp://h/f").addCallback(answers.append)
    assert (405, ["GET, HEAD"]) == (
        answers[0].code,
        [value.decode() for value in answers[0].headers.getRawHeaders(b"Allow")],
    )
    answers[0].setPreviousResponse(answers[0])
    assert answers[0].previousResponse is answers[0]


def test_directories() -> None:
    """A directory is not fetched; to ask for its headers logs in, which tells whether the server can be reached."""
    pool, failures = Pool(), []  # type: Pool, list[Any]
    agent(pool).request(b"GET", b"ftp://h/d/").addErrback(failures.append)
    assert (1, []) == (len(failures), pool.wanted)
    agent(pool).request(b"HEAD", b"ftp://h/d/")
    assert 1 == len(pool.wanted)
    server = Server()
    asked = server.ask(method=b"HEAD", path=b"")
    server.welcome()
    assert (404, [server.session]) == (asked.response.code, server.idle)


@pytest.mark.parametrize("login", [("u\r\nDELE x", "p"), ("u", "p\n"), ("u", "p\0")])
def test_smuggled_login(login: Any) -> None:
    """A login that would be more than a line is refused, and not shown."""
    failures: list[Any] = []
    agent(Pool(), login).request(b"GET", b"ftp://h/f").addErrback(failures.append)
    assert failures[0].check(SettingsError)
    assert "DELE" not in str(failures[0].value)


def test_smuggled_command() -> None:
    """Nothing that is more than a line is ever sent."""
    server = Server()
    asked = server.ask(path=b"f\r\nDELE f")
    server.welcome()
    assert SettingsError is asked.failure.type
    assert b"DELE" not in server.control.value()


def test_login_is_not_shown() -> None:
    """The password is in no repr."""
    assert "secret" not in repr(Login(b"me", b"secret"))


# Second connections


def test_pairs_of_one() -> None:
    """Where one connection may be open, a session has it, and its second is not counted."""
    pool = ConnectionPool(MemoryReactorClock(), connections=1)
    pairs, got = Pairs(pool), []
    assert 1 == pairs.cap.limit
    pairs.second().addCallback(got.append)
    got[0]()
    assert (0, 1) == (pool.overall.open, pool.overall.semaphore.tokens)


def test_pairs() -> None:
    """A second connection waits for a token and for room, and gives both back, when it is cancelled too."""
    pool = ConnectionPool(MemoryReactorClock(), connections=2)
    pairs, got = Pairs(pool), []
    for _ in range(2):
        pairs.second().addCallback(got.append)
    waiting = pairs.second().addBoth(got.append)
    assert (2, 2, 1) == (len(got), pool.overall.open, pairs.cap.limit)
    waiting.cancel()
    assert got.pop().check(CancelledError)
    pool.overall.semaphore.release()  # a token, but no room
    waiting = pairs.second().addBoth(got.append)
    waiting.cancel()
    assert got.pop().check(CancelledError)
    assert 1 == pool.overall.semaphore.tokens
    pool.overall.semaphore.tokens -= 1
    for gone in got:
        gone()
    assert (0, 2) == (pool.overall.open, pool.overall.semaphore.tokens)


def test_idle_limit() -> None:
    """A session is kept for a minute, as other connections of the pool are."""
    reactor = MemoryReactorClock()
    context = Context(reactor)
    answers: list[Any] = []
    asked = context.agent(Remote()).request(b"HEAD", b"ftp://192.0.2.1/f")
    asked.addCallback(answers.append)
    factory = reactor.tcpClients[0][2]
    session = factory.buildProtocol(None)
    from twisted.internet.testing import StringTransport

    transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 21))
    session.makeConnection(transport)
    for line in (b"220 hi", b"230 in", b"200 I", b"213 6", b"213 20211021123456"):
        session.dataReceived(line + b"\r\n")
    assert 200 == answers[0].code
    reactor.pump([1.0] * 58)
    assert not transport.disconnected
    reactor.pump([1.0] * 4)
    assert transport.disconnected
    session.connectionLost(ConnectionDone())
    assert 0 == context.pool.overall.open
    closed: list[Any] = []
    context.close().addCallback(closed.append)
    assert [None] == closed
