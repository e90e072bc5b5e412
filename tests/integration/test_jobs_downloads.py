"""Jobs that download, on real databases: failures, paths, secrets, full disks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, select

from tests.integration.job_fixtures import SITE, Shop, offered, shop, site
from twisted_pulp.catalog import Key, remotes
from twisted_pulp.catalog._job_tables import item as item_table
from twisted_pulp.context import Context
from twisted_pulp.errors import SettingsError, StorageFull
from twisted_pulp.jobs import DownloadKind, ItemSpec
from twisted_pulp.jobs._downloads import _FAILING
from twisted_pulp.jobs._settle import settle
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.testing import FakeResponse, FakeSite, SpyAgent

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")


async def impatient(shop: Shop) -> dict[str, Any]:
    """Keep a Remote that tries once, and return the payload that names it."""
    await shop.catalog.write(remotes.create, "impatient", Remote(retry=Retry(retries=0)), 1.0)
    return {"remote": "impatient"}


def spied(shop: Shop) -> SpyAgent:
    """Let the test answer."""
    shop.context.sites[None] = spy = SpyAgent()
    return spy


def answer(spy: SpyAgent, number: int, body: bytes) -> None:
    """Answer a request with a body."""
    asked = spy.requests[number]
    asked.answer.callback(FakeResponse(200, body, {"Content-Length": str(len(body))}, asked.url))


async def test_many(shop: Shop, site: FakeSite) -> None:
    """A job with many items is read page by page, and each is done."""
    specs = offered(site, 1100)
    uid = (await shop.jobs.submit("download", {}, specs)).job.uid
    await shop.worker().start()
    job = await shop.ended(uid)
    assert ("completed", 1100, 1100) == (job.state, job.total, job.done)
    assert 1100 == len(list(shop.directory.iterdir()))
    assert 1100 == len(site.requests)


async def test_run_again(shop: Shop, site: FakeSite) -> None:
    """Items whose failure may pass are tried again by the next run; what is there is not fetched again."""
    payload, specs = await impatient(shop), offered(site, 3)
    body, site.files[SITE + "1"] = site.files[SITE + "1"], 503
    uid = (await shop.jobs.submit("download", payload, specs)).job.uid
    worker = shop.worker(uniform=lambda low, high: 0.0, poll=0.05)
    waits = shop.heard.until(uid, "running")
    await worker.start()
    await waits
    worker.pause()
    await shop.heard.until(uid, "waiting")
    job = await shop.jobs.get(uid)
    assert ("waiting", 2, 0) == (job.state, job.done, job.failed)
    assert "503" in (job.error or "")
    site.files[SITE + "1"] = body
    worker.unpause()
    job = await shop.ended(uid)
    assert ("completed", 3, 2) == (job.state, job.done, job.attempts)
    assert 4 == len(site.requests)
    assert 2 == (await shop.jobs.item(uid, 1)).attempts


async def test_parked(shop: Shop, site: FakeSite) -> None:
    """What goes on failing is parked with its job, and `retry` tries that alone again."""
    payload, specs = await impatient(shop), offered(site, 3)
    body, site.files[SITE + "1"] = site.files[SITE + "1"], 503
    uid = (await shop.jobs.submit("download", payload, specs)).job.uid
    await shop.worker(uniform=lambda low, high: 0.0, poll=0.05, attempts=3).start()
    job = await shop.ended(uid)
    assert ("failed", True, 2, 1, 3) == (job.state, job.parked, job.done, job.failed, job.attempts)
    assert 5 == len(site.requests)
    site.files[SITE + "1"] = body
    await shop.jobs.retry(uid)
    await shop.heard.until(uid, "completed")
    job = await shop.jobs.get(uid)
    assert ("completed", False, 3, 0, None) == (job.state, job.parked, job.done, job.failed, job.error)
    assert 6 == len(site.requests)


async def test_upstream_down(shop: Shop, site: FakeSite) -> None:
    """A job whose upstream is down asks a little, and leaves the rest for later."""
    payload = await impatient(shop)
    specs = [ItemSpec(f"{SITE}{number}") for number in range(3 * _FAILING)]
    site.files.update({spec.url: 503 for spec in specs})
    uid = (await shop.jobs.submit("download", payload, specs)).job.uid
    await shop.worker(attempts=1).start()
    job = await shop.ended(uid)
    assert ("failed", True) == (job.state, job.parked)
    assert _FAILING <= len(site.requests) < 2 * _FAILING
    waiting = await shop.jobs.items(uid, state="waiting", limit=1000)
    assert 3 * _FAILING == job.failed + len(waiting.items)


async def test_wrong_bytes(shop: Shop, site: FakeSite) -> None:
    """A file that is not the expected one never appears."""
    specs = offered(site, 1)
    site.files[SITE + "0"] = b"X"
    uid = (await shop.jobs.submit("download", await impatient(shop), specs)).job.uid
    await shop.worker(attempts=1).start()
    job = await shop.ended(uid)
    assert ("failed", 1) == (job.state, job.failed)
    assert [] == list(shop.directory.iterdir())
    assert "sha256" in ((await shop.jobs.item(uid, 0)).error or "")


async def test_present(shop: Shop, site: FakeSite) -> None:
    """A file that is there already is not fetched again."""
    specs = offered(site, 2)
    (shop.directory / "0").write_bytes(b"0")
    uid = (await shop.jobs.submit("download", {}, specs)).job.uid
    await shop.worker().start()
    job = await shop.ended(uid)
    assert {"succeeded": 2, "present": 1, "received": 1} == job.result
    assert 1 == len(site.requests)


async def test_same_path(shop: Shop, site: FakeSite) -> None:
    """Of two jobs that want one path, one waits for the other; both get what they want."""
    spy = spied(shop)
    uids = [(await shop.jobs.submit("download", {}, [ItemSpec(f"{SITE}{name}", "same")])).job.uid for name in "ab"]
    await shop.worker().start()
    for uid in uids:
        await shop.heard.until(uid, "running")
    await shop.settled()
    while not spy.requests:
        await shop.catalog.read(lambda connection: None)
    assert 1 == len(spy.requests)
    answer(spy, 0, b"first")
    await shop.heard.until(uids[0 if spy.requests[0].url.endswith("a") else 1], "completed")
    while len(spy.requests) < 2:
        await shop.catalog.read(lambda connection: None)
    answer(spy, 1, b"second")
    for uid in uids:
        assert "completed" == (await shop.ended(uid)).state
    assert b"second" == shop.file("same")


@pytest.mark.parametrize(("verb", "state"), [("cancel", "cancelled"), ("pause", "paused")])
async def test_broken_off(shop: Shop, verb: str, state: str) -> None:
    """To cancel or pause a job ends its transfers, and keeps what is finished."""
    spy = spied(shop)
    specs = [ItemSpec(f"{SITE}{number}") for number in range(3)]
    uid = (await shop.jobs.submit("download", {}, specs)).job.uid
    await shop.worker().start()
    while len(spy.requests) < 3:
        await shop.catalog.read(lambda connection: None)
    spy.requests.sort(key=lambda asked: asked.url)
    answer(spy, 1, b"here")
    job = await getattr(shop.jobs, verb)(uid)
    assert (state, 3, 1, 0) == (job.state, job.total, job.done, job.failed)
    assert [spy.requests[0], spy.requests[2]] == sorted(spy.cancelled, key=lambda asked: asked.url)
    states = [item.state for item in (await shop.jobs.items(uid)).items]
    left = "cancelled" if state == "cancelled" else "waiting"
    assert [left, "completed", left] == states


async def test_disk_full(shop: Shop) -> None:
    """A full disk fails no job: the worker pauses, and all of the job goes on when it does."""
    spy = spied(shop)
    uid = (await shop.jobs.submit("download", {}, [ItemSpec(SITE + "0"), ItemSpec(SITE + "1")])).job.uid
    worker = shop.worker()
    await worker.start()
    while len(spy.requests) < 2:
        await shop.catalog.read(lambda connection: None)
    spy.requests[0].answer.errback(StorageFull(SITE, "no space left"))
    job = await shop.heard.until(uid, "waiting")
    assert "no space left" in job["error"]
    await shop.settled()
    assert worker.paused
    worker.unpause()
    while len(spy.requests) < 4:
        await shop.catalog.read(lambda connection: None)
    answer(spy, 2, b"now")
    answer(spy, 3, b"now")
    assert "completed" == (await shop.ended(uid)).state


async def test_secrets(shop: Shop, site: FakeSite) -> None:
    """What is secret in a URL reaches the upstream, and is nowhere to be seen; not in the database either."""
    shop.catalog.key = Key(Fernet.generate_key())
    site.files[SITE + "a?token=S3CR3T-1"] = b"a"
    specs = [ItemSpec(SITE + "a?token=S3CR3T-1"), ItemSpec("http://me:S3CR3T-2@site/b")]
    uid = (await shop.jobs.submit("download", {}, specs)).job.uid
    await shop.worker().start()
    job = await shop.ended(uid)
    assert ("failed", 1, 1) == (job.state, job.done, job.failed)
    assert b"a" == shop.file("a")

    def everything(connection: Connection) -> str:
        return repr(connection.execute(select(item_table)).all())

    seen = repr([await shop.catalog.read(everything), shop.heard.events, job, await shop.jobs.items(uid), specs])
    assert "S3CR3T" not in seen


async def test_guarded(shop: Shop, context: Context) -> None:
    """Addresses that the policy blocks are not connected to, and that is final."""
    uid = (await shop.jobs.submit("download", {}, [ItemSpec("http://127.0.0.1:1/file")])).job.uid
    await shop.worker({"download": DownloadKind(context, str(shop.directory))}).start()
    job = await shop.ended(uid)
    assert ("failed", False) == (job.state, job.parked)
    assert "127.0.0.1" in ((await shop.jobs.item(uid, 0)).error or "")


async def test_no_remote(shop: Shop) -> None:
    """A job whose Remote is not there fails, and says so."""
    uid = (await shop.jobs.submit("download", {"remote": "gone"}, [])).job.uid
    await shop.worker().start()
    job = await shop.ended(uid)
    assert ("failed", "there is no remote gone") == (job.state, job.error)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"url": "no url"}, "url"),
        ({"url": SITE + "a", "path": "../a"}, "path"),
        ({"url": SITE + "a", "path": "/a"}, "path"),
        ({"url": SITE + "a", "path": "a/./b"}, "path"),
        ({"url": SITE}, "path"),
        ({"url": SITE + "a", "size": -1}, "size"),
        ({"url": SITE + "a", "size": 1 << 63}, "size"),
        ({"url": SITE + "a", "digests": {"sha256": "0"}}, "digests"),
    ],
)
def test_refused(fields: dict[str, Any], named: str) -> None:
    """An item that is not as it must be is refused, naming the part."""
    with pytest.raises(SettingsError) as caught:
        ItemSpec(**fields)
    assert caught.value.field.startswith(named)


def test_settle(tmp_path: Path) -> None:
    """Files are brought to the disk with their directories; one that is gone is nobody's business."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"c")
    settle(str(tmp_path), [str(tmp_path / "a" / "b" / "c"), str(tmp_path / "gone" / "d")])
