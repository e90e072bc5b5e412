"""A site of ours whose artifacts are not here yet: each request starts a transfer, or joins one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from pytest_twisted import async_yield_fixture
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from twisted_pulp.context import Context
from twisted_pulp.download import DownloadReport
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.streamer._cold import send_cold
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._errors import refusal_of
from twisted_pulp.streamer._flights import Flights
from twisted_pulp.streamer._wanted import Wanted

QUICK = Remote(retry=Retry(retries=3, base=0.001, cap=0.01))


@define(eq=False)
class ColdSite(Resource):
    """
    Artifacts by their path.

    :ivar artifacts: path -> what is wanted, and what is known of it.
    :ivar ended: what became of each request: None, or the error.
    """

    reactor: Any
    context: Context
    storage: DirectoryStorage
    flights: Flights
    artifacts: dict[str, tuple[Wanted, Entity]] = field(factory=dict)
    kept: list[DownloadReport] = field(factory=list)
    ended: list[BaseException | None] = field(factory=list)
    port: int = 0
    isLeaf = True

    def __attrs_post_init__(self) -> None:
        super().__init__()

    def offer(
        self, path: str, *sources: Any, remote: Remote = QUICK, entity: Entity | None = None, **fields: Any
    ) -> None:
        """Let *path* be an artifact that can come from *sources*."""
        fields.setdefault("keep", lambda report, sha256: self.kept.append(report))
        wanted = Wanted(sources=sources, remote=remote, **fields)
        known = Entity(size=wanted.size, sha256=wanted.digests.get("sha256"))
        self.artifacts[path] = wanted, entity or known

    def render(self, request: Any) -> int:
        """Answer."""
        wanted, entity = self.artifacts[request.path.decode()]
        sending = send_cold(request, self.flights, wanted, entity, self.context.now(), self.reactor)
        Deferred.fromCoroutine(sending).addCallbacks(self.ended.append, self._refused, errbackArgs=(request,))
        return NOT_DONE_YET

    def _refused(self, why: Any, request: Any) -> None:
        self.ended.append(why.value)
        if not request._disconnected:
            refusal_of(why.value).send(request)

    async def client(self, path: str, *headers: str, method: str = "GET") -> Socket:
        """Return a client that has asked for *path*, and lets the connection end with the response."""
        client = await Socket.to(self.reactor, self.port)
        client.get(path, "Connection: close", *headers, method=method)
        return client

    async def get(self, path: str, *headers: str, method: str = "GET") -> Got:
        """Return what a client gets."""
        client = await self.client(path, *headers, method=method)
        return Got.of(await client.heard_all(), method)

    async def landed(self) -> None:
        """Wait until every transfer is over: what has come is stored by then, and noted down."""
        for flight in list(self.flights._all):
            await flight.landed.wait()


@define
class Got:
    """
    A response as a client sees it.

    :ivar whole: whether its framing says that it is complete.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @classmethod
    def of(cls, raw: bytes, method: str = "GET") -> Got:
        """Read *raw*."""
        head, mark, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        status = int(lines[0].split()[1]) if mark else 0
        if method == "HEAD" or status == 304:
            return cls(status, headers, body, bool(mark) and not body)
        if headers.get("transfer-encoding") == "chunked":
            return cls(status, headers, *_dechunked(body))
        return cls(status, headers, body, bool(mark) and str(len(body)) == headers.get("content-length"))


def _dechunked(raw: bytes) -> tuple[bytes, bool]:
    body = b""
    while True:
        line, mark, raw = raw.partition(b"\r\n")
        if not mark or not line:
            return body, False
        length = int(line, 16)
        if not length:
            return body, raw == b"\r\n"
        body += raw[:length]
        raw = raw[length + 2 :]


StartSite = Callable[..., "Deferred[ColdSite]"]


@async_yield_fixture
async def cold(reactor: IReactor, context: Context, tmp_path: Path) -> AsyncIterator[ColdSite]:
    """A site without artifacts yet."""
    storage = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")
    flights = Flights(context, storage)
    site = ColdSite(reactor, context, storage, flights)
    listening: Any = reactor.listenTCP(0, Site(site), interface="127.0.0.1")  # type: ignore[no-untyped-call]
    site.port = listening.getHost().port
    yield site
    await flights.close()
    await listening.stopListening()
    await storage.close()
