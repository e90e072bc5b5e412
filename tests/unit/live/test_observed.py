"""The requests that a site answers are counted."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.unit.live.asking import Transport
from twisted_pulp.live import Metrics, Observed


class Page(Resource):
    """A page with such headers, that takes a second."""

    isLeaf = True

    def __init__(self, clock: Clock, status: int = 200, **headers: str) -> None:
        super().__init__()
        self._clock, self._status, self._headers = clock, status, headers

    def render(self, request: Any) -> int:
        self._clock.advance(1)
        request.setResponseCode(self._status)
        for name, value in self._headers.items():
            if name == "caching":
                request.caching = value
            else:
                request.setHeader(name.replace("_", "-"), value)
        request.write(b"12345")
        request.finish()
        return NOT_DONE_YET


def counted(path: bytes, status: int = 200, **headers: str) -> Metrics:
    """Return what was counted of a request for *path*."""
    clock, metrics, root = Clock(), Metrics(), Resource()
    for name in (b"api", b"content", b"metrics", b"jobs"):
        root.putChild(name, Page(clock, status, **headers))
    root.putChild(b"", Page(clock, status))
    observed = Observed(root, metrics, clock.seconds)
    observed.putChild(b"late", Page(clock))
    site = Site(observed, reactor=clock)
    site.log = observed.note
    channel: Any = site.buildProtocol(None)
    channel.makeConnection(Transport())
    channel.dataReceived(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
    return metrics


@pytest.mark.parametrize(
    ("path", "face"),
    [
        (b"/api/v1/downloads", "api"),
        (b"/content/a/b?c", "content"),
        (b"/metrics", "metrics"),
        (b"/", "dashboard"),
        (b"/jobs/1", "dashboard"),
        (b"/late", "dashboard"),
    ],
)
def test_faces(path: bytes, face: str) -> None:
    """A request counts for who has answered it, with its status, time and bytes."""
    metrics = counted(path)
    assert {(face, "GET", 200): 1} == metrics.requests
    assert {face: 5} == metrics.sent
    assert 1 == metrics.latencies[face].sum


def test_root() -> None:
    """A root that answers for itself is counted too."""
    metrics, clock = Metrics(), Clock()
    observed = Observed(Page(clock), metrics, clock.seconds)
    site = Site(observed, reactor=clock)
    site.log = observed.note
    channel: Any = site.buildProtocol(None)
    channel.makeConnection(Transport())
    channel.dataReceived(b"GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert 1 == metrics.requests.total()


@pytest.mark.parametrize(
    ("headers", "result"),
    [
        ({}, "hit"),
        ({"caching": "miss"}, "miss"),
        ({"caching": "collapsed"}, "collapsed"),
        ({"Cache_Status": "pulpdownloader; hit; ttl=3"}, "hit"),
        ({"Cache_Status": "pulpdownloader; fwd=stale; fwd-status=304; stored"}, "stale"),
        ({"Cache_Status": "pulpdownloader; fwd=uri-miss; stored; collapsed"}, "collapsed"),
        ({"Cache_Status": "pulpdownloader; fwd=S3CR3T"}, "other"),
    ],
)
def test_caching(headers: dict[str, str], result: str) -> None:
    """What the cache did is counted, for content that was sent."""
    assert {result: 1} == counted(b"/content/a", **headers).caching
    assert {} == counted(b"/content/a", 404, **headers).caching
    assert {} == counted(b"/api/a", **headers).caching


def test_endless() -> None:
    """How long somebody listened to events is no latency."""
    metrics = counted(b"/api/v1/events", Content_Type="text/event-stream; charset=utf-8")
    assert 1 == metrics.requests["api", "GET", 200]
    assert {} == metrics.latencies
