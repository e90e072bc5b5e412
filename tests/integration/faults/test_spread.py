"""Several daemons that share a catalog: each file is fetched once, whoever dies or stands still."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.defer import Deferred, gatherResults

from tests.integration.cluster import Cluster, Member, StartCluster
from tests.integration.faults.kept import whole
from tests.integration.faults.upstream import Upstream
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Until, ok


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Upstream:
    """A site without files, so far."""
    return Upstream(scripted, rng)


def gets(upstream: Upstream) -> Counter[bytes]:
    """Return how often each file was asked for."""
    return Counter(each.path for each in upstream.server.requests if b"MANIFEST" not in each.path)


async def remote(member: Member, upstream: Upstream, name: str = "upstream") -> None:
    """Let a remote reach it."""
    await member.made("/api/v1/remotes", {"name": name, "url": upstream.url})


async def sync(member: Member, repository: str, **fields: Any) -> str:
    """Hand in a sync, and return the number of its job."""
    await member.made("/api/v1/repositories", {"name": repository, "type": "file"})
    job: str = (await member.made("/api/v1/syncs", {"repository": repository, "remote": "upstream", **fields}))["id"]
    return job


async def helpers(cluster: Cluster, member: Member, count: int) -> None:
    """Wait until *member* knows of so many others."""

    async def known() -> bool:
        return len((await member.document("/api/v1/cluster"))["nodes"]) > count

    await cluster.until(lambda: Deferred.fromCoroutine(known()))


def running(cluster: Cluster, postgres: Postgres, uid: str) -> Member | None:
    """Return the member that runs a job."""
    database = cluster.database.rpartition("/")[2]
    rows = postgres.run(f"SELECT holder FROM job WHERE uid = '{uid}'", database)
    return next(
        (each for each in cluster.members if (each.data / "locks" / "worker").read_text().strip() == rows[0][0]), None
    )


async def contended(
    start_cluster: StartCluster, upstream: Upstream, postgres: Postgres, gate: Deferred[None]
) -> tuple[Cluster, Member, Member, list[str]]:
    """
    Let one of two fetch a file that does not come, and the other want it, too.

    :returns: the cluster, the one that fetches, the one that waits, and their jobs.
    """
    upstream.add(4)
    path = next(iter(upstream.files))
    place = f"/pool/{path.replace(' ', '%20')}".encode()
    upstream.server.on(place, [(Until(gate), *ok(upstream.files[path])), ok(upstream.files[path])])
    cluster = start_cluster(limits={"jobs": 1, "lease": LEASE})
    one, two = await cluster.grow(2)
    await remote(one, upstream)
    for each in (one, two):
        await helpers(cluster, each, 1)
    uids = [await sync(one, "first")]
    holder = await cluster.until(lambda: gets(upstream)[place] and running(cluster, postgres, uids[0]))
    other = two if holder is one else one
    uids.append(await sync(one, "second"))
    await cluster.until(lambda: running(cluster, postgres, uids[1]) is other)
    return cluster, holder, other, uids


#: Seconds for which a busy machine may keep everybody.
SLACK = 8
#: Seconds after which a process that says nothing is taken to be dead; a busy machine must not seem to be.
LEASE = 4


@ensureDeferred
async def test_killed(start_cluster: StartCluster, upstream: Upstream, postgres: Postgres, reactor: IReactor) -> None:
    """Row 65: what one that died was fetching another fetches within a lease; what had come is not fetched again."""
    gate: Deferred[None] = Deferred()
    cluster, holder, other, uids = await contended(start_cluster, upstream, postgres, gate)
    await holder.kill()
    killed = reactor.seconds()
    await cluster.until(lambda: gets(upstream).most_common(1)[0][1] == 2)
    waited = reactor.seconds() - killed
    for uid in uids:
        assert "completed" == (await cluster.ended(uid, other))["state"]
    assert [1, 1, 1, 2] == sorted(gets(upstream).values())
    assert waited < LEASE + 1 + SLACK
    gate.callback(None)


@ensureDeferred
async def test_paused(start_cluster: StartCluster, upstream: Upstream, postgres: Postgres, reactor: IReactor) -> None:
    """
    Row 66: a sync whose worker stands still another does to the end, although the first has the repository's lock.

    When that one wakes it commits nothing, and does the next job.
    """
    upstream.add(6)
    path = next(iter(upstream.files))
    place = f"/pool/{path.replace(' ', '%20')}".encode()
    gate: Deferred[None] = Deferred()
    upstream.server.on(place, [(Until(gate), *ok(upstream.files[path])), ok(upstream.files[path])])
    cluster = start_cluster(limits={"jobs": 1, "lease": LEASE})
    members = await cluster.grow(3)
    await remote(members[0], upstream)
    uid = await sync(members[0], "first")
    holder = await cluster.until(lambda: gets(upstream)[place] and running(cluster, postgres, uid))
    others = [each for each in members if each is not holder]
    holder.pause()
    paused = reactor.seconds()
    job = await cluster.ended(uid, others[0])
    assert ("completed", 1, 6) == (job["state"], job["result"]["version"], job["result"]["added"])
    assert reactor.seconds() - paused < 2 * LEASE + 3 * SLACK
    assert any("says nothing any more: its locks are taken" in each.out for each in others)
    gate.callback(None)
    holder.resume()
    for each in others:
        await each.stop()
    again = await sync(holder, "second")
    assert ("completed", 6) == ((job := await cluster.ended(again, holder))["state"], job["result"]["added"])
    versions = (await holder.document("/api/v1/repositories/first/versions"))["items"]
    assert [(1, 6)] == [(each["number"], each["present"]) for each in versions if each["number"]]
    job = await holder.job(uid)
    assert ("completed", 1) == (job["state"], job["result"]["version"])
    assert 2 == gets(upstream)[place]
    assert 6 == len(whole(cluster.directory / "storage"))


@ensureDeferred
async def test_race(start_cluster: StartCluster, upstream: Upstream, campaign_count: Callable[[int, int], int]) -> None:
    """Row 64: processes that want the same files at once fetch each of them once, and all get them."""
    processes, files = 3 if campaign_count(0, 1) == 0 else 8, campaign_count(120, 1000)
    upstream.add(files)
    cluster = start_cluster(limits={"jobs": 1})
    members = await cluster.grow(processes)
    await remote(members[0], upstream)
    await gatherResults([Deferred.fromCoroutine(helpers(cluster, each, processes - 1)) for each in members])
    uids = [await sync(member, f"r{number}") for number, member in enumerate(members)]
    for uid in uids:
        job = await cluster.ended(uid, members[0])
        assert ("completed", None, files) == (job["state"], job["error"], job["result"]["added"])
    asked = gets(upstream)
    assert files == len(asked)
    assert asked.total() <= 1.05 * files
    assert files == len(whole(cluster.directory / "storage"))


@ensureDeferred
async def test_clients(start_cluster: StartCluster, upstream: Upstream) -> None:
    """Row 64: clients of several processes that want the same files at once get them, each fetched once."""
    upstream.add(30)
    cluster = start_cluster()
    members = await cluster.grow(2, "api", "content")
    remote_url = upstream.server.url("/pool/")
    await members[0].made("/api/v1/remotes", {"name": "upstream", "url": remote_url})
    given = {"name": "through", "base_path": "through", "remote": "upstream", "settings": {"immutable": ["*"]}}
    await members[0].made("/api/v1/distributions", given)
    for each in members:
        await helpers(cluster, each, 1)

    async def asked(member: Member, path: str) -> None:
        got = await member.get(f"/content/through/{path.replace(' ', '%20')}")
        assert (200, upstream.files[path]) == (got.status, got.body)

    paths = sorted(upstream.files)
    everybody = [Deferred.fromCoroutine(asked(member, path)) for path in paths for member in members * 2]
    await gatherResults(everybody, consumeErrors=True)
    assert 30 == len(gets(upstream))
    assert gets(upstream).total() <= 1.05 * 30  # on a busy machine one may wait for longer than a client would
