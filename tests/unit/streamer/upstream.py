"""An upstream, a catalog and a clock that a test holds in its hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from attrs import define, field
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from twisted.internet.defer import Deferred, execute, fail, maybeDeferred
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from twisted_pulp.catalog import remotes
from twisted_pulp.catalog._tables import metadata
from twisted_pulp.context import Context
from twisted_pulp.errors import HTTPStatusError
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._caching import DEFAULT, Caching
from twisted_pulp.streamer._mutable import Mutable
from twisted_pulp.testing import FakeResponse

__all__ = ["EPOCH", "URL", "Asked", "Cache", "date", "memory_catalog", "reply"]

EPOCH = 1_700_000_000.0
URL = "http://h/index"


def date(seconds: float) -> str:
    """Return the date of HTTP that is so many seconds after the start of the test."""
    return formatdate(EPOCH + seconds, usegmt=True)


def reply(body: bytes = b"body", status: int = 200, **headers: str) -> Callable[[Asked], FakeResponse]:
    """Return what answers any request with this; ``_`` in the names of headers stands for ``-``."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: FakeResponse(status, body, {"Content-Length": str(len(body)), **given}, asked.url)


@define
class Asked:
    """A request that came upstream; the headers with names in lower case, without those that every request has."""

    method: str
    url: str
    headers: Mapping[str, str]


@implementer(IAgent)
@define(eq=False)
class Upstream:
    """
    Answers as `answer` says: with a response, a status, an error, or a Deferred of one of these.

    :ivar requests: that came.
    """

    answer: Callable[[Asked], Any] = field(factory=reply)
    requests: list[Asked] = field(factory=list)

    def request(self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None) -> Any:
        """Answer."""
        pairs = () if headers is None else headers.getAllRawHeaders()
        plain = {name.decode().lower(): values[-1].decode() for name, values in pairs}
        self.requests.append(Asked(method.decode(), uri.decode(), plain))
        return maybeDeferred(self.answer, self.requests[-1]).addCallback(_given, uri.decode())


def _given(answer: Any, url: str) -> Deferred[IResponse] | IResponse:
    if isinstance(answer, int):
        return fail(HTTPStatusError.of(url, answer))
    if answer.code >= 400:
        headers = {name.lower(): value for name, value in answer.given.items()}
        return fail(HTTPStatusError.of(url, answer.code, headers))
    return answer  # type: ignore[no-any-return]


class _Context(Context):
    """A Context whose agents are all the upstream."""

    upstream: Upstream

    def agent(self, remote: Remote) -> IAgent:
        """Return it."""
        return self.upstream


@define(eq=False, slots=False)
class MemoryCatalog:
    """
    A catalog in memory that answers at once.

    :ivar calls: of `read` and `write`.
    """

    engine: Engine
    calls: int = 0

    def _call(self, work: Any, *args: Any) -> Any:
        self.calls += 1
        with self.engine.begin() as connection:
            return work(connection, *args)

    def read(self, work: Any, *args: Any) -> Deferred[Any]:
        """Do *work*."""
        return execute(self._call, work, *args)

    write = read

    def do(self, work: Any, *args: Any) -> Any:
        """Do *work*, and return what it returns."""
        return self._call(work, *args)


def memory_catalog() -> MemoryCatalog:
    """Return a catalog with one Remote, of the number 1, and another, of the number 2."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = 1").close())
    catalog = MemoryCatalog(engine)
    catalog.do(_made)
    return catalog


def _made(connection: Connection) -> None:
    metadata.create_all(connection)
    remotes.create(connection, "one", Remote(), 1.0)
    remotes.create(connection, "two", Remote(), 1.0)


class Cache:
    """A `Mutable` between clients and an upstream, and everything around it."""

    def __init__(self, **fields: Any) -> None:
        self.clock, self.jump = Clock(), 0.0
        self.clock.advance(1000.0)
        self.upstream = Upstream()
        self.context = _Context(self.clock, now=self.now)
        self.context.upstream = self.upstream
        self.catalog, self.storage = memory_catalog(), MemoryStorage(self.now)
        self.fields = fields
        self.remote = Remote(url="http://h/", retry=Retry(retries=0))
        self.mutable = Mutable(self.context, self.catalog, self.storage, **fields)  # type: ignore[arg-type]

    def now(self) -> float:
        """Return the time of day, which may jump; the test starts at `EPOCH`."""
        return EPOCH + self.clock.seconds() - 1000.0 + self.jump

    def restart(self) -> None:
        """Forget what was only in memory."""
        self.mutable = Mutable(self.context, self.catalog, self.storage, **self.fields)  # type: ignore[arg-type]

    def begin(
        self,
        url: str = URL,
        *,
        headers: Mapping[str, str] | None = None,
        caching: Caching = DEFAULT,
        remote_id: int = 1,
    ) -> Deferred[Any]:
        """Ask for a file."""
        given = Headers({name: [value] for name, value in (headers or {}).items()})
        return self.mutable.fetch(remote_id, self.remote, url, given.getRawHeaders, caching)

    def get(self, url: str = URL, **fields: Any) -> Any:
        """Ask for a file, and return what comes at once; what it fails with is raised."""
        results: list[Any] = []
        self.begin(url, **fields).addBoth(results.append)
        (result,) = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        return result

    def body(self, got: Any) -> bytes:
        """Return the bytes that a client gets."""
        results: list[bytes] = []
        self.storage.read(got.entity.sha256).addCallback(results.append)
        return results[0]

    def asked(self) -> int:
        """Return how many requests came upstream."""
        return len(self.upstream.requests)
