"""Agents that answer what a test says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import HTTPStatusError
from twisted_pulp.testing._response import FakeResponse

__all__ = ["Asked", "FakeSite", "SpyAgent"]

_RANGE = re.compile(r"bytes=(\d+)-(\d*)").fullmatch


@frozen
class Asked:
    """
    A request that an agent was asked to make.

    :ivar method: such as "GET".
    :ivar url: as it was given.
    :ivar headers: names in lower case -> the last value of each.
    :ivar answer: the Deferred that the agent returned: `callback` it with a `FakeResponse`, or `errback` it.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    answer: Deferred[IResponse] = field(repr=False)


@implementer(IAgent)
@define(eq=False)
class SpyAgent:
    """
    Answers nothing by itself: the test does, through `requests`.

    :ivar requests: what was asked for, in order.
    :ivar cancelled: those that were cancelled.
    """

    requests: list[Asked] = field(init=False, factory=list)
    cancelled: list[Asked] = field(init=False, factory=list)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Note the request."""
        answer: Deferred[IResponse] = Deferred(lambda _: self.cancelled.append(asked))
        asked = Asked(method.decode("ascii"), uri.decode("ascii"), _plain(headers), answer)
        self.requests.append(asked)
        return answer


def _plain(headers: Headers | None) -> dict[str, str]:
    pairs = () if headers is None else headers.getAllRawHeaders()
    return {name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in pairs}


@implementer(IAgent)
@define(eq=False)
class FakeSite:
    """
    A site in memory, for `Downloader.agent`: GET and HEAD with strong ETags, ranges, If-Range and If-None-Match.

    As with the agents of a Context, a status of 400 and above fails with its `HTTPStatusError`.

    :ivar files: URL -> content, or a status to answer with; every other URL is 404. May change at any time.
    :ivar requests: what was asked for, in order.
    """

    files: dict[str, bytes | int]
    requests: list[Asked] = field(init=False, factory=list)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Answer at once."""
        url, asked = uri.decode("ascii"), _plain(headers)
        response = self._response(url, asked)
        if method == b"HEAD":
            response.body = b""
        if response.code < 400:
            answer: Deferred[IResponse] = succeed(response)
        else:
            answer = fail(HTTPStatusError.of(url, response.code, _plain(response.headers)))
        self.requests.append(Asked(method.decode("ascii"), url, asked, answer))
        return answer

    def _response(self, url: str, asked: Mapping[str, str]) -> FakeResponse:
        found = self.files.get(url, 404)
        if isinstance(found, int):
            return _answer(url, found, {})
        tag = f'"{hashlib.sha256(found).hexdigest()[:16]}"'
        if asked.get("if-none-match") == tag:
            return _answer(url, 304, {"ETag": tag})
        wanted = _RANGE(asked.get("range", ""))
        if wanted is None or asked.get("if-range", tag) != tag:
            return _answer(url, 200, {"ETag": tag}, found)
        first, last = int(wanted[1]), min(int(wanted[2] or len(found)), len(found) - 1)
        if first > last:
            return _answer(url, 416, {"ETag": tag, "Content-Range": f"bytes */{len(found)}"})
        part = f"bytes {first}-{last}/{len(found)}"
        return _answer(url, 206, {"ETag": tag, "Content-Range": part}, found[first : last + 1])


def _answer(url: str, code: int, headers: dict[str, str], body: bytes = b"") -> FakeResponse:
    return FakeResponse(code, body, {"Content-Length": str(len(body)), **headers}, url)
