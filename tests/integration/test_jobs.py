"""Jobs on real databases: handed in, run, and looked at."""

from __future__ import annotations

import hashlib

import pytest

from tests.integration.job_fixtures import SITE, Shop, offered, shop, site
from twisted_pulp.errors import KeyConflict, SettingsError
from twisted_pulp.jobs import ItemSpec
from twisted_pulp.testing import FakeSite

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")


async def test_downloads(shop: Shop, site: FakeSite) -> None:
    """The files of a job appear below the directory, and the job says so."""
    specs = offered(site, 3)
    submitted = await shop.jobs.submit("download", {}, specs)
    assert submitted.fresh
    assert ("waiting", 3, 0) == (submitted.job.state, submitted.job.total, submitted.job.done)
    await shop.worker().start()
    job = await shop.ended(submitted.job.uid)
    assert ("completed", 3, 3, 0, 3) == (job.state, job.total, job.done, job.failed, job.bytes)
    assert [b"0", b"1", b"2"] == [shop.file(str(number)) for number in range(3)]
    page = await shop.jobs.items(job.uid)
    assert ["completed"] * 3 == [item.state for item in page.items]
    assert hashlib.sha256(b"1").hexdigest() == page.items[1].sha256


async def test_failed(shop: Shop, site: FakeSite) -> None:
    """A job some items of which fail has failed; it keeps the others, and each that failed says why."""
    specs = [*offered(site, 2), ItemSpec(SITE + "missing")]
    await shop.worker().start()
    uid = (await shop.jobs.submit("download", {}, specs)).job.uid
    job = await shop.ended(uid)
    assert ("failed", 2, 1, False) == (job.state, job.done, job.failed, job.parked)
    (failed,) = (await shop.jobs.items(uid, state="failed")).items
    assert (2, 1) == (failed.number, failed.attempts)
    assert failed.error is not None
    assert "404" in failed.error
    assert b"1" == shop.file("1")


async def test_key(shop: Shop) -> None:
    """The same request with the same key leads to the first job; another request is refused."""
    first = await shop.jobs.submit("download", {}, key="k", fingerprint="a")
    again = await shop.jobs.submit("download", {}, key="k", fingerprint="a")
    assert (True, False, first.job.uid) == (first.fresh, again.fresh, again.job.uid)
    with pytest.raises(KeyConflict):
        await shop.jobs.submit("download", {}, key="k", fingerprint="b")
    assert (await shop.jobs.submit("download", {}, key="k", fingerprint="b", owner=1)).fresh


async def test_draft(shop: Shop, site: FakeSite) -> None:
    """A draft is no job before its commit, and a job with all its items then."""
    specs = offered(site, 4)
    await shop.worker().start()
    draft = await shop.jobs.draft("download", {})
    assert 2 == await draft.add(specs[:2])
    assert 4 == await draft.add(specs[2:])
    assert [] == (await shop.jobs.list()).items
    submitted = await draft.commit(key="k", fingerprint="f")
    job = await shop.ended(submitted.job.uid)
    assert ("completed", 4) == (job.state, job.done)


async def test_path_twice(shop: Shop, site: FakeSite) -> None:
    """Two items with one path are refused, also in different batches of a draft; the draft stays none the less."""
    specs = offered(site, 3)
    with pytest.raises(SettingsError) as error:
        await shop.jobs.submit("download", {}, [*specs, specs[1]])
    assert ("items.3.path", "1") == (error.value.field, error.value.value)
    draft, other = await shop.jobs.draft("download", {}), await shop.jobs.draft("download", {})
    await other.add(specs)
    for some in (specs, specs[1:2], specs[:2]):
        await draft.add(some)
    with pytest.raises(SettingsError) as error:
        await draft.commit()
    assert ("4.path", "0") == (error.value.field, error.value.value)
    assert "item 0 has it, too" in str(error.value)
    await draft.abandon()
    assert (await other.commit()).fresh


async def test_list(shop: Shop) -> None:
    """Jobs are listed the newest first, page by page, by state."""
    uids = [(await shop.jobs.submit("download", {"n": n})).job.uid for n in range(5)]
    await shop.jobs.cancel(uids[2])
    first = await shop.jobs.list(limit=3)
    assert [uids[4], uids[3], uids[2]] == [job.uid for job in first.items]
    second = await shop.jobs.list(limit=3, after=first.next)
    assert ([uids[1], uids[0]], None) == ([job.uid for job in second.items], second.next)
    assert [uids[2]] == [job.uid for job in (await shop.jobs.list(state="cancelled")).items]
    assert {"waiting": 4, "cancelled": 1} == {k: n for k, n in (await shop.jobs.counts()).items() if n}
