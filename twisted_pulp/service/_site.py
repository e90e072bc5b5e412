"""What is where: the dashboard at the root, the API, content and metrics below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.web.resource import IResource, NoResource, Resource

from twisted_pulp.errors import shown
from twisted_pulp.live import MetricsResource, Running
from twisted_pulp.service._door import Door, seconds_of
from twisted_pulp.service._health import HealthResource
from twisted_pulp.streamer import ContentResource, ContentSite

__all__ = ["Faces"]


class Faces:
    """
    The sites of a daemon, as its roles want them.

    :param running: the parts of the daemon.
    :param noted: whether there is to be a line in the log for each request.
    :ivar doors: of the sites that were made.
    """

    _log = Logger()

    def __init__(self, running: Running, noted: Callable[[], bool]) -> None:
        self._running, self._noted = running, noted
        self.doors: list[Door] = []
        self._content = ContentResource(running.streamer) if running.streamer is not None else None
        self._metrics = MetricsResource(running)

    def everything(self, *, content: bool, metrics: bool) -> Any:
        """
        Return the site with all there is.

        :param content: whether content is there; else it has a place of its own.
        :param metrics: as *content*.
        """
        root = _Root()
        if content and self._content is not None:
            root.putChild(b"content", self._content)
        if metrics:
            root.putChild(b"metrics", self._metrics)
        root.putChild(b"api", HealthResource(self._running))
        return self._opened(ContentSite(root, self._running.reactor, note=self._note))

    def content(self) -> Any:
        """Return the site with content alone."""
        root = _Root()
        if self._content is not None:
            root.putChild(b"content", self._content)
        return self._opened(ContentSite(root, self._running.reactor, note=self._note))

    def metrics(self) -> Any:
        """Return the site with metrics alone."""
        root = _Root()
        root.putChild(b"metrics", self._metrics)
        return self._opened(ContentSite(root, self._running.reactor, note=self._note))

    def _opened(self, site: Any) -> Any:
        site.noisy = False
        self.doors.append(Door(site))
        return site

    def _note(self, request: Any) -> None:
        """Count a request that was answered, and write a line of it."""
        took = seconds_of(request, self._running.reactor)
        face = _FACES.get(request.path.partition(b"?")[0].split(b"/", 2)[1:2][0] if request.path else b"", "dashboard")
        method = request.method.decode("latin-1")
        cache = request.responseHeaders.getRawHeaders(b"Cache-Status") if face == "content" else None
        self._running.metrics.observe_request(
            face, method, request.code, took, sent=request.sentLength, cache=_cache(cache)
        )
        if self._noted():
            self._log.info(
                "{peer} {method} {path} {status} {bytes} {seconds:.3f}s",
                peer=getattr(request.getClientAddress(), "host", None) or "-",
                method=method,
                path=shown(request.uri.decode("latin-1")),
                status=request.code,
                bytes=request.sentLength,
                seconds=took,
                request=getattr(request, "identity", ""),
            )


_FACES = {b"content": "content", b"api": "api", b"metrics": "metrics"}


def _cache(values: list[bytes] | None) -> str | None:
    """Return what the cache did, of a Cache-Status (RFC 9211): the first of its parameters."""
    if not values:
        return None
    words = values[0].decode("latin-1").split(";")
    return words[1].strip().partition("=")[2] or words[1].strip() if len(words) > 1 else None


class _Root(Resource):
    """The root: what has no name of its own here is the dashboard's."""

    def __init__(self, rest: IResource | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rest = NoResource() if rest is None else rest

    def getChild(self, path: bytes, request: Any) -> Any:
        """Let the dashboard look at the path from its beginning."""
        request.postpath.insert(0, request.prepath.pop())
        return self._rest
