"""One request that is answered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from attrs import define, field

from twisted_pulp.api._intake import Whole, decoded
from twisted_pulp.api._principal import Principal
from twisted_pulp.api._problems import Refused, wrong
from twisted_pulp.api._query import query_of, value_of
from twisted_pulp.api._route import Answer, Parameter, Route
from twisted_pulp.documents import Page, read_document
from twisted_pulp.unseen import escaped

__all__ = ["SAFE", "Call", "send", "tag_of"]

T = TypeVar("T")
_MEDIA = re.compile(r"application/(?:[a-z0-9.-]+\+)?json", re.I).fullmatch
_TAG = re.compile(r'(?:W/)?"[^"]*"')
#: Nothing of the API is for frames, or is content of another kind than it says.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


@define(eq=False)
class Call:
    """
    One request that is answered.

    :ivar api: what was asked.
    :ivar request: of twisted.web.
    :ivar route: how it is answered.
    :ivar principal: who asks.
    :ivar given: the parameters that were given, by name, checked.
    """

    api: Any
    request: Any
    route: Route
    principal: Principal
    given: dict[str, Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.given = query_of(self.request.uri, self.route.parameters)
        for each in self.route.parameters:
            if each.header:
                self._header(each)

    def _header(self, parameter: Parameter) -> None:
        values = self.request.requestHeaders.getRawHeaders(parameter.name)
        if values is not None:
            if len(values) != 1:
                raise wrong("", f"header {parameter.name} is there twice")
            self.given[parameter.name] = value_of(parameter, values[0])

    @property
    def running(self) -> Any:
        """The daemon."""
        return self.api.running

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return float(self.api.now())

    @property
    def catalog(self) -> Any:
        """What is known."""
        return self.running.data.catalog

    @property
    def root(self) -> str:
        """Where the API is."""
        return str(self.request.api_root)

    def body_and_data(self) -> tuple[bytes, Any]:
        """
        Return the body, and what it says.

        :raises Refused: when it is no JSON.
        """
        body = self.body()
        return body, decoded(body)

    def body(self) -> bytes:
        """
        Return the body, which is to be JSON.

        :raises Refused: when it says that it is not, or there is too much of it.
        """
        kind = (self.request.getHeader(b"Content-Type") or b"").decode("latin-1").partition(";")[0].strip()
        if not _MEDIA(kind):
            raise Refused(status=415, detail="The body must be application/json.")
        intake = getattr(self.request, "intake", None)
        if isinstance(intake, Whole):
            return intake.read()
        limits = self.running.settings.limits
        refused: list[Refused] = []
        whole = Whole(limits.body, limits.depth, refused.append)
        whole.write(self.request.content.read(limits.body + 1))
        if refused:
            raise refused[0]
        return whole.read()

    def document(self, kind: type[T]) -> T:
        """
        Return the document that was sent.

        :raises Refused: when there is none, or it is no JSON.
        :raises InvalidDocument: when it is another.
        """
        return read_document(kind, self.body_and_data()[1])

    def page(
        self, rows: Sequence[Any], limit: int, document: Callable[[Any], T], after: Callable[[Any], object]
    ) -> Page[T]:
        """
        Return a page of *rows*, of which there is one more than *limit* when another page follows.

        :param document: makes what is answered of a row.
        :param after: says after which row the next page begins.
        """
        found = rows[:limit]
        following = self.next(after(found[-1])) if len(rows) > limit else None
        return Page(items=[document(each) for each in found], next=following)

    def next(self, after: object) -> str:
        """Return where the page is that begins after *after*."""
        kept = {each.name: self.given[each.name] for each in self.route.parameters if each.name in self.given}
        path = self.request.path.decode("ascii", "replace")
        return f"{path}?{urlencode({**kept, 'after': after})}"

    def unchanged(self, document: Any) -> None:
        """
        Check that what is to be changed is still what the client knows: *document*.

        :raises Refused: when If-Match says that it is not.
        """
        wanted = self.request.requestHeaders.getRawHeaders(b"If-Match")
        if wanted is not None and not _among(tag_of(escaped(msgspec.json.encode(document))), wanted, weak=False):
            raise Refused(status=412, detail="It was changed meanwhile.")


def tag_of(body: bytes) -> str:
    """Return the entity tag of *body*."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _among(tag: str, values: list[bytes] | list[str], *, weak: bool) -> bool:
    given = ",".join(each.decode("latin-1") if isinstance(each, bytes) else each for each in values)
    if given.strip() == "*":
        return True
    found = _TAG.findall(given)
    return tag in ({each.removeprefix("W/") for each in found} if weak else found)


def send(request: Any, answer: Answer, kind: str = "application/json", *, end: bool = True) -> None:
    """
    Answer *request* with what was found; a client that knows it already is told so.

    :param end: whether that is the end of it; else somebody else ends it.
    """
    body = answer.document if isinstance(answer.document, bytes) else msgspec.json.encode(answer.document)
    if kind.endswith("json"):
        body = escaped(body)
    headers = {"Content-Type": kind, **SAFE, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    headers |= answer.headers
    status = answer.status
    if request.method in (b"GET", b"HEAD", b"PATCH") and status == 200:
        headers["ETag"] = tag = tag_of(body)
    if request.method in (b"GET", b"HEAD") and status == 200:
        known = request.requestHeaders.getRawHeaders(b"If-None-Match")
        if known is not None and _among(tag, known, weak=True):
            status = 304
    if status in (204, 304):
        body = b""
        del headers["Content-Type"]
    else:
        headers["Content-Length"] = str(len(body))
    request.setResponseCode(status, HTTPStatus(status).phrase.encode("ascii"))
    for name, value in headers.items():
        request.setHeader(name.encode("ascii"), value.encode("latin-1", "replace"))
    if request.method != b"HEAD" and body:
        request.write(body)
    if end:
        request.finish()
