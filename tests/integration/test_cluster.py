"""Several daemons over one database, as whole processes."""

from __future__ import annotations

import json

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.integration.cluster import Member, StartCluster
from tests.integration.process import Start
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


@ensureDeferred
async def test_status(start_cluster: StartCluster, start_command: Start) -> None:
    """The API, metrics and a command show every node; a role that no living one has is a failure."""
    cluster = start_cluster(limits={"lease": 1})
    api, worker, content = cluster.add("api"), cluster.add("worker"), cluster.add("content")
    await cluster.start()
    found = await api.document("/api/v1/cluster")
    assert {"api": 1, "worker": 1, "content": 1} == found["roles"]
    assert {each.pid for each in (api, worker, content)} == {each["pid"] for each in found["nodes"]}
    one = next(each for each in found["nodes"] if each["roles"] == ["worker"])
    assert ([f"http://127.0.0.1:{worker.port}/"], True, 4) == (one["urls"], one["alive"], one["figures"]["slots"])
    assert ("postgresql", "local", "directory") == tuple(
        found[name]["kind"] for name in ("database", "broker", "storage")
    )
    metrics = (await worker.get("/metrics")).body.decode()
    assert 3 == metrics.count("pulpdownloader_node_info{")
    given = {"PULPDOWNLOADER_SERVER": f"http://127.0.0.1:{api.port}", "PULPDOWNLOADER_TOKEN": cluster.token}
    command = start_command("cluster", "status", environ=given)
    assert 0 == await command.ended()
    assert 3 == sum("ready" in line for line in command.lines)
    await worker.kill()
    await cluster.until(lambda: Deferred.fromCoroutine(_left(api, 2)))
    command = start_command("cluster", "status", "--format", "json", environ=given)
    assert 1 == await command.ended()
    assert [False] == [each["alive"] for each in json.loads(command.out)["nodes"] if each["pid"] == worker.pid]
    assert "no node that lives has the role worker" in command.err


async def _left(member: Member, count: int) -> bool:
    nodes = (await member.document("/api/v1/cluster"))["nodes"]
    return count == sum(each["alive"] for each in nodes)
