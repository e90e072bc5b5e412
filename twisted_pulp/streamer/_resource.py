"""Content as a resource of any Twisted site."""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from twisted_pulp.streamer._errors import Refusal
from twisted_pulp.streamer._streamer import Streamer

__all__ = ["ContentResource"]

_METHODS = Refusal(405, "Content can be read only.", allow="GET, HEAD")


@implementer(IResource)
class ContentResource:
    """
    What the distributions serve, below wherever this is put into a site.

    A path of a request is, below this, the base path of a distribution and a path in what it serves.

    :param streamer: shared by all of these.
    """

    isLeaf = True

    def __init__(self, streamer: Streamer) -> None:
        self._streamer = streamer

    def render(self, request: IRequest) -> int:
        """Answer a GET or HEAD; anything else is refused."""
        if request.method in (b"GET", b"HEAD"):
            self._streamer.answer(request, *_below(request))
        else:
            _METHODS.send(request)
        return NOT_DONE_YET

    def getChildWithDefault(self, name: bytes, request: IRequest) -> IResource:
        """Return this, which is a leaf."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """:raises TypeError: always: everything below this is content."""
        raise TypeError("a ContentResource has no children")


def _below(request: Any) -> tuple[bytes, bytes | None]:
    """Return the path below the resource and the query, both as they were sent."""
    path, mark, query = request.uri.partition(b"?")
    # However many segments led here, those left are as many as twisted.web has decoded for us.
    left = len(request.postpath)
    raw = b"/".join(path.split(b"/")[-left:]) if left else b""
    return raw, query if mark else None
