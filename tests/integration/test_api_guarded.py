"""URLs that come over the API are guarded, and the secrets of remotes stay where they were meant to go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.api_site import Site, StartAPI, start_api
from tests.integration.canary import Canary, Names, at, canary
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import ok, status
from tests.spellings import PRIVATE, PUBLIC, spellings
from twisted_pulp.catalog import remotes
from twisted_pulp.jobs import DownloadKind, Worker
from twisted_pulp.settings import AddressPolicy, Network, Proxy, Remote

__all__ = ["canary", "start_api"]

ALLOWED = "127.0.0.2"


@async_yield_fixture
async def api(start_api: StartAPI, tmp_path: Path) -> AsyncIterator[Site]:
    """An API whose jobs run, and may reach one address of this machine."""
    made = await start_api()
    running = made.running
    running.context.policy = AddressPolicy(allow=ALLOWED, ports="1-65535")
    kinds = {"download": DownloadKind(running.context, str(tmp_path / "downloads"))}
    worker = Worker(running.jobs, kinds, running.reactor, holder="one", attempts=1)  # type: ignore[arg-type]
    worker.start()
    yield made
    await worker.stop()


async def done(api: Site, url: str) -> tuple[str, str]:
    """Let a job download *url*; return the state and error of its file."""
    reply = await api.ask("POST", "/downloads", {"items": [{"url": url, "path": f"f{hash(url)}"}]})
    assert 202 == reply.status, reply.body
    place = reply.headers["location"].partition("/api/v1")[2]
    while (await api.ask("GET", place)).document["state"] not in ("completed", "failed"):
        await deferLater(api.reactor, 0.01)
    (item,) = (await api.ask("GET", f"{place}/items")).document["items"]
    return item["state"], item["error"] or ""


@ensureDeferred
async def test_s1_refused_at_once(start_api: StartAPI, canary: Canary) -> None:
    """S1: each spelling of an address inside is refused as it is handed in; whatever is no URL too, as that."""
    site = await start_api()
    blocked, wrong = [], []
    for url in [*(at(f"http://{each}/", canary.port) for each in spellings("127.0.0.1")), *PRIVATE]:
        reply = await site.ask("POST", "/downloads", {"items": [{"url": url, "path": "f"}]})
        assert reply.status in (403, 422), url
        (blocked if reply.status == 403 else wrong).append(url)
        if reply.status == 403:
            assert "blocked_address" in reply.document["type"], reply.document
    assert 150 <= len(set(blocked))
    assert 250 <= len(set(blocked + wrong))
    assert [] == (await site.ask("GET", "/jobs")).document["items"]
    assert 0 == canary.hits


@ensureDeferred
async def test_s1_accepted(start_api: StartAPI) -> None:
    """S1: public hosts are taken."""
    site = await start_api()
    items = [{"url": url, "path": f"f{number}"} for number, url in enumerate(PUBLIC)]
    assert 202 == (await site.ask("POST", "/downloads", {"items": items})).status


@ensureDeferred
async def test_jobs(api: Site, start_scripted: StartScripted, canary: Canary) -> None:
    """S2, S3: what names and redirects lead to is seen when the job runs."""
    public = await start_scripted(interface=ALLOWED)
    inside = f"http://127.0.0.1:{canary.port}/"
    public.on(b"/fine", [ok(b"fine")])
    public.on(b"/away", [status(302, [(b"Location", inside.encode())])])
    api.running.context.resolver = Names(ALLOWED, "127.0.0.1")
    assert ("completed", "") == await done(api, public.url("/fine", ALLOWED))
    for url in (public.url("/away", ALLOWED), f"http://a.example:{canary.port}/"):
        state, error = await done(api, url)
        assert "failed" == state
        assert error.startswith("the policy blocks "), error
    assert 0 == canary.hits


# Remotes


@pytest.mark.parametrize(
    "document",
    [
        {"url": "http://127.1/"},
        {"url": "http://a.example/", "settings": {"mirrors": ["http://localhost/"]}},
        {"url": "http://a.example/", "settings": {"mirror_list": "http://[::1]/"}},
        {"url": "http://a.example/", "settings": {"origins": ["http://10.0.0.1/"]}},
        {"url": "http://a.example/", "settings": {"proxy": {"url": "http://10.0.0.1:3128"}}},
    ],
)
@ensureDeferred
async def test_remote_inside(start_api: StartAPI, document: dict[str, Any]) -> None:
    """Remotes are refused for the same reasons, wherever they lead."""
    site = await start_api()
    assert 403 == (await site.ask("POST", "/remotes", {"name": "r", **document})).status


REMOTE = {
    "url": "https://one.example/",
    "settings": {"username": "me", "password": "S3CR3T", "headers": {"X-Key": "S3CR3T"}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://evil.example/"},
        {"url": "http://one.example/"},
        {"url": "https://one.example:8443/"},
        {"settings": {"origins": ["https://evil.example/"]}},
        {"settings": {"proxy": {"url": "http://evil.example:8080"}}},
        {"settings": {"network": {"hosts": {"one.example": ["8.8.8.8"]}}}},
        {"settings": {"tls": {"verify": False}}},
        {"url": "https://evil.example/", "settings": {"password": "other"}},
        {"url": "https://evil.example/", "settings": {"headers": {"X-Key": "other"}}},
    ],
)
@ensureDeferred
async def test_secrets_stay(start_api: StartAPI, change: dict[str, Any]) -> None:
    """C4: who sends a remote elsewhere does not get its secrets with it."""
    site = await start_api()
    assert 201 == (await site.ask("POST", "/remotes", {"name": "r", **REMOTE})).status
    reply = await site.ask("PATCH", "/remotes/r", change)
    assert 422 == reply.status
    assert "must be said again" in reply.body.decode()
    assert "S3CR3T" not in reply.body.decode()
    kept = await site.running.data.catalog.read(remotes.reach, "r", site.running.data.catalog.key)
    assert ("https://one.example/", "S3CR3T") == (kept.url, kept.password)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://one.example/other/"},
        {"settings": {"retry": {"retries": 1}}},
        {"settings": {"password": "new"}},
        {"url": "https://two.example/", "settings": {"password": "new", "headers": {"X-Key": "new"}}},
        {"url": "https://two.example/", "settings": {"password": "S3CR3T", "headers": {"x-key": "S3CR3T"}}},
    ],
)
@ensureDeferred
async def test_secrets_that_may_go(start_api: StartAPI, change: dict[str, Any]) -> None:
    """Where the way stays, they stay; who knows them may send them anywhere."""
    site = await start_api()
    await site.ask("POST", "/remotes", {"name": "r", **REMOTE})
    reply = await site.ask("PATCH", "/remotes/r", change)
    assert 200 == reply.status, reply.body


@ensureDeferred
async def test_secrets_of_the_operator(start_api: StartAPI) -> None:
    """So it is with what the operator gave: a netrc, and a proxy's password."""
    site = await start_api()
    catalog = site.running.data.catalog
    proxy = Proxy(url="http://me:S3CR3T@8.8.8.8:8080")
    remote = Remote(url="https://one.example/", netrc=True, proxy=proxy, network=Network())
    await catalog.write(remotes.create, "r", remote, 1.0, key=catalog.key)
    for change, name in (
        ({"url": "https://evil.example/"}, "/settings/netrc"),
        ({"settings": {"proxy": {"url": "http://8.8.4.4:8080"}}}, "/settings/netrc"),
    ):
        reply = await site.ask("PATCH", "/remotes/r", change)
        assert (422, [name]) == (reply.status, [each["pointer"] for each in reply.document["errors"]])
    await catalog.write(remotes.update, "r", 1.0, {"netrc": False}, key=catalog.key)
    reply = await site.ask("PATCH", "/remotes/r", {"settings": {"proxy": {"url": "http://8.8.4.4:8080"}}})
    assert (422, ["/settings/proxy/password"]) == (reply.status, [e["pointer"] for e in reply.document["errors"]])
    assert evolve(remote, netrc=False) == await catalog.read(remotes.reach, "r", catalog.key)
