"""`ContentResource`: which requests it takes, and what it makes of their paths."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import NOT_DONE_YET
from twisted.web.test.requesthelper import DummyRequest
from zope.interface.verify import verifyObject

from twisted_pulp.streamer import ContentResource


class Noting:
    """A streamer that notes what it is to answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes | None]] = []

    def answer(self, request: Any, raw: bytes, query: bytes | None) -> None:
        """Note it."""
        self.asked.append((raw, query))


def request_of(uri: bytes, method: bytes = b"GET") -> Any:
    """Return a request as twisted.web makes it."""
    path = uri.partition(b"?")[0]
    request: Any = DummyRequest(path.split(b"/")[1:])
    request.method, request.uri, request.path, request.postpath = method, uri, path, list(request.postpath)
    return request


def rendered(uri: bytes, *mounted: bytes, method: bytes = b"GET") -> tuple[Any, list[tuple[bytes, bytes | None]]]:
    """Let a resource that is mounted there render a request; return that, and what the streamer is to answer."""
    streamer: Any = Noting()
    resource: Any = ContentResource(streamer)
    for name in reversed(mounted):
        above: Any = Resource()
        above.putChild(name, resource)
        resource = above
    request = request_of(uri, method)
    found: Any = getChildForRequest(resource, request)
    assert NOT_DONE_YET == found.render(request)
    return request, streamer.asked


@pytest.mark.parametrize(
    ("uri", "mounted", "raw", "query"),
    [
        (b"/", (), b"", None),
        (b"/a/b", (), b"a/b", None),
        (b"/content/a%2Fb/c%20d", (b"content",), b"a%2Fb/c%20d", None),
        (b"/x/y/a/", (b"x", b"y"), b"a/", None),
        (b"/content", (b"content",), b"", None),
        (b"/content/", (b"content",), b"", None),
        (b"/content//a", (b"content",), b"/a", None),
        (b"/content/a?b=c/d", (b"content",), b"a", b"b=c/d"),
        (b"/content/a?", (b"content",), b"a", b""),
        (b"/content/../a", (b"content",), b"../a", None),
    ],
)
def test_paths(uri: bytes, mounted: tuple[bytes, ...], raw: bytes, query: bytes | None) -> None:
    """Wherever it is mounted, the path below it is taken as it was sent."""
    _, asked = rendered(uri, *mounted)
    assert [(raw, query)] == asked


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"head", b""])
def test_methods(method: bytes) -> None:
    """Anything but GET and HEAD is refused, and asks nobody."""
    request, asked = rendered(b"/a", method=method)
    assert (405, [b"GET, HEAD"], []) == (request.responseCode, request.responseHeaders.getRawHeaders(b"Allow"), asked)


def test_interface() -> None:
    """It is a resource, and a leaf."""
    streamer: Any = Noting()
    resource: Any = ContentResource(streamer)
    assert verifyObject(IResource, resource)
    assert resource is resource.getChildWithDefault(b"a", request_of(b"/a"))
    with pytest.raises(TypeError, match="no children"):
        resource.putChild(b"a", resource)
