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
from tests.servers.scripted import Scripted


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
