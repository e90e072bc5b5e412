"""One sync that several processes share, and several that want the same: each file is fetched once."""

from __future__ import annotations

import hashlib

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.crew_fixtures import Crews, crews
from tests.unit.stages.surroundings import SITE
from twisted_pulp.catalog import artifacts
from twisted_pulp.catalog._claim_tables import claim, fetch, fetched
from twisted_pulp.catalog.artifacts import NewArtifact

__all__ = ["crews"]

pytestmark = pytest.mark.usefixtures("reactor")


async def left(crews: Crews) -> list[int]:
    """Return how many rows are left of claims, and of what was fetched for others."""
    catalog = crews.hands[0].catalog
    return [
        len(await catalog.read(lambda connection, table=table: connection.execute(table.select()).all()))
        for table in (claim, fetch, fetched)
    ]


@ensureDeferred
async def test_shared(crews: Crews) -> None:
    """A sync is done by all together: each file is fetched once, and the others have fetched some."""
    crews.publish(300)
    one, two, three = [await crews.add() for _ in range(3)]
    await crews.remote()
    for hand in (one, two, three):
        await hand.worker.start()
    uid = await one.sync("r")
    job = await one.ended(uid)
    assert ("completed", None) == (job.state, job.error)
    assert job.result is not None
    assert (1, 300, 300) == tuple(job.result[name] for name in ("version", "added", "downloaded"))
    assert (300, 1) == (len(crews.gets()), max(crews.gets().values()))
    assert [0, 0, 0] == await left(crews)
    assert [uid] == [each.uid for each in (await two.jobs.list()).items]


@ensureDeferred
async def test_failures(crews: Crews) -> None:
    """A file that nobody can fetch fails its unit, whoever has tried, and no other."""
    crews.publish(60)
    for number in range(0, 60, 10):
        crews.site.files[f"{SITE}f{number}"] = 404
    for _ in range(2):
        await crews.add()
    await crews.remote()
    for hand in crews.hands:
        await hand.worker.start()
    job = await crews.hands[0].ended(await crews.hands[0].sync("r", keep_going=True))
    assert job.result is not None, job.error
    assert (54, 6) == (job.result["added"], job.result["failed"])
    assert {f"f{number}" for number in range(0, 60, 10)} == {each["path"] for each in job.result["failures"]}
    assert all("404" in each["error"] for each in job.result["failures"])
    assert [0, 0, 0] == await left(crews)


@ensureDeferred
async def test_race(crews: Crews) -> None:
    """Several syncs of the same files at once fetch each of them once, and all succeed."""
    crews.publish(200)
    for _ in range(4):
        await crews.add()
    await crews.remote()
    uids = [await hand.sync(f"r{number}") for number, hand in enumerate(crews.hands)]
    for hand in crews.hands:
        await hand.worker.start()
    for uid in uids:
        job = await crews.hands[0].ended(uid)
        assert job.result is not None, job.error
        assert ("completed", 200) == (job.state, job.result["added"])
    assert (200, 1) == (len(crews.gets()), max(crews.gets().values()))
    assert [0, 0, 0] == await left(crews)


@ensureDeferred
async def test_for_clients(crews: Crews) -> None:
    """The only one that runs jobs waits for what another one fetches for its clients, and does not fetch it again."""
    bodies = crews.publish(20)
    worker, content = await crews.add(), await crews.add(works=False)
    await crews.remote()
    name = hashlib.sha256(bodies[0]).hexdigest()
    mine, _ = await content.claims.take([name], lambda connection, names: None)
    assert {name} == mine
    await worker.worker.start()
    uid = await worker.sync("r")
    while len(crews.gets()) < 19:
        await deferLater(worker.reactor, 0.02)
    assert "running" == (await worker.jobs.get(uid)).state
    assert content.storage.put(name, bodies[0]) is not None
    await content.catalog.write(artifacts.save, [NewArtifact(name, len(bodies[0]), {})], 1.0)
    await content.claims.give(mine)
    job = await worker.ended(uid)
    assert job.result is not None, job.error
    assert (20, 19) == (job.result["added"], job.result["downloaded"])
    assert SITE + "f0" not in crews.gets()
    assert [0, 0, 0] == await left(crews)
