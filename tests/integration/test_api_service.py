"""The daemon itself over the API: health, status, settings, events, its description, and requests that are none."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from sqlalchemy import Connection, update
from twisted.internet.task import deferLater

from tests.integration.api_site import ROOT, StartAPI, parsed, start_api
from tests.integration.test_streamer_smuggling import REFUSED
from tests.servers.client import Socket
from twisted_pulp.catalog import tokens
from twisted_pulp.catalog._job_tables import token as token_table
from twisted_pulp.jobs import Nodes
from twisted_pulp.live import _streams
from twisted_pulp.settings import Remote

__all__ = ["start_api"]


@pytest_twisted.ensureDeferred
async def test_health(start_api: StartAPI) -> None:
    """Health is told to everybody; readiness is 503 when no work is taken."""
    site = await start_api()
    assert {"status": "ok"} == (await site.ask("GET", "/health", token="")).document
    assert (200, True) == _ready(await site.ask("GET", "/ready", token=""))
    site.running.health.stop()
    assert (503, False) == _ready(await site.ask("GET", "/ready", token=""))
    assert 200 == (await site.ask("GET", "/health", token="")).status


def _ready(reply: Any) -> tuple[int, bool]:
    return reply.status, reply.document["ready"]


@pytest_twisted.ensureDeferred
async def test_stopping(start_api: StartAPI) -> None:
    """A daemon that stops takes no more work, and says where it is when asked."""
    site = await start_api()
    site.running.health.stop()
    refused = await site.ask("POST", "/downloads", {"items": [{"url": "https://example.org/a"}]})
    assert (503, "urn:pulpdownloader:stopping") == (refused.status, refused.document["type"])
    lines = await site.ask("POST", "/downloads", b'{"url":"https://example.org/a"}\n', Content_Type="application/jsonl")
    assert 503 == lines.status
    assert "stopping" == (await site.ask("GET", "/status")).document["state"]
    assert [] == (await site.ask("GET", "/jobs")).document["items"]


@pytest_twisted.ensureDeferred
async def test_cluster(start_api: StartAPI) -> None:
    """The nodes are shown with what they share, and nothing that is secret; one alone shows itself."""
    site = await start_api()
    assert ([], 0) == _nodes(await site.ask("GET", "/cluster"))
    catalog = site.running.data.catalog
    given: dict[str, Any] = {"reactor": site.reactor, "catalog": catalog, "version": "1.2.3", "lease": 60.0}
    site.running.nodes = Nodes(name="one", roles=("api",), figures=lambda: {"jobs": 2}, **given)
    other = Nodes(name="two", roles=("worker", "api"), **given)
    await site.running.nodes.start(["http://one/"])
    await other.start()
    urls = {
        "database": "postgresql://u:S3CR3T@db/pulp",
        "broker": "amqp://u:S3CR3T@mq/v",
        "storage": "s3://b/p?key=S3CR3T",
    }
    site.running.settings = evolve(site.running.settings, **urls)
    answer = await site.ask("GET", "/cluster")
    assert (["one", "two"], 2) == _nodes(answer)
    assert ({"jobs": 2}, ["http://one/"]) == tuple(answer.document["nodes"][0][name] for name in ("figures", "urls"))
    assert {"api": 2, "worker": 1, "content": 0} == answer.document["roles"]
    assert ["postgresql", "amqp", "s3"] == [answer.document[name]["kind"] for name in urls]
    assert b"S3CR3T" not in answer.body
    await other.stop()
    await site.running.nodes.stop()


def _nodes(reply: Any) -> tuple[list[str], int]:
    return [each["name"] for each in reply.document["nodes"]], reply.document["roles"]["api"]


@pytest_twisted.ensureDeferred
async def test_status(start_api: StartAPI) -> None:
    """The status says what runs, since when, and how many jobs there are."""
    site = await start_api()
    await site.ask("POST", "/downloads", {"items": [{"url": "https://example.org/a"}]})
    found = (await site.ask("GET", "/status")).document
    assert ("1.2.3", "ready", 1) == (found["version"], found["state"], found["jobs"]["waiting"])
    assert found["uptime"] >= 0


@pytest_twisted.ensureDeferred
async def test_settings(start_api: StartAPI) -> None:
    """The settings in force are shown without what is secret."""
    site = await start_api()
    remote = Remote(url="https://u:S3CR3T-1@example.org/", headers={"X": "S3CR3T-2"})
    site.running.settings = evolve(
        site.running.settings,
        remotes={"r": remote},
        database="postgresql://u:S3CR3T-3@db/x",
    )
    reply = await site.ask("GET", "/settings")
    assert 200 == reply.status
    assert b"S3CR3T" not in reply.body
    assert ("postgresql://***@db/x", 10_000) == (reply.document["database"], reply.document["limits"]["items"])
    assert "https://example.org/" == reply.document["remotes"]["r"]["url"]


@pytest_twisted.ensureDeferred
async def test_events(start_api: StartAPI) -> None:
    """What happens to one's own jobs is told as it happens, and again from where one was; others hear nothing of it."""
    site = await start_api()
    mine, theirs = await site.make_token("write", "mine"), await site.make_token("write", "theirs")
    clients = []
    for token in (mine, theirs):
        client = await Socket.to(site.reactor, site.port)
        client.send(site.request("GET", "/events", token=token))
        clients.append(client)
    while b"retry:" not in clients[0].received or b"retry:" not in clients[1].received:
        await deferLater(site.reactor, 0.01)
    body = {"items": [{"url": "https://example.org/a"}]}
    job = (await site.ask("POST", "/downloads", body, token=mine)).document["id"]
    while job.encode() not in clients[0].received:
        await deferLater(site.reactor, 0.01)
    assert b"event: job" in clients[0].received
    await site.ask("POST", f"/downloads/{job}/cancel", token=mine)
    while b'"cancelled"' not in clients[0].received:
        await deferLater(site.reactor, 0.01)
    first = re.search(rb"id: (\S+)", clients[0].received)
    assert first is not None
    again = await Socket.to(site.reactor, site.port)
    again.send(site.request("GET", "/events", token=mine, Last_Event_ID=first[1].decode()))
    while b'"cancelled"' not in again.received:
        await deferLater(site.reactor, 0.01)
    assert b'"waiting"' not in again.received
    assert job.encode() not in clients[1].received
    for client in (*clients, again):
        await client.leave()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("?last=" + "x" * 65, {}, 422),
        ("?last=a%20b", {}, 422),
        ("?last=a%0Ab", {}, 422),
        ("?last=", {}, 422),
        ("?last=a&last=b", {}, 422),
        ("?first=1", {}, 422),
        ("", {"Last_Event_ID": "x" * 65}, 422),
        ("", {"Last_Event_ID": "a b"}, 422),
        ("", {"Last_Event_ID": "a\r\nLast-Event-ID: b"}, 422),
        ("", {"Authorization": "Bearer nonsense"}, 401),
        ("", {"Authorization": ""}, 401),
        ("/", {}, 404),
        ("/1", {}, 404),
    ],
)
@pytest_twisted.ensureDeferred
async def test_events_refused(start_api: StartAPI, path: str, headers: dict[str, str], status: int) -> None:
    """Who asks for events in another way than the description has it is answered with a problem, at once."""
    site = await start_api()
    token = "" if "Authorization" in headers else site.token
    reply = await site.ask("GET", f"/events{path}", token=token, **headers)
    assert (status, "application/problem+json") == (reply.status, reply.headers["content-type"])
    assert (status, "nosniff") == (reply.document["status"], reply.headers["x-content-type-options"])
    assert ("www-authenticate" in reply.headers) is (status == 401)
    assert 0 == site.running.feed.listeners == site.api.streams.count


@pytest_twisted.ensureDeferred
async def test_events_end(start_api: StartAPI) -> None:
    """Other methods are refused, and who is one too many; a token that may read is enough, and each gets its place."""
    site = await start_api()
    reply = await site.ask("POST", "/events", {})
    assert (405, "GET, HEAD") == (reply.status, reply.headers["allow"])
    reply = await site.ask("HEAD", "/events")
    assert (200, "text/event-stream; charset=utf-8") == (reply.status, reply.headers["content-type"])
    site.api.streams._most = 1
    first = await Socket.to(site.reactor, site.port)
    first.send(site.request("GET", "/events?last=gone-1", token=await site.make_token("read")))
    while b"event: reset" not in first.received:
        await deferLater(site.reactor, 0.01)
    head = first.received.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\ncontent-type: text/event-stream; charset=utf-8" in head
    assert b"\r\ncache-control: no-store" in head
    reply = await site.ask("GET", "/events")
    assert (503, "10", "urn:pulpdownloader:too_many_listeners") == (
        reply.status,
        reply.headers["retry-after"],
        reply.document["type"],
    )
    await first.leave()
    while site.api.streams.count:
        await deferLater(site.reactor, 0.01)
    site.running.feed.close()
    assert 200 == (await site.ask("GET", "/events")).status


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("expires", [False, True])
async def test_events_of_a_token(start_api: StartAPI, monkeypatch: pytest.MonkeyPatch, expires: bool) -> None:
    """Who listens with a token that is revoked or expires is soon told nothing any more; others are."""
    monkeypatch.setattr(_streams, "_ASKED", 0.05)
    site = await start_api()
    clients = []
    for name in ("first", "second"):
        client = await Socket.to(site.reactor, site.port)
        client.send(site.request("GET", "/events", token=await site.make_token("read", name)))
        clients.append(client)
    while b"retry:" not in clients[0].received or b"retry:" not in clients[1].received:
        await deferLater(site.reactor, 0.01)
    if expires:
        await site.running.data.catalog.write(_expire, "first")
    else:
        row = await site.running.data.catalog.read(tokens.named, "first")
        await site.running.data.catalog.write(tokens.delete, row.id)
    while site.api.streams.count > 1:
        await deferLater(site.reactor, 0.01)
    while not clients[0].received.endswith(b"0\r\n\r\n"):
        await deferLater(site.reactor, 0.01)
    assert 1 == site.running.feed.listeners
    for client in clients:
        await client.leave()


def _expire(connection: Connection, name: str) -> None:
    connection.execute(update(token_table).where(token_table.c.name == name).values(expires=1.0))


@pytest_twisted.ensureDeferred
async def test_description(start_api: StartAPI) -> None:
    """The description has every path with its documents, and each reference in it leads somewhere."""
    site = await start_api()
    found = (await site.ask("GET", "/openapi.json", token="")).document
    assert ("3.1.0", "1.2.3", [{"url": ROOT}]) == (found["openapi"], found["info"]["version"], found["servers"])
    schemas = found["components"]["schemas"]
    text = json.dumps(found)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert references
    assert set() == references - schemas.keys()
    operations = [each for path in found["paths"].values() for each in path.values()]
    assert len(operations) == len({each["operationId"] for each in operations}) > 60
    item = schemas["NewDownload"]
    assert (["url"], False) == (item["required"], item["additionalProperties"])
    assert item["properties"]["url"]["description"].startswith("where it is")
    assert ":ivar" not in text


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str | None] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value or "")


@pytest_twisted.ensureDeferred
async def test_docs(start_api: StartAPI) -> None:
    """The page of the description has no script and no style of its own, and its links lead somewhere."""
    site = await start_api()
    reply = await site.ask("GET", "/docs", token="")
    page = Page(reply.body.decode())
    assert (200, "text/html; charset=utf-8") == (reply.status, reply.headers["content-type"])
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not {"script", "style", "iframe", "img"} & page.tags
    assert not {each for each in page.attributes if each.startswith("on") or each == "style"}
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert 200 == (await site.ask("GET", link.removeprefix(ROOT), token="")).status


@pytest_twisted.ensureDeferred
async def test_methods(start_api: StartAPI) -> None:
    """What cannot be done with a thing is answered 405 with what can; what is not there, 404."""
    site = await start_api()
    refused = await site.ask("PUT", "/remotes")
    assert (405, "GET, HEAD, POST") == (refused.status, refused.headers["allow"])
    for path in (
        "/",
        "",
        "/x",
        "/jobs/",
        "//jobs",
        "/jobs/a/b/c",
        "/tokens/0",
        "/tokens/99999999999",
        "/tokens/x",
        "/tokens/" + "9" * 5000,
        "/tokens/%D9%A3",
    ):
        assert 404 == (await site.ask("GET", path)).status, path
    head = await site.ask("HEAD", "/status")
    assert (200, b"") == (head.status, head.body)
    assert 400 == parsed(await site.raw(site.request("GET", "/jobs/%ff", token=site.token))).status
    for host in (b"a..b", b"a" * 64, b".", b"%ff"):
        asked = site.request("GET", "/status", token=site.token).replace(b"Host: localhost", b"Host: " + host)
        assert parsed(await site.raw(asked)).status in (200, 400), host


@pytest.mark.parametrize("name", REFUSED)
@pytest_twisted.ensureDeferred
async def test_smuggling(start_api: StartAPI, name: str) -> None:
    """A request that two readers could take for different ones is refused, and ends the connection."""
    site = await start_api()
    payload = (
        REFUSED[name].replace(b"/first", ROOT.encode() + b"/status").replace(b"/smuggled", ROOT.encode() + b"/jobs")
    )
    if name == "too long a body":
        payload = payload.replace(b"70000", b"%d" % (9 << 20))
    answers = await site.raw(payload + site.request("GET", "/health"))
    statuses = re.findall(rb"HTTP/1\.1 (\d\d\d)", answers)
    assert 1 == len(statuses)
    assert statuses[0] in (b"400", b"413", b"401")  # nobody sends much without a token
    assert b'"ok"' not in answers


@pytest_twisted.ensureDeferred
async def test_kinds(start_api: StartAPI) -> None:
    """A body of another kind is refused."""
    site = await start_api()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert 415 == (await site.ask("POST", "/downloads", b"{}", Content_Type=kind)).status
    assert 422 == (await site.ask("POST", "/downloads", b"{}", Content_Type="application/json; charset=utf-8")).status
