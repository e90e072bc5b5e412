"""The requests that a site answers, counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource
from zope.interface import implementer

from twisted_pulp.live._metrics import Metrics

__all__ = ["Observed"]

#: Who answers what is below these; anything else is the dashboard's.
_FACES = {b"api": "api", b"content": "content", b"metrics": "metrics"}
_FOUND = frozenset({200, 206, 304})
_FORWARDED = re.compile("fwd=(bypass|method|uri-miss|vary-miss|miss|request|stale|partial)").search


@implementer(IResource)
class Observed:
    """
    The root of a site, whose requests are counted; `note` is the site's own.

    :param root: that answers.
    :param metrics: that count.
    :param clock: seconds that never jump.
    """

    isLeaf = False

    def __init__(self, root: IResource, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._root, self._metrics, self._clock = root, metrics, clock

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """Note when *request* came, and return what the root has for it."""
        request.began = self._clock()
        found: IResource = self._root.getChildWithDefault(name, request)
        return found

    def putChild(self, path: bytes, child: IResource) -> None:
        """Put *child* below the root."""
        self._root.putChild(path, child)

    def render(self, request: Any) -> Any:
        """Answer as the root does."""
        return self._root.render(request)

    def note(self, request: Any) -> None:
        """Count *request*, which was answered."""
        face = face_of(request.path)
        began = getattr(request, "began", None)
        # What goes on for as long as somebody listens says nothing about how fast we are.
        endless = request.responseHeaders.getRawHeaders(b"Content-Type", [b""])[0].startswith(b"text/event-stream")
        self._metrics.observe_request(
            face,
            request.method.decode("latin-1"),
            request.code,
            None if began is None or endless else self._clock() - began,
            sent=request.sentLength,
            cache=_caching(request) if face == "content" and request.code in _FOUND else None,
        )


def face_of(path: bytes) -> str:
    """Return who answers requests for *path*."""
    return _FACES.get(path[1:].partition(b"/")[0], "dashboard")


def _caching(request: Any) -> str:
    """Return what the cache did for an answer with content."""
    given = request.responseHeaders.getRawHeaders(b"Cache-Status")
    if given is None:
        found: str = getattr(request, "caching", "hit")
        return found
    status = given[0].decode("latin-1")
    if "; hit" in status:
        return "hit"
    if "; collapsed" in status:
        return "collapsed"
    forwarded = _FORWARDED(status)
    return "other" if forwarded is None else forwarded[1]
