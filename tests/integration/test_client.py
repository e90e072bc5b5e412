"""The client library, over an API that is served."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.protocol import Factory

from tests.integration.api_site import Site, StartAPI, start_api
from tests.servers.answers import status
from tests.servers.fixtures import StartScripted
from twisted_pulp.client import Client, ServerError, ServerUnreachable
from twisted_pulp.context import Context
from twisted_pulp.documents import (
    Digests,
    DistributionChange,
    NewDistribution,
    NewDownload,
    NewDownloads,
    NewRemote,
    NewRepository,
    NewSync,
    NewToken,
    RemoteChange,
    RepositoryChange,
)
from twisted_pulp.settings import Remote, Retry, Timeouts

__all__ = ["start_api"]

REACH = Remote(timeouts=Timeouts(connect=20), retry=Retry(retries=0))


@async_fixture
async def site(start_api: StartAPI) -> Site:
    """An API."""
    return await start_api()


@pytest_twisted.async_yield_fixture
async def context(reactor: Any) -> Any:
    """What the client's requests share."""
    made = Context(reactor)
    yield made
    await made.close()


@pytest.fixture
def client(context: Context, site: Site) -> Client:
    """A client of it."""
    return Client(context, f"http://127.0.0.1:{site.port}/", token=site.token, reach=REACH)


@ensureDeferred
async def test_downloads(client: Client) -> None:
    """Files are handed in, listed, and the job changed; the same key gives the same job."""
    wanted = NewDownloads(items=[NewDownload(url="https://example.org/a", digests=Digests(sha256="AB" * 32))])
    job = await client.jobs.download(wanted, key="k")
    assert job.id == (await client.jobs.download(wanted, key="k")).id
    assert ("waiting", 1) == (job.state, job.total)
    (item,) = [each async for each in client.jobs.items(job.id)]
    assert ("https://example.org/a", {"sha256": "ab" * 32}) == (item.url, item.digests)
    assert 5 == (await client.jobs.prioritise(job.id, 5)).priority
    assert "paused" == (await client.jobs.pause(job.id)).state
    assert "waiting" == (await client.jobs.resume(job.id)).state
    assert "cancelled" == (await client.jobs.cancel(job.id)).state
    assert "waiting" == (await client.jobs.retry(job.id)).state
    await client.jobs.cancel(job.id)
    assert [job.id] == [each.id async for each in client.jobs.list(state="cancelled", kind="download")]
    await client.jobs.delete(job.id)
    with pytest.raises(ServerError, match="there is no job") as caught:
        await client.jobs.get(job.id)
    assert 404 == caught.value.status


@ensureDeferred
async def test_many(client: Client) -> None:
    """More files than a document may have are handed in as they are made, and listed page by page."""
    job = await client.jobs.download_each(NewDownload(url=f"https://example.org/{n}") for n in range(12_345))
    assert 12_345 == job.total
    numbers = [each.number async for each in client.jobs.items(job.id)]
    assert list(range(12_345)) == numbers


@ensureDeferred
async def test_names(client: Client) -> None:
    """Remotes, repositories and distributions are made, changed, listed and deleted."""
    made = await client.remotes.create(NewRemote(name="r", url="https://example.org/", settings={"token": "s3cr3t"}))
    assert made.secret
    assert "s3cr3t" not in repr(made)
    changed = await client.remotes.update("r", RemoteChange(settings={"timeouts": {"connect": 3.0}}))
    assert 3.0 == changed.settings["timeouts"]["connect"]
    await client.repositories.create(NewRepository(name="a"))
    await client.repositories.update("a", RepositoryChange(remote="r"))
    assert ["r"] == [each.remote async for each in client.repositories.list()]
    assert [] == [each async for each in client.repositories.versions("a")]
    with pytest.raises(ServerError) as caught:
        await client.repositories.version("a", 1)
    assert 404 == caught.value.status
    await client.distributions.create(NewDistribution(name="d", base_path="d", repository="a"))
    assert "e/f" == (await client.distributions.update("d", DistributionChange(base_path="e/f"))).base_path
    assert ["d"] == [each.name async for each in client.distributions.list()]
    assert "sync" == (await client.jobs.sync(NewSync(repository="a"))).kind
    assert "verify" == (await client.jobs.verify()).kind
    assert "cleanup" == (await client.jobs.cleanup()).kind
    await client.distributions.delete("d")
    await client.repositories.delete("a")
    await client.remotes.delete("r")
    assert [] == [each async for each in client.remotes.list()]


@ensureDeferred
async def test_service(client: Client, site: Site, context: Context) -> None:
    """What the daemon is can be asked for; a token that was made here counts, until it is deleted."""
    assert (await client.ready()).ready
    assert "1.2.3" == (await client.status()).version
    assert 0 == (await client.storage()).artifacts
    assert "limits" in await client.settings()
    made = await client.create_token(NewToken(name="t"))
    other = Client(context, f"http://127.0.0.1:{site.port}", token=made.secret, reach=REACH)
    assert "1.2.3" == (await other.status()).version
    with pytest.raises(ServerError) as caught:
        await other.jobs.verify()
    assert 403 == caught.value.status
    assert made.token.id in [each.id async for each in client.tokens()]
    await client.delete_token(made.token.id)
    with pytest.raises(ServerError) as caught:
        await other.status()
    assert 401 == caught.value.status


@ensureDeferred
async def test_wrong_document(client: Client) -> None:
    """What is wrong with a document is said, with where it is."""
    with pytest.raises(ServerError, match="/url") as caught:
        await client.remotes.create(NewRemote(name="r", url="ftp://example.org/"))
    assert 422 == caught.value.status
    with pytest.raises(ServerError, match=r"10\.0\.0\.1") as caught:
        await client.jobs.download(NewDownloads(items=[NewDownload(url="http://10.0.0.1/a")]))
    assert 403 == caught.value.status


@ensureDeferred
async def test_socket(context: Context, site: Site) -> None:
    """A unix socket is reached without a token."""
    assert "1.2.3" == (await Client(context, f"unix:{site.socket}").status()).version


@ensureDeferred
async def test_look(context: Context, start_scripted: StartScripted) -> None:
    """Who looks at the cluster is told at once that it cannot be seen now; a job is asked for once more."""
    server = await start_scripted()
    later = status(503, [(b"Retry-After", b"0")], b"")
    for path in (b"/api/v1/cluster", b"/api/v1/dead-letters?limit=1000", b"/api/v1/jobs/1"):
        server.on(path, [later])
    client = Client(context, server.url(""), reach=REACH)
    client._wire._uniform = lambda low, high: 0.0
    for ask in (client.cluster(), anext(aiter(client.dead_letters())), client.jobs.get("1")):
        with pytest.raises(ServerError, match="503"):
            await ask
    with pytest.raises(ServerError, match="404 Not Found: it has no API"):
        await client.status()
    asked = [request.path for request in server.requests]
    assert [b"/api/v1/cluster", b"/api/v1/dead-letters", *[b"/api/v1/jobs/1"] * 4, b"/api/v1/status"] == asked


@ensureDeferred
async def test_nobody(context: Context, reactor: Any) -> None:
    """Where nothing listens, that is said."""
    port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
    number = port.getHost().port
    await port.stopListening()
    client = Client(context, f"http://127.0.0.1:{number}")
    client._wire._uniform = lambda low, high: 0.0
    with pytest.raises(ServerUnreachable, match="refused"):
        await client.status()
