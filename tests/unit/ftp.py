"""An FTP session over transports that only remember."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from tests.unit.wire import Body
from twisted_pulp.http import Watch
from twisted_pulp.schemes._ftp_request import FTPRequest
from twisted_pulp.schemes._ftp_session import FTPSession
from twisted_pulp.schemes._ftp_talk import Login
from twisted_pulp.settings import Timeouts

URL = b"ftp://h.test/f"


class Server:
    """
    The other side of one session, and its endpoint.

    :ivar idle: the session, once for each time it could take another request.
    :ivar lost: the session, once it was lost.
    :ivar dialled: hosts and ports of data connections.
    :ivar over: data connections that are not counted any more.
    :ivar refuse: the error of the next data connection, or None.
    :ivar late: whether it comes after the connection was made.
    """

    creator = None

    def __init__(
        self, peer: Any = None, timeouts: Timeouts | None = None, dialling: Deferred[Any] | None = None
    ) -> None:
        self.clock = Clock()
        self.watch = Watch(self.clock)
        self.login, self.dialer = Login(), self
        self.idle: list[Any] = []
        self.lost: list[Any] = []
        self.dialled: list[tuple[str, int]] = []
        self.datas: list[Any] = []
        self.over = 0
        self.refuse: Exception | None = None
        self.late = False
        self.slot: Deferred[Any] | None = None
        self._dialling = dialling
        self.control = StringTransport(peerAddress=peer or IPv4Address("TCP", "192.0.2.1", 21))
        self.session = FTPSession(self, self.idle.append, self.lost.append)
        self.session.timeouts = timeouts
        self.session.makeConnection(self.control)
        self.watch.add(self.session)

    # the endpoint
    def now(self) -> float:
        return 1_700_000_000.0

    def second(self) -> Deferred[Any]:
        def gone() -> None:
            self.over += 1

        return succeed(gone) if self.slot is None else self.slot.addCallback(lambda _: gone)

    async def dial(self, host: str, port: int, factory: Any) -> Any:
        self.dialled.append((host, port))
        if self._dialling is not None:
            await self._dialling
        if self.refuse is not None and not self.late:
            raise self.refuse
        data = factory.buildProtocol(None)
        data.makeConnection(StringTransport())
        self.datas.append(data)
        if self.refuse is not None:
            self.close()
            raise self.refuse
        return data

    # the test
    def ask(self, headers: dict[bytes, bytes] | None = None, method: bytes = b"GET", path: bytes = b"f") -> Asked:
        """Make a request."""
        given = Headers({name: [value] for name, value in (headers or {}).items()})
        return Asked(self.session.request(FTPRequest(method, URL, given, path)))

    def say(self, *lines: bytes) -> None:
        """Let the server say *lines*, one after the other."""
        for line in lines:
            if not self.control.disconnected:
                self.session.dataReceived(line + b"\r\n")

    def welcome(self) -> None:
        """Let it greet, and agree to the login and TYPE."""
        self.say(b"220 hello", b"230 in", b"200 I")

    def tell(self, size: int | None = 6, modified: bytes = b"20211021123456") -> None:
        """Let it say the facts of a file."""
        self.say(b"550 no size" if size is None else b"213 %d" % size, b"213 " + modified)

    def send(self, *pieces: bytes) -> None:
        """Let bytes come over the last data connection."""
        for piece in pieces:
            if self.data.reason is None:
                self.data.dataReceived(piece)

    def close(self, error: Exception | None = None) -> None:
        """Let the last data connection end."""
        if self.data.reason is None:
            self.data.connectionLost(Failure(error or ConnectionDone()))

    def drop(self, error: Exception | None = None) -> None:
        """Let the control connection end."""
        self.session.connectionLost(Failure(error or ConnectionDone()))

    @property
    def data(self) -> Any:
        return self.datas[-1]

    @property
    def verbs(self) -> list[bytes]:
        """What it was asked."""
        return [line.split(b" ")[0] for line in self.control.value().splitlines()]

    def sending(self, headers: dict[bytes, bytes] | None = None, **facts: Any) -> Asked:
        """Make a request, and let it be answered up to where the bytes come."""
        asked = self.ask(headers)
        if not self.session.ready:
            self.welcome()
        self.tell(**facts)
        self.say(b"229 (|||2000|)")
        if headers and b"Range" in headers:
            self.say(b"350 there")
        self.say(b"150 coming")
        return asked


class Asked:
    """
    One request.

    :ivar response: what came, or None.
    :ivar failure: why nothing came, or None.
    """

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.response: Any = None
        self.failure: Any = None
        self.deferred = deferred
        deferred.addCallbacks(self._answered, self._failed)

    def _answered(self, response: Any) -> None:
        self.response = response

    def _failed(self, failure: Failure) -> None:
        self.failure = failure

    def body(self, protocol: Body | None = None) -> Body:
        """Take the body."""
        protocol = protocol or Body()
        self.response.deliverBody(protocol)
        return protocol
