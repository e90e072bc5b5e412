"""What is where: the dashboard at the root, the API, content and metrics below it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.resource import IResource, NoResource, Resource

from twisted_pulp.api import API, APISite
from twisted_pulp.dashboard import Dashboard
from twisted_pulp.errors import shown
from twisted_pulp.live import MetricsResource, Observed, Running
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
        self._api = API(running) if "api" in running.settings.roles else None

    async def prepare(self) -> None:
        """Make what the first request for the API needs, while nobody asks; the imports of it in a thread."""
        if self._api is not None:
            reactor = self._running.reactor
            await deferToThreadPool(reactor, reactor.getThreadPool(), import_module, "twisted_pulp.api._application")
            self._api.prepare()

    def everything(self, *, content: bool, metrics: bool) -> Any:
        """
        Return the site with all there is.

        :param content: whether content is there; else it has a place of its own.
        :param metrics: as *content*.
        """
        root = _Root(None if self._api is None else Dashboard(self._running).resource())
        if content and self._content is not None:
            root.putChild(b"content", self._content)
        if metrics:
            root.putChild(b"metrics", self._metrics)
        if self._api is None:
            root.putChild(b"api", HealthResource(self._running))
            return self._opened(root)
        versions = Resource()
        versions.putChild(b"v1", self._api.resource())
        root.putChild(b"api", versions)
        return self._opened(root, partial(APISite, api=self._api))

    def content(self) -> Any:
        """Return the site with content alone."""
        root = _Root()
        if self._content is not None:
            root.putChild(b"content", self._content)
        return self._opened(root)

    def metrics(self) -> Any:
        """Return the site with metrics alone."""
        root = _Root()
        root.putChild(b"metrics", self._metrics)
        return self._opened(root)

    def _opened(self, root: Any, make: Callable[..., Any] = ContentSite) -> Any:
        observed = Observed(root, self._running.metrics, self._running.reactor.seconds)
        site = make(observed, self._running.reactor, note=partial(self._note, observed))
        site.noisy = False
        self.doors.append(Door(site, self._running.tracing))
        return site

    def _note(self, observed: Observed, request: Any) -> None:
        """Count a request that was answered, and write a line of it."""
        observed.note(request)
        if self._noted():
            self._log.info(
                "{peer} {method} {path} {status} {bytes} {seconds:.3f}s",
                peer=getattr(request.getClientAddress(), "host", None) or "-",
                method=request.method.decode("latin-1"),
                path=shown(request.uri.decode("latin-1")),
                status=request.code,
                bytes=request.sentLength,
                seconds=seconds_of(request, self._running.reactor),
                request=getattr(request, "identity", ""),
            )


class _Root(Resource):
    """The root: what has no name of its own here is the dashboard's."""

    def __init__(self, rest: IResource | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rest = NoResource() if rest is None else rest

    def getChild(self, path: bytes, request: Any) -> Any:
        """Let the dashboard look at the path from its beginning."""
        request.postpath.insert(0, request.prepath.pop())
        return self._rest
