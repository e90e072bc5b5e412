"""Requests to a server, and documents out of its answers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from attrs import define, evolve, field
from treq.client import HTTPClient
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater
from twisted.web.client import ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer

from twisted_pulp.client._errors import ServerError, ServerUnreachable
from twisted_pulp.context import Context
from twisted_pulp.documents import Fault, Page, Problem
from twisted_pulp.errors import DownloadError
from twisted_pulp.settings import Remote

__all__ = ["LATER", "Wire", "asked_to_wait", "body_of", "path_of", "refusal"]

T = TypeVar("T")
#: Seconds before the second, third and fourth try, about; a server that starts again is back by then.
_PAUSES = 0.25, 1.0, 3.0
#: Statuses that say that it may be otherwise later.
LATER = frozenset({429, 502, 503, 504})
#: Seconds that a server may ask us to wait for before we rather say so.
_LONGEST = 30.0
_JSON, _PROBLEM = b"application/json", b"application/problem+json"
#: Bytes that an answer may have.
_MOST = 64 << 20


def path_of(*parts: object) -> str:
    """Return the path of these names."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


@define(eq=False)
class Wire:
    """
    Requests to one server.

    :ivar base: URL of the API, without a slash at its end.
    """

    _context: Context
    base: str
    _remote: Remote
    _uniform: Callable[[float, float], float] = random.uniform
    _http: HTTPClient = field(init=False)
    _endless: Remote | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._http = HTTPClient(self._context.metadata_agent(self._remote))

    async def get(self, kind: type[T], path: str, *, patient: bool = True, **query: Any) -> T:
        """Return the document at *path*, of class *kind*; for *patient* see `ask`."""
        return await self.ask("GET", self.url(path, query), kind, patient=patient)  # type: ignore[no-any-return]

    async def send(
        self, method: str, path: str, kind: Any = None, document: Any = None, key: str | None = None, **query: Any
    ) -> Any:
        """
        Send *document*, and return what is answered, of class *kind*.

        :param key: makes it the same request when it is sent again; default None: it is sent once.
        """
        body = None if document is None else msgspec.json.encode(document)
        return await self.ask(method, self.url(path, query), kind, body, key)

    async def pages(self, of: type[T], path: str, *, patient: bool = True, **query: Any) -> AsyncIterator[T]:
        """Return everything in the list at *path*, each of class *of*; of them no more than a page is held."""
        url: str | None = self.url(path, query)
        while url is not None:
            page: Page[T] = await self.ask("GET", url, Page[of], patient=patient)  # type: ignore[valid-type]
            for each in page.items:
                yield each
            url = None if page.next is None else self._absolute(page.next)

    def url(self, path: str, query: Mapping[str, Any]) -> str:
        """Return the URL of *path*; what is None in *query* is left out."""
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return f"{self.base}{path}?{given}" if given else f"{self.base}{path}"

    def _absolute(self, url: str) -> str:
        scheme, _, rest = self.base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}{url}" if url.startswith("/") else url

    async def ask(
        self,
        method: str,
        url: str,
        kind: Any,
        body: bytes | IBodyProducer | None = None,
        key: str | None = None,
        patient: bool = True,
    ) -> Any:
        """
        Ask, and again if that does no harm and may help.

        :param patient: whether a server that says that it cannot now is asked once more, later.
        :raises ServerError: what the server refused with.
        :raises ServerUnreachable: when nothing answers.
        """
        again = method == "GET" or (key is not None and isinstance(body, bytes))
        headers = _headers(body, key)
        for pause in _PAUSES if again else ():
            try:
                response, data = await self._tried(method, url, headers, body)
            except ServerUnreachable:
                await self._wait(pause)
                continue
            wait = asked_to_wait(response) if patient and response.code in LATER else None
            if wait is None or wait > _LONGEST:
                return _read(response, data, kind, url)
            await self._wait(max(pause, wait))
        response, data = await self._tried(method, url, headers, body)
        return _read(response, data, kind, url)

    async def _tried(self, method: str, url: str, headers: Headers, body: bytes | IBodyProducer | None) -> Any:
        try:
            response = await self._http.request(method, url, headers=headers, data=body)
            return response, await body_of(response)
        except _UNREACHED as error:
            raise ServerUnreachable(f"{self.base}: {_reason(error)}") from error

    async def stream(self, path: str, last_id: str | None) -> Any:
        """
        Return the response of *path*, whose body does not end.

        :raises ServerUnreachable: when nothing answers.
        """
        if self._endless is None:
            reach = self._remote
            timeouts = evolve(reach.timeouts, idle=None, low_speed=None, total=None)
            self._endless = evolve(reach, timeouts=timeouts, limits=evolve(reach.limits, max_metadata_size=None))
        headers = Headers({"Accept": ["text/event-stream, application/problem+json"]})
        if last_id is not None:
            headers.setRawHeaders("Last-Event-ID", [last_id])
        agent = self._context.metadata_agent(self._endless)
        try:
            return await agent.request(b"GET", f"{self.base}{path}".encode("ascii"), headers)
        except _UNREACHED as error:
            raise ServerUnreachable(f"{self.base}: {_reason(error)}") from error

    async def _wait(self, seconds: float) -> None:
        await deferLater(self._context.reactor, self._uniform(seconds, seconds * 1.5))


_UNREACHED = DownloadError, ConnectError, ConnectionLost, ConnectionDone, ResponseFailed


def _headers(body: bytes | IBodyProducer | None, key: str | None) -> Headers:
    headers = Headers({"Accept": ["application/json"]})
    if body is not None:
        headers.setRawHeaders("Content-Type", ["application/json" if isinstance(body, bytes) else _LINES])
    if key is not None:
        headers.setRawHeaders("Idempotency-Key", [key])
    return headers


_LINES = "application/jsonl"


def _reason(error: Exception) -> str:
    if isinstance(error, ResponseFailed) and error.reasons:
        return str(error.reasons[0].getErrorMessage())
    return error.reason if isinstance(error, DownloadError) else str(error)


async def body_of(response: Any) -> bytes:
    found: list[bytes] = []
    size = 0

    def take(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size <= _MOST:
            found.append(data)

    from treq import collect

    await collect(response, take)
    return b"".join(found)


def asked_to_wait(response: Any) -> float:
    """Return the seconds that the server asks us to wait (RFC 9110, 10.2.3); 0 when it does not say."""
    given = (response.headers.getRawHeaders(b"retry-after") or [b""])[0].decode("latin-1").strip()
    if given.isdecimal():
        return float(given)
    try:
        asked = parsedate_to_datetime(given)
        sent = parsedate_to_datetime(response.headers.getRawHeaders(b"date")[0].decode("latin-1"))
    except (TypeError, ValueError, IndexError):
        return 0.0
    return max(0.0, (asked - sent).total_seconds())


def _read(response: Any, data: bytes, kind: Any, url: str) -> Any:
    named = (response.headers.getRawHeaders(b"content-type") or [b""])[0].partition(b";")[0].strip().lower()
    try:
        if response.code >= 400:
            raise refusal(response, data)
        if kind is None or response.code == 204:
            return None
        if named != _JSON:
            raise ServerUnreachable(f"{url}: the answer is no JSON; is that the API of a pulpdownloader?")
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ServerUnreachable(f"{url}: {error}") from error


def refusal(response: Any, data: bytes) -> ServerError:
    """Return what *response*, whose status is an error, is raised as."""
    named = (response.headers.getRawHeaders(b"content-type") or [b""])[0].partition(b";")[0].strip().lower()
    return ServerError(_problem(response, data if named == _PROBLEM else b""))


def _problem(response: Any, data: bytes) -> Problem:
    if data:
        return msgspec.json.decode(data, type=Problem)
    words = response.phrase.decode("latin-1")
    detail = f"the server answered {response.code} {words}"
    if response.code == 404:  # what has our API says so in a document
        detail += ": it has no API; has it the role api?"
    return Problem(type="about:blank", title=words, status=response.code, detail=detail, instance="", errors=_NONE)


_NONE: tuple[Fault, ...] = ()
