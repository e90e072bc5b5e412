"""Daemons whose artifacts are in a bucket of a real S3 server."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThread

from tests.integration.cluster import Cluster, Member, StartCluster
from tests.integration.faults.test_spread import gets, helpers, remote, sync
from tests.integration.faults.upstream import Upstream, sha256
from tests.integration.pool import Pool
from tests.servers.answers import ok
from tests.servers.ceph import Ceph
from tests.servers.fixtures import StartFaulty, StartNginx, StartScripted
from tests.servers.forward import Forward
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted
from tests.servers.steps import Request, Send, Steps, Until
from twisted_pulp.storage import ObjectStorage

LARGE = hashlib.shake_256(b"large").digest(20 << 20)
SECRET = "s3cr3t-of-the-tester"


async def kept(reactor: IReactor, url: str, spool: Path) -> dict[str, int]:
    """Return sha256 and size of what is in a bucket."""
    assert IReactorFromThreads.providedBy(reactor)
    storage = await ObjectStorage.open(reactor, url, spool)
    try:
        return {sha256: size async for sha256, size, _ in storage.each()}
    finally:
        await storage.close()


async def done(cluster: Cluster, member: Member, noun: str, **document: Any) -> Any:
    """Let a job run, and return what came of it."""
    job = await member.made(f"/api/v1/{noun}", document)
    ended = await cluster.ended(job["id"], member)
    assert "completed" == ended["state"], (ended, [each.out for each in cluster.members])
    return ended["result"]


def followed(url: str, headers: dict[str, str]) -> tuple[int, bytes, str]:
    """Return what a client gets that follows redirects, and from where."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.status, answer.read(), answer.url


@pytest.mark.limit(300)
@ensureDeferred
async def test_cluster(
    start_cluster: StartCluster, start_nginx: StartNginx, ceph: Ceph, bucket: str, reactor: IReactor, tmp_path: Path
) -> None:
    """What one node syncs or pulls through another serves, from the bucket alone; jobs mend it, and clear it up."""
    pool = Pool.of(tmp_path / "pool")
    pool.put("large.bin", LARGE)
    pool.write()
    upstream = await start_nginx(pool.root)
    url = ceph.url(bucket)
    cluster = start_cluster(storage=url)
    worker, front = cluster.add("worker"), cluster.add("api", "content")
    await cluster.start()
    await front.made("/api/v1/remotes", {"name": "up", "url": upstream.url("/PULP_MANIFEST")})
    await front.made("/api/v1/remotes", {"name": "tree", "url": upstream.url("/")})
    await front.made("/api/v1/repositories", {"name": "mine", "remote": "up"})
    synced = await done(cluster, front, "syncs", repository="mine")
    assert 6 == synced["downloaded"]
    wanted = {pool.sha256(name): len(data) for name, data in pool.files.items()}
    assert wanted == await kept(reactor, url, tmp_path / "spool")
    assert 0 == ceph.uploads(bucket)
    assert [] == os.listdir(worker.data / "spool" / "tmp")
    await served(front, pool)
    await pulled(front, pool)
    await mended(cluster, front, url, pool, reactor, tmp_path)
    assert SECRET not in worker.out + front.out
    settings = await front.document("/api/v1/settings")
    assert SECRET not in str(settings)
    assert settings["storage"].startswith("s3://")


async def served(front: Member, pool: Pool) -> None:
    """What was synced is served, whole and in part."""
    await front.made("/api/v1/distributions", {"name": "d", "base_path": "d", "repository": "mine"})
    for name in ("0.bin", "large.bin"):
        got = await front.get(f"/content/d/{name}")
        assert (200, pool.files[name]) == (got.status, got.body)
        got = await front.get(f"/content/d/{name}", "Range: bytes=100-199")
        assert (206, pool.files[name][100:200]) == (got.status, got.body)


async def pulled(front: Member, pool: Pool) -> None:
    """What nobody had is brought by the first client, and kept in the bucket."""
    (pool.root / "new.iso").write_bytes(LARGE[: 9 << 20])
    wanted = {"name": "t", "base_path": "t", "remote": "tree", "settings": {"immutable": ["*.iso"]}}
    await front.made("/api/v1/distributions", wanted)
    assert LARGE[: 9 << 20] == (await front.get("/content/t/new.iso")).body
    (pool.root / "new.iso").unlink()
    assert LARGE[: 9 << 20] == (await front.get("/content/t/new.iso")).body


async def mended(cluster: Cluster, front: Member, url: str, pool: Pool, reactor: IReactor, tmp_path: Path) -> None:
    """A verification finds what was changed in the bucket and mends it; a cleanup leaves nothing behind."""
    storage: Any = await ObjectStorage.open(reactor, url, tmp_path / "spool")  # type: ignore[arg-type]
    victim = pool.sha256("0.bin")
    size = len(pool.files["0.bin"])
    await deferToThread(storage._bucket.replace, victim, lambda: iter((b"?" * size,)), size)
    found = await done(cluster, front, "verifications", repair=True)
    assert (1, 1) == (found["damaged"], found["repaired"])
    assert pool.files["0.bin"] == await storage.read(victim)
    await storage.close()
    for name in ("d", "t"):
        assert 204 == (await front.send("DELETE", f"/api/v1/distributions/{name}")).status
    assert 204 == (await front.send("DELETE", "/api/v1/repositories/mine")).status
    await done(cluster, front, "cleanups", grace=0)
    assert pool.sha256("0.bin") not in await kept(reactor, url, tmp_path / "spool")


@pytest.mark.limit(300)
@ensureDeferred
async def test_redirected(
    start_cluster: StartCluster, start_nginx: StartNginx, ceph: Ceph, bucket: str, tmp_path: Path
) -> None:
    """Where that is wanted, clients of large files are sent to the bucket, and get there what they asked for."""
    pool = Pool.of(tmp_path / "pool", 1)
    pool.put("large.bin", LARGE)
    pool.write()
    upstream = await start_nginx(pool.root)
    cluster = start_cluster(storage=ceph.url(bucket, redirect="true"))
    front = cluster.add()
    await cluster.start()
    await front.made("/api/v1/remotes", {"name": "up", "url": upstream.url("/PULP_MANIFEST")})
    await front.made("/api/v1/repositories", {"name": "mine", "remote": "up"})
    await done(cluster, front, "syncs", repository="mine")
    await front.made("/api/v1/distributions", {"name": "d", "base_path": "d", "repository": "mine"})
    place = f"http://127.0.0.1:{front.port}/content/d/"
    status, body, where = await deferToThread(followed, f"{place}large.bin", {"Range": "bytes=100-299"})
    assert (206, LARGE[100:300], ceph.port) == (status, body, urlsplit(where).port)
    status, body, where = await deferToThread(followed, f"{place}large.bin", {})
    assert (200, LARGE) == (status, body)
    assert front.port == urlsplit((await deferToThread(followed, f"{place}0.bin", {}))[2]).port
    got = await front.get("/content/d/large.bin")
    assert (302, b"", "no-store") == (got.status, got.body, got.headers["cache-control"])
    assert SECRET not in str(got.headers)
    assert 304 == (await front.get("/content/d/large.bin", f'If-None-Match: "{pool.sha256("large.bin")}"')).status
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=60)

    def head() -> tuple[int, str | None]:
        connection.request("HEAD", "/content/d/large.bin")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("Content-Length")

    assert (200, str(len(LARGE))) == await deferToThread(head)


@pytest.mark.limit(300)
@ensureDeferred
async def test_away(
    start_cluster: StartCluster,
    start_nginx: StartNginx,
    start_faulty: StartFaulty,
    ceph: Ceph,
    bucket: str,
    tmp_path: Path,
) -> None:
    """While the bucket is out of reach clients are told to come again and a sync waits; a killed daemon goes on."""
    pool = Pool.of(tmp_path / "pool", 20)
    pool.put("large.bin", LARGE)
    pool.write()
    upstream, faulty = await start_nginx(pool.root), await start_faulty(ceph.port)
    cluster = start_cluster(storage=ceph.url(bucket, faulty.url("").rstrip("/"), patience=3))
    node = cluster.add()
    await cluster.start()
    await node.made("/api/v1/remotes", {"name": "up", "url": upstream.url("/PULP_MANIFEST")})
    await node.made("/api/v1/repositories", {"name": "mine", "remote": "up"})
    await done(cluster, node, "syncs", repository="mine")
    await node.made("/api/v1/distributions", {"name": "d", "base_path": "d", "repository": "mine"})
    assert LARGE == (await node.get("/content/d/large.bin")).body
    pool.put("new.bin", LARGE[::-1])
    pool.write()
    await faulty.down()
    job = await node.made("/api/v1/syncs", {"repository": "mine"})
    assert 503 == (await node.get("/content/d/large.bin")).status
    await cluster.until(lambda: (node.data / "spool" / "tmp").is_dir() and os.listdir(node.data / "spool" / "tmp"))
    await node.kill()
    faulty.up()
    await node.start()
    ended = await cluster.ended(job["id"], node)
    assert ("completed", 1) == (ended["state"], ended["result"]["added"]), ended
    assert LARGE[::-1] == (await node.get("/content/d/new.bin")).body
    assert {} == (await node.document("/api/v1/status"))["degraded"]
    assert [] == os.listdir(node.data / "spool" / "tmp")


@pytest.mark.limit(300)
@ensureDeferred
async def test_overlap(
    start_cluster: StartCluster,
    start_scripted: StartScripted,
    ceph: Ceph,
    bucket: str,
    reactor: IReactor,
    tmp_path: Path,
) -> None:
    """A large file is on its way to the bucket while it is still coming, in a sync and when a client asks for it."""
    upstream, between = await start_scripted(), await start_scripted()
    arrived: dict[bytes, Deferred[None]] = {}

    def forwarded(request: Request) -> Steps:
        part = arrived.get(request.path)
        if b"partNumber=1" in request.target and part is not None and not part.called:
            part.callback(None)
        return (Forward(reactor, ceph.port, request),)

    between.default = forwarded
    bodies = {"synced.bin": LARGE, "pulled.bin": LARGE[::-1]}
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
    for name, body in bodies.items():
        sha256 = digests[name]
        part = arrived[f"/{bucket}/artifact/{sha256[:2]}/{sha256[2:]}".encode()] = Deferred()
        begun, rest = Send(body[: -(4 << 20)]), Send(body[-(4 << 20) :])
        upstream.on(f"/{name}".encode(), [(ok(body)[0], begun, Until(part), rest)])
        line = f"{name},{sha256},{len(body)}\n"
        upstream.on(f"/{name}.MANIFEST".encode(), [ok(line.encode())])
    cluster = start_cluster(storage=ceph.url(bucket, between.url("").rstrip("/")))
    node = cluster.add()
    await cluster.start()
    for name, policy in (("synced.bin", "immediate"), ("pulled.bin", "on_demand")):
        await node.made(
            "/api/v1/remotes", {"name": name, "url": upstream.url(f"/{name}.MANIFEST"), "settings": {"policy": policy}}
        )
        await node.made("/api/v1/repositories", {"name": name, "remote": name})
        await done(cluster, node, "syncs", repository=name)
        await node.made("/api/v1/distributions", {"name": name, "base_path": name, "repository": name})
        assert bodies[name] == (await node.get(f"/content/{name}/{name}")).body
    await cluster.until(lambda: [] == os.listdir(node.data / "spool" / "tmp"))
    for name, body in bodies.items():
        assert 1 == sum(each.path == f"/{name}".encode() for each in upstream.requests)
        assert body == (await node.get(f"/content/{name}/{name}")).body
    assert 0 == ceph.uploads(bucket)
    await wrong(cluster, node, upstream)
    assert set(digests.values()) == set(await kept(reactor, ceph.url(bucket), tmp_path / "spool"))
    await cluster.until(lambda: 0 == ceph.uploads(bucket))
    assert [] == os.listdir(node.data / "spool" / "tmp")


async def wrong(cluster: Cluster, node: Member, upstream: Scripted) -> None:
    """What turns out not to be what was announced never appears, although it was being uploaded."""
    upstream.on(b"/wrong.bin", [ok(LARGE[1:] + b"?")])
    upstream.on(b"/wrong.MANIFEST", [ok(f"wrong.bin,{'ab' * 32},{len(LARGE)}\n".encode())])
    await node.made("/api/v1/remotes", {"name": "wrong", "url": upstream.url("/wrong.MANIFEST")})
    result = await done(cluster, node, "syncs", repository="synced.bin", remote="wrong", keep_going=True)
    assert (0, 1) == (result["added"], result["failed"])
    assert "wrong sha256" in str(result["failures"])


async def metrics(member: Member) -> str:
    """Return what a member measures."""
    return (await member.get("/metrics")).body.decode()


@pytest.mark.limit(300)
@ensureDeferred
async def test_spread(
    start_cluster: StartCluster, scripted: Scripted, ceph: Ceph, bucket: str, reactor: IReactor, tmp_path: Path
) -> None:
    """A sync that three processes share brings each file into the bucket once, large ones too."""
    upstream = Upstream(scripted, random.Random(1))
    upstream.add(60)
    upstream.add(1, 17 << 20)
    cluster = start_cluster(storage=ceph.url(bucket), limits={"jobs": 1})
    members = await cluster.grow(3)
    await remote(members[0], upstream)
    await helpers(cluster, members[0], 2)
    uid = await sync(members[0], "mine")
    job = await cluster.ended(uid, members[1])
    assert ("completed", 61) == (job["state"], job["result"]["added"]), (job, [each.out for each in members])
    assert (61, 1) == (len(gets(upstream)), max(gets(upstream).values()))
    wanted = {sha256(body): len(body) for body in upstream.files.values()}
    assert wanted == await kept(reactor, ceph.url(bucket), tmp_path / "spool")
    assert 0 == ceph.uploads(bucket)
    assert [[], [], []] == [os.listdir(each.data / "spool" / "tmp") for each in members]
    shares = [re.search(r'downloads_total{result="completed"} (\d+)', await metrics(each)) for each in members]
    assert 2 <= sum(int(found[1]) > 0 for found in shares if found is not None)
