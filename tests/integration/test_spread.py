"""One sync that several processes share, and several that want the same: each file is fetched once."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.crew_fixtures import Crews, crews
from tests.unit.stages.surroundings import SITE
from twisted_pulp.catalog._claim_tables import claim, fetch, fetched

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
