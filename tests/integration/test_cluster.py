"""Several daemons over one database, as whole processes."""

from __future__ import annotations

import json
from typing import Any

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.integration.cluster import Member, StartCluster
from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.fixtures import StartScripted
from tests.servers.postgres import Postgres
from tests.servers.scripted import Stall, ok


@ensureDeferred
async def test_status(start_cluster: StartCluster, start_command: Start, start_scripted: StartScripted) -> None:
    """
    What one node takes another does; the API, metrics and a command show every node, and a role that is missing.

    One with another key than the others does not start, and says so.
    """
    server = await start_scripted()
    server.on(b"/a", [ok(b"x" * 1000)])
    cluster = start_cluster(limits={"lease": 1})
    private = {"private": {"url": "http://h/", "username": "u", "password": "S3CR3T"}}
    api, worker, content = cluster.add("api", remotes=private), cluster.add("worker"), cluster.add("content")
    await cluster.start()
    wrong = cluster.add("content", key=str(cluster.directory / "other.key"))
    wrong.begin()
    made = await api.made("/api/v1/downloads", {"items": [{"url": server.url("/a")}]})
    job = await cluster.ended(made["id"], api)
    assert ("completed", 1) == (job["state"], job["done"])
    assert (worker.data / "downloads" / "a").exists()
    assert 1 == await wrong.daemon.process.ended()
    said = wrong.daemon.process.err + wrong.out
    assert "sealed with another key than that in " in said
    assert "S3CR3T" not in said
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


@ensureDeferred
async def test_elsewhere(start_cluster: StartCluster, start_scripted: StartScripted, postgres: Postgres) -> None:
    """
    A job is followed and ended through any node: events tell of it, and its upstream is left soon.

    While the database is away nodes live and are not ready; once it is back they go on by themselves.
    """
    server = await start_scripted()
    server.on(b"/a", [(ok(b"x" * 1000)[0], Stall())])
    cluster = start_cluster()
    api, worker = cluster.add("api"), cluster.add("worker")
    await cluster.start()
    events = await api.daemon.client(api.port)
    events.get("/api/v1/events", f"Authorization: Bearer {cluster.token}")
    made = await api.made("/api/v1/downloads", {"items": [{"url": server.url("/a")}]})
    uid = made["id"]
    await cluster.until(lambda: _heard(events, uid, "running"))
    await cluster.until(lambda: server.live)
    began = cluster.reactor.seconds()
    assert "cancelled" == (await api.made(f"/api/v1/jobs/{uid}/cancel"))["state"]
    await cluster.until(lambda: not server.live)
    assert cluster.reactor.seconds() - began < 15  # a second; a beat of the lease would be twenty
    assert _heard(events, uid, "cancelled")
    await events.leave()
    assert "cancelled" == (await api.job(uid))["state"]
    postgres.stop()
    try:
        for each in (api, worker):
            await cluster.until(lambda each=each: Deferred.fromCoroutine(_answers(each, "/api/v1/ready", 503)))
            assert 200 == (await each.get("/api/v1/health")).status
        look = await api.send("GET", "/api/v1/cluster")  # at once, while other requests wait for the database
        assert (503, True) == (look.status, b"the catalog cannot be used: " in look.body)
    finally:
        postgres.start()
    for each in (api, worker):
        await cluster.until(lambda each=each: Deferred.fromCoroutine(_answers(each, "/api/v1/ready", 200)))
    made = await api.made("/api/v1/cleanups", {})
    assert "completed" == (await cluster.ended(made["id"], api))["state"]
    assert 0 == await worker.stop()


def _heard(events: Socket, uid: str, state: str) -> bool:
    """Tell whether an event has said that the job is in this state."""
    lines = [line[6:] for line in events.received.decode().splitlines() if line.startswith("data: {")]
    said = [json.loads(line) for line in lines]
    return any((each.get("uid"), each.get("state")) == (uid, state) for each in said)


async def _answers(member: Member, path: str, status: int) -> bool:
    return (await member.get(path)).status == status


@ensureDeferred
async def test_all_at_once(start_cluster: StartCluster) -> None:
    """
    Nodes that begin at the same moment on an empty database make its tables, the first token and each job once.

    One with another key does not start while they live, also before anything is sealed.
    """
    cluster = start_cluster(
        limits={"lease": 3}, more={"schedules": {"tidy": {"kind": "cleanup", "every": 3600, "jitter": 0}}}
    )
    nodes = [cluster.add("api", "worker"), cluster.add("api", "worker"), cluster.add("api")]
    for each in nodes:
        each.begin()
    for each in nodes:
        await each.listening()
    wrong = cluster.add("content", key=str(cluster.directory / "other.key"))
    wrong.begin()
    assert 1 == sum("API token" in each.out for each in nodes)
    jobs = await cluster.until(lambda: Deferred.fromCoroutine(_jobs(nodes[2])))
    assert ("completed", "tidy") == ((await cluster.ended(jobs[0]["id"], nodes[2]))["state"], jobs[0]["schedule"])
    assert 1 == len(await _jobs(nodes[2]))
    assert 1 == await wrong.daemon.process.ended()
    assert "have another key than that in " in wrong.daemon.process.err + wrong.out


async def _jobs(member: Member) -> Any:
    return (await member.document("/api/v1/jobs"))["items"]
