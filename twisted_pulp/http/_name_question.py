"""
One question to one name server, by UDP, and by TCP when the answer does not fit.

Each question has a port of its own, which the system chooses at random, and a random id; only what comes from the
server's address and port, with that id and the same question, is an answer. `twisted.names.client` keeps ports and
timers when it is cancelled, and its TCP connections for good, and asks any server when one answer was too long; so only
its messages are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet import error as failing
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, DatagramProtocol, connectionDone
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

__all__ = ["Silent", "Unanswered", "ask"]

# Seconds for one try of one server.
_PATIENCE = 5.0
_LARGEST = 4096


class Unanswered(Exception):
    """No answer came, and none will."""


class Silent(Unanswered):
    """No answer came in time."""


async def ask(reactor: Any, server: tuple[str, int], name: bytes, kind: int) -> dns.Message:
    """
    Return the message with which *server* answers the question for the records of a *kind* that *name* has.

    :raises Unanswered: when it does not.
    """
    question = _Question(name, kind)
    try:
        message = await _by_datagram(reactor, server, question)
        return await _by_stream(reactor, server, question) if message.trunc else message
    except defer.TimeoutError as error:
        raise Silent(f"{server[0]} did not answer in {_PATIENCE:g} s") from error
    except failing.ConnectionRefusedError as error:
        raise Unanswered(f"nothing listens at {server[0]} port {server[1]}") from error
    except (OSError, failing.CannotListenError, failing.ConnectError, failing.ConnectionClosed) as error:
        raise Unanswered(f"{server[0]} cannot be asked: {error}") from error


class _Question:
    """What is asked, and which messages answer it."""

    def __init__(self, name: bytes, kind: int) -> None:
        self._query = dns.Query(name, kind, dns.IN)
        self._id = dns.randomSource()

    def text(self) -> bytes:
        message = dns.Message(self._id, recDes=1)
        message.queries = [self._query]
        return message.toStr()

    def answered_by(self, data: bytes) -> dns.Message | None:
        """Return the message in *data* when it answers this question."""
        message = dns.Message()
        try:
            message.fromStr(data)
        except Exception:  # anybody may send anything
            return None
        if not message.answer or message.id != self._id or message.opCode != dns.OP_QUERY:
            return None
        if not message.queries and message.rCode not in (dns.OK, dns.ENAME):  # some do not repeat what they refuse
            return message
        return message if message.queries == [self._query] else None


class _Answer:
    """What a question has come to, once."""

    def __init__(self) -> None:
        self.result: Deferred[dns.Message] = Deferred()

    def ended(self, result: dns.Message | Failure) -> None:
        if not self.result.called:
            self.result.callback(result)


def _by_datagram(reactor: Any, server: tuple[str, int], question: _Question) -> Deferred[dns.Message]:
    answer = _Answer()
    port = reactor.listenUDP(0, _Datagram(question, answer), "::" if ":" in server[0] else "", _LARGEST)
    result = answer.result.addTimeout(_PATIENCE, reactor).addBoth(_closing(port.stopListening))
    try:
        port.connect(*server)  # from now on the system drops what comes from elsewhere
        port.write(question.text())
    except OSError:
        answer.ended(Failure())
    return result


def _by_stream(reactor: Any, server: tuple[str, int], question: _Question) -> Deferred[dns.Message]:
    answer = _Answer()
    connector = reactor.connectTCP(*server, _StreamFactory(question, answer), None)
    return answer.result.addTimeout(_PATIENCE, reactor).addBoth(_closing(connector.disconnect))


def _closing(close: Callable[[], object]) -> Callable[[Any], Any]:
    def closed(result: Any) -> Any:
        close()
        return result

    return closed


class _Datagram(DatagramProtocol):
    noisy = False

    def __init__(self, question: _Question, answer: _Answer) -> None:
        self._question, self._answer = question, answer

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        message = self._question.answered_by(datagram)
        if message is not None:
            self._answer.ended(message)

    def connectionRefused(self) -> None:
        self._answer.ended(Failure(failing.ConnectionRefusedError()))

    def stopProtocol(self) -> None:
        self.connectionRefused()  # some reactors see in an error no more than an end


class _Stream(Int16StringReceiver):
    factory: _StreamFactory

    def connectionMade(self) -> None:
        self.sendString(self.factory.question.text())  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:
        message = self.factory.question.answered_by(string)
        self.factory.answer.ended(Failure(failing.ConnectionDone()) if message is None else message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.answer.ended(reason)


class _StreamFactory(ClientFactory):
    noisy = False
    protocol: Any = _Stream

    def __init__(self, question: _Question, answer: _Answer) -> None:
        self.question, self.answer = question, answer

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.answer.ended(reason)
