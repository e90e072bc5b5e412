"""What happens at a server, as the client library hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_twisted
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from tests.integration.api_site import Site, StartAPI, start_api
from tests.servers.scripted import Answer, Close, Request, Scripted, Send, Steps, status
from twisted_pulp.client import Client, Event, JobEnded, ServerError
from twisted_pulp.context import Context
from twisted_pulp.documents import NewDownload, NewDownloads

__all__ = ["start_api"]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 100\n\n"
PATH = b"/api/v1/events"
ONE = NewDownloads(items=[NewDownload(url="https://example.org/a")])


@async_fixture
async def site(start_api: StartAPI) -> Site:
    """An API."""
    return await start_api()


@pytest_twisted.async_yield_fixture
async def context(reactor: Any) -> AsyncIterator[Context]:
    """What the client's requests share."""
    made = Context(reactor)
    yield made
    await made.close()


@pytest.fixture
def client(context: Context, site: Site) -> Client:
    """A client of it."""
    return Client(context, f"http://127.0.0.1:{site.port}/", token=site.token)


async def listening(site: Site, count: int = 1) -> None:
    """Wait until so many listen."""
    while site.running.feed.listeners != count:
        await deferLater(site.reactor, 0.01)


@ensureDeferred
async def test_events(client: Client, site: Site) -> None:
    """What was missed and what happens is told, until nobody wants to hear more; then the connection is given back."""
    last = (await client.status()).last
    job = await client.jobs.download(ONE)
    found: list[Event] = []
    async with aclosing(client.events(last)) as events:
        async for event in events:
            if event.name == "job":
                found.append(event)
                if len(found) == 1:
                    await client.jobs.cancel(job.id)
                else:
                    break
    assert ["waiting", "cancelled"] == [event.data["state"] for event in found]
    assert {job.id} == {event.data["uid"] for event in found}
    await listening(site, 0)
    async with aclosing(client.events(found[0].id)) as events:
        assert found[1] == await anext(events)
    await listening(site, 0)


@ensureDeferred
async def test_cancel(client: Client, site: Site) -> None:
    """To cancel who listens ends the connection."""

    async def listen() -> None:
        async for _ in client.events():
            raise AssertionError("nothing happens")

    d = Deferred.fromCoroutine(listen())
    await listening(site)
    d.cancel()
    with pytest.raises(CancelledError):
        await d
    await listening(site, 0)


@ensureDeferred
async def test_ended(client: Client, site: Site) -> None:
    """Who waits for a job hears of its end, and asks no more meanwhile."""
    job = await client.jobs.download(ONE)
    seen: list[str] = []
    d = Deferred.fromCoroutine(client.jobs.ended(job.id, lambda job: seen.append(job.state)))
    await listening(site)
    await client.jobs.pause(job.id)
    while "paused" not in seen:
        await deferLater(site.reactor, 0.01)
    await client.jobs.cancel(job.id)
    with pytest.raises(JobEnded) as caught:
        await d
    assert "cancelled" == caught.value.job.state == seen[-1]
    await listening(site, 0)


@ensureDeferred
async def test_ended_unheard(client: Client, site: Site) -> None:
    """Where too many listen already, it is looked at instead; a job that is not there is nothing to wait for."""
    job = await client.jobs.download(ONE)
    site.api.streams._most = 0
    d = Deferred.fromCoroutine(client.jobs.ended(job.id))
    await deferLater(site.reactor, 0.2)
    await client.jobs.cancel(job.id)
    with pytest.raises(JobEnded):
        await d
    with pytest.raises(ServerError) as caught:
        await client.jobs.ended("none")
    assert 404 == caught.value.status


@ensureDeferred
async def test_again(context: Context, scripted: Scripted) -> None:
    """Whatever ends a connection, the next one goes on behind the last event; a refusal that stays is raised."""
    asked: list[bytes | None] = []

    def answer(*steps: Any) -> Answer:
        def answered(request: Request) -> Steps:
            found = [value for name, value in request.headers if name.lower() == b"last-event-id"]
            asked.append(found[0] if found else None)
            return steps

        return answered

    def sent(text: bytes) -> Answer:
        return answer(Send(HEAD + text), Close())

    many = b"".join(b'id: e-%d\nevent: job\ndata: {"n":\ndata: %d}\n\n' % (n, n) for n in range(10, 400))
    scripted.on(
        PATH,
        [
            sent(b'id: e-1\nevent: job\ndata: {"a": 1}\n\n: still here\n\nid: e-2\ndata: half'),
            answer(*status(503, [(b"Retry-After", b"0")], b"busy")),
            sent(b"event: nonsense\ndata: [}\n\n" + b"data: " + b"x" * (2 << 20)),
            sent(b"id: e-9\r\nevent: reset\r\ndata: {}\r\n\r\n" + many),
            answer(*status(401)),
        ],
    )
    found: list[Event] = []

    async def listen() -> None:
        async for event in Client(context, scripted.url()).events():
            found.append(event)  # noqa: PERF401 -- it ends with an error

    with pytest.raises(ServerError) as caught:
        await listen()
    assert 401 == caught.value.status
    assert [Event("e-1", "job", {"a": 1}), Event("e-9", "reset", {})] == found[:2]
    assert [{"n": n} for n in range(10, 400)] == [event.data for event in found[2:]]
    assert [None, b"e-1", b"e-1", b"e-1", b"e-399"] == asked
