"""
An FTP server that does as it is told, and else what it should.

Use the ``ftp`` fixture::

    ftp.files[b"a.bin"] = body
    ftp.on("RETR", [cut(1000, b"426 gone"), None])
    ... ftp.url("/a.bin") ...
    assert ["REST", "RETR"] == ftp.verbs()[-2:]

The first RETR sends 1,000 bytes and 426; None, and everything without an answer of its own, is as it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from tests.servers.reactor import IReactor, ISocket

__all__ = ["FTP", "Answer", "Control", "cut", "silence"]

#: Bytes to say instead, a coroutine function that does all there is to do, or None for what should be done.
Answer = bytes | Callable[["Control", bytes], Coroutine[Any, Any, None]] | None

_log = Logger()


class Data(Protocol):
    """The server's end of a data connection."""

    transport: ISocket

    def __init__(self, server: FTP, secure: bool, made: Deferred[Data]) -> None:
        self._server, self._secure, self._made = server, secure, made
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self._server.live.add(self)
        if self._secure:
            assert self._server.tls is not None
            self.transport.startTLS(self._server.tls)  # type: ignore[arg-type]  # the older interface does too
        self._made.callback(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._server.live.discard(self)
        self.lost.callback(None)

    def drop(self) -> None:
        """End at once."""
        self.transport.abortConnection()


class Control(LineReceiver):
    """
    One control connection.

    :ivar number: from 0, in order of acceptance.
    :ivar start: what REST said.
    :ivar secure: whether data goes over TLS.
    """

    transport: ISocket
    MAX_LENGTH = 1 << 20

    def __init__(self, server: FTP, number: int) -> None:
        self.server, self.number, self.start = server, number, 0
        self.lost: Deferred[None] = Deferred()
        self._data: Deferred[Data] | None = None
        self._listening: IListeningPort | None = None
        self._running: Deferred[None] | None = None
        self.secure = False

    def connectionMade(self) -> None:
        self.server.live.add(self)
        self._run("", b"")

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.server.live.discard(self)
        if self._running is not None:
            self._running.cancel()
        self._stop_listening()
        self.lost.callback(None)

    def lineReceived(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        self.server.commands.append((self.number, verb.decode(), argument))
        self._run(verb.decode(), argument)

    def _run(self, verb: str, argument: bytes) -> None:
        answers = self.server.answers.get(verb, [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, bytes):
            self.say(answer)
            return
        doing = getattr(self, f"do_{verb or 'greet'}", Control.do_unknown) if answer is None else answer
        made = doing(argument) if answer is None and verb in KNOWN else doing(self, argument)
        self._running = Deferred.fromCoroutine(made)
        self._running.addErrback(self._failed)

    def _failed(self, why: Failure) -> None:
        if why.check(CancelledError) is None:
            _log.failure("a script failed", why)
        self.transport.abortConnection()

    # What scripts do

    def say(self, line: bytes) -> None:
        """Reply."""
        self.transport.write(line + b"\r\n")

    def drop(self) -> None:
        """End at once."""
        self.transport.abortConnection()

    def listen(self, interface: str | None = None) -> int:
        """Wait for a data connection, and return the port."""
        self._stop_listening()
        self._data = data = Deferred()
        factory = ServerFactory()

        def build(addr: object) -> Data:
            self._stop_listening()
            self.server.datas += 1
            return Data(self.server, self.secure, data)

        factory.buildProtocol = build  # type: ignore[method-assign,assignment]
        interface = interface or self.transport.getHost().host  # type: ignore[attr-defined]
        self._listening = self.server.reactor.listenTCP(0, factory, interface=interface)
        port: int = self._listening.getHost().port  # type: ignore[attr-defined]
        return port

    def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            self.server.closing.append(maybeDeferred(listening.stopListening))

    async def data(self) -> Data:
        """Wait for the data connection."""
        assert self._data is not None
        return await self._data

    async def begin(self, path: bytes) -> tuple[Data, bytes]:
        """Say that *path* is coming, and return its data connection and what is to be sent."""
        self.say(b"150 coming")
        start, self.start = self.start, 0
        return await self.data(), self.server.files[path][start:]

    async def wait(self, seconds: float) -> None:
        """Do nothing for a while."""
        await deferLater(self.server.reactor, seconds)

    # What it does by itself

    async def do_greet(self, _: bytes) -> None:
        self.say(b"220 ready")

    async def do_unknown(self, _: bytes) -> None:
        self.say(b"502 what?")

    async def do_USER(self, name: bytes) -> None:
        self.say(b"331 and the password?")

    async def do_PASS(self, _: bytes) -> None:
        self.say(b"230 welcome")

    async def do_TYPE(self, _: bytes) -> None:
        self.say(b"200 so be it")

    async def do_AUTH(self, _: bytes) -> None:
        assert self.server.tls is not None
        self.say(b"234 go on")
        self.transport.startTLS(self.server.tls)  # type: ignore[arg-type]

    async def do_PBSZ(self, _: bytes) -> None:
        self.say(b"200 zero")

    async def do_PROT(self, _: bytes) -> None:
        self.secure = True
        self.say(b"200 private")

    async def do_SIZE(self, path: bytes) -> None:
        body = self.server.files.get(path)
        self.say(b"550 none" if body is None else b"213 %d" % len(body))

    async def do_MDTM(self, path: bytes) -> None:
        self.say(b"213 " + self.server.modified if path in self.server.files else b"550 none")

    async def do_EPSV(self, _: bytes) -> None:
        self.say(b"229 come in (|||%d|)" % self.listen())

    async def do_PASV(self, _: bytes) -> None:
        self.say(b"227 come in (127,0,0,1,%d,%d)" % divmod(self.listen(), 256))

    async def do_REST(self, start: bytes) -> None:
        self.start = int(start)
        self.say(b"350 from there")

    async def do_RETR(self, path: bytes) -> None:
        if path not in self.server.files:
            self.say(b"550 none")
            return
        data, body = await self.begin(path)
        data.transport.write(body)
        data.transport.loseConnection()
        self.say(b"226 done")


KNOWN = frozenset(name.removeprefix("do_") for name in dir(Control) if name.startswith("do_")) | {""}


@define(eq=False)
class FTP(ServerFactory):
    """
    A server that follows scripts.

    :ivar tls: for AUTH, and then for data.
    :ivar files: path, as RETR has it -> content.
    :ivar modified: what MDTM says of each.
    :ivar answers: verb, or "" for the greeting -> what comes next; the last repeats.
    :ivar commands: everything that was said: number of the connection, verb, argument.
    :ivar live: connections that are open.
    :ivar datas: data connections so far.
    """

    reactor: IReactor
    tls: IOpenSSLContextFactory | None = None
    files: dict[bytes, bytes] = field(init=False, factory=dict)
    modified: bytes = field(init=False, default=b"20211021123456")
    answers: dict[str, list[Answer]] = field(init=False, factory=dict)
    commands: list[tuple[int, str, bytes]] = field(init=False, factory=list)
    accepted: int = field(init=False, default=0)
    datas: int = field(init=False, default=0)
    live: set[Any] = field(init=False, factory=set)
    closing: list[Deferred[Any]] = field(init=False, factory=list)
    port: int = field(init=False, default=0)
    _host: str = field(init=False, default="")
    _listening: IListeningPort | None = field(init=False, default=None)

    def listen(self, interface: str = "127.0.0.1") -> None:
        """Start to accept connections."""
        self._listening = self.reactor.listenTCP(0, self, interface=interface)
        self._host = f"[{interface}]" if ":" in interface else interface
        self.port = self._listening.getHost().port  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Stop accepting, end what is open, and return when all of it is gone."""
        if self._listening is not None:
            self.closing.append(maybeDeferred(self._listening.stopListening))
        live = list(self.live)
        for connection in live:
            connection.drop()
        await gatherResults([connection.lost for connection in live])
        await gatherResults(self.closing)

    def url(self, path: str, userinfo: str = "") -> str:
        """Give the URL of *path* on this server."""
        return f"{'ftp' if self.tls is None else 'ftps'}://{userinfo}{self._host}:{self.port}{path}"

    def on(self, verb: str, answers: Sequence[Answer]) -> None:
        """Answer *verb*, "" when a connection is made, with the first of *answers* and so on; the last one repeats."""
        self.answers[verb] = list(answers)

    def verbs(self, connection: int | None = None) -> list[str]:
        """Give the verbs that were said, on one connection or all."""
        return [verb for number, verb, _ in self.commands if connection in (None, number)]

    def said(self, verb: str) -> list[bytes]:
        """Give the arguments of each *verb*."""
        return [argument for _, each, argument in self.commands if each == verb]

    def buildProtocol(self, addr: object) -> Control:
        self.accepted += 1
        return Control(self, self.accepted - 1)


def cut(count: int, last: bytes | None = b"226 done", first: bool = False) -> Answer:
    """
    Send only *count* bytes of a file, and then say *last*; None says nothing, and leaves the connections open.

    :param first: whether to say it before the data connection ends.
    """

    async def answer(control: Control, path: bytes) -> None:
        data, body = await control.begin(path)
        data.transport.write(body[:count])
        if last is None:
            return
        if first:
            control.say(last)
            await control.wait(0.02)
        data.transport.loseConnection()
        if not first:
            await data.lost
            control.say(last)

    return answer


async def silence(control: Control, _: bytes) -> None:
    """Do not answer."""
