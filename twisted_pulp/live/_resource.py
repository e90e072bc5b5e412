"""The page that Prometheus reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_pulp.catalog import artifacts
from twisted_pulp.errors import PulpError
from twisted_pulp.live._counted import counted
from twisted_pulp.live._gauges import Facts, gauges
from twisted_pulp.live._running import Running

__all__ = ["MetricsResource"]

#: Seconds for which it is known how much is stored.
_COUNTED = 60.0


class MetricsResource(Resource):
    """
    The page that Prometheus reads, in its text format, or as OpenMetrics for who accepts that.

    :param running: the parts of the daemon.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, running: Running) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._running = running
        self._process: Any = None
        self._counted: tuple[float, dict[str, int]] | None = None

    def render_GET(self, request: Any) -> int:
        """Answer with everything there is to tell."""
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        d = Deferred.fromCoroutine(self._answer(request, gone))
        d.addErrback(self._broke, request, gone)
        return NOT_DONE_YET

    async def _answer(self, request: Any, gone: list[object]) -> None:
        facts = await self.facts()
        if gone:
            return
        kind, text = self._text(facts, request.getHeader("Accept") or "")
        request.setHeader(b"Content-Type", kind.encode("ascii"))
        request.setHeader(b"Content-Length", b"%d" % len(text))
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        request.write(text)
        request.finish()

    def _broke(self, why: Failure, request: Any, gone: list[object]) -> None:
        self._log.failure("the metrics could not be told", why)
        if not gone and not request.startedWriting:
            request.setResponseCode(500)
            request.finish()

    async def facts(self) -> Facts:
        """Look up what is not in memory."""
        running = self._running
        jobs = queue = None
        nodes: Sequence[Any] = ()
        if running.jobs is not None:
            try:
                jobs, queue = await running.jobs.counts(), await running.jobs.quota.ready()
            except Exception:  # what else there is to tell is wanted all the more
                self._log.failure("the jobs could not be counted")
        if running.nodes is not None:
            try:
                nodes = await running.nodes.all()
            except Exception:
                self._log.failure("the nodes could not be looked up")
        broker, depth = await self._broker()
        storage = {**_disk(running.data.path), **await self._kept()}
        return Facts(jobs=jobs, queue=queue, nodes=nodes, storage=storage, broker=broker, depth=depth)

    async def _broker(self) -> tuple[Any, Any]:
        """Return the broker that many share, and how many messages it has."""
        broker: Any = getattr(self._running.jobs, "broker", None)
        if not getattr(broker, "shared", False):
            return None, None
        try:
            return broker, await broker.depth()
        except PulpError:
            return broker, None

    async def _kept(self) -> dict[str, int]:
        """Return how much is stored; it is counted once a minute at most."""
        now = self._running.reactor.seconds()
        if self._counted is None or now - self._counted[0] >= _COUNTED:
            try:
                files, size = await self._running.data.catalog.read(artifacts.total)
            except Exception:
                self._log.failure("the stored files could not be counted")
                return {}
            self._counted = now, {"files": files, "bytes": size}
        return self._counted[1]

    def _text(self, facts: Facts, accept: str) -> tuple[str, bytes]:
        """Return the page, and what it is."""
        # Its writing end alone takes a tenth of the time we may take to start.
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.process_collector import ProcessCollector

        if self._process is None:
            self._process = ProcessCollector(registry=None)
        registry = CollectorRegistry(auto_describe=False)
        families = [*counted(self._running.metrics), *gauges(self._running, facts), *self._process.collect()]
        registry.register(_Collected(families))
        encoder, kind = choose_encoder(accept)
        return kind, encoder(registry)


class _Collected:
    """Families that are there already."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = families

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        yield from self._families


def _disk(path: str) -> dict[str, int]:
    try:
        found = os.statvfs(path)
    except OSError:
        return {}
    return {"free_bytes": found.f_bavail * found.f_frsize, "size_bytes": found.f_blocks * found.f_frsize}
