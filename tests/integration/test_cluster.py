"""Several daemons over one database, as whole processes."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from tests.integration.cluster import StartCluster
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import ok


@ensureDeferred
async def test_roles(start_cluster: StartCluster, start_scripted: StartScripted) -> None:
    """What one takes another does, and the bytes are where all find them."""
    server = await start_scripted()
    server.on(b"/a", [ok(b"x" * 1000)])
    cluster = start_cluster()
    api, worker = cluster.add("api"), cluster.add("worker")
    await cluster.start()
    made = await api.made("/api/v1/downloads", {"items": [{"url": server.url("/a")}]})
    job = await cluster.ended(made["id"], api)
    assert ("completed", 1) == (job["state"], job["done"])
    assert (worker.data / "downloads" / "a").exists()
