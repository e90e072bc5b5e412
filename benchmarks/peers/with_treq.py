"""treq over Twisted's own agent and pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import treq
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.ssl import Certificate
from twisted.internet.task import react
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool

from benchmarks.peers.sink import Arguments, Sink


async def _fetch(reactor: Any, arguments: Arguments, trust: Certificate | None) -> None:
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = arguments.jobs
    client = HTTPClient(Agent(reactor, BrowserLikePolicyForHTTPS(trust), pool=pool))
    items = iter(arguments.items)

    async def work() -> None:
        for item in items:
            response = await client.get(item["url"], unbuffered=True)
            sink = Sink(arguments.directory, item)
            await treq.collect(response, sink.write)
            sink.close()

    await gatherResults([Deferred.fromCoroutine(work()) for _ in range(arguments.jobs)], consumeErrors=True)
    await pool.closeCachedConnections()


def main() -> None:
    """Fetch the list."""
    arguments = Arguments()
    trust = Certificate.loadPEM(Path(arguments.certificate).read_bytes()) if arguments.certificate else None
    react(_fetch, (arguments, trust))
