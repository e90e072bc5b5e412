"""What is handed in over the API: once, whole, and of any length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.integration.api_site import ROOT, Site, StartAPI, parsed, start_api
from tests.servers.client import Socket

__all__ = ["start_api"]

SHA256 = "ab" * 32


def items(count: int, **more: Any) -> list[dict[str, Any]]:
    """Return files to be downloaded."""
    return [{"url": f"https://example.org/{number}", **more} for number in range(count)]


def lines(given: Sequence[Any]) -> bytes:
    """Return *given* as JSON lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in given)


async def all_items(site: Site, job: str, query: str = "") -> list[Any]:
    """Return all files of *job*, page by page."""
    found: list[Any] = []
    following: str | None = f"{ROOT}/downloads/{job}/items{query}"
    while following is not None:
        page = (await site.ask("GET", following.removeprefix(ROOT))).document
        found += page["items"]
        following = page["next"]
    return found


@pytest_twisted.ensureDeferred
async def test_batch(start_api: StartAPI) -> None:
    """A batch is answered with its job and where that is; the job and its files are there."""
    site = await start_api()
    wanted = [
        {"url": "https://example.org/a", "path": "x/a.deb", "size": 3, "digests": {"sha256": SHA256.upper()}},
        {"url": "https://example.org/b.deb"},
    ]
    reply = await site.ask("POST", "/downloads", {"items": wanted, "priority": 7})
    job = reply.document
    assert (202, "waiting", "download", 2, 7) == (
        reply.status,
        job["state"],
        job["kind"],
        job["total"],
        job["priority"],
    )
    assert f"{ROOT}/downloads/{job['id']}" == reply.headers["location"]
    assert job == (await site.ask("GET", f"/downloads/{job['id']}")).document
    found = await all_items(site, job["id"], "?limit=1")
    assert [("x/a.deb", 3, {"sha256": SHA256}), ("b.deb", None, {})] == [
        (each["path"], each["size"], each["digests"]) for each in found
    ]
    assert ["waiting"] * 2 == [each["state"] for each in found]


@pytest_twisted.ensureDeferred
async def test_idempotency(start_api: StartAPI) -> None:
    """The same request with the same key leads to the same job; another request with that key is refused."""
    site = await start_api()
    body = {"items": items(2)}
    first = await site.ask("POST", "/downloads", body, Idempotency_Key="k")
    again = await site.ask("POST", "/downloads", body, Idempotency_Key="k")
    other = await site.ask("POST", "/downloads", {"items": items(3)}, Idempotency_Key="k")
    third = await site.ask("POST", "/downloads", body)
    assert (202, first.document["id"], "true") == (
        again.status,
        again.document["id"],
        again.headers["idempotent-replayed"],
    )
    assert "idempotent-replayed" not in first.headers
    assert (422, "urn:pulpdownloader:key_conflict") == (other.status, other.document["type"])
    assert first.document["id"] != third.document["id"]
    assert 2 == len((await site.ask("GET", "/downloads")).document["items"])


@pytest_twisted.ensureDeferred
async def test_same_key_of_others(start_api: StartAPI) -> None:
    """A key is its owner's: somebody else's same key leads to another job."""
    site = await start_api()
    one, other = await site.make_token("write", "one"), await site.make_token("write", "other")
    replies = [
        await site.ask("POST", "/downloads", {"items": items(1)}, token=token, Idempotency_Key="k")
        for token in (one, other)
    ]
    assert [202, 202] == [each.status for each in replies]
    assert replies[0].document["id"] != replies[1].document["id"]


@pytest_twisted.ensureDeferred
async def test_lines(start_api: StartAPI) -> None:
    """A body of JSON lines becomes a job with every line in order, whatever pieces it comes in."""
    site = await start_api()
    wanted = items(3000)
    body = lines(wanted).replace(b"\n", b"\r\n", 7) + b"\n\n" + b'{"url":"https://example.org/last"}'
    head = site.request(
        "POST",
        "/downloads?priority=-3",
        token=site.token,
        Content_Type="application/jsonl",
        Content_Length=str(len(body)),
    )
    client = await Socket.to(site.reactor, site.port)
    client.send(head)
    for start in range(0, len(body), 9973):
        client.send(body[start : start + 9973])
        await deferLater(site.reactor, 0)
    reply = parsed(await client.heard_all())
    await client.leave()
    assert (202, 3001, -3, "waiting") == (
        reply.status,
        reply.document["total"],
        reply.document["priority"],
        reply.document["state"],
    )
    found = await all_items(site, reply.document["id"], "?limit=1000")
    assert [*(each["url"] for each in wanted), "https://example.org/last"] == [each["url"] for each in found]


@pytest_twisted.ensureDeferred
async def test_chunked_lines(start_api: StartAPI) -> None:
    """Lines may come in chunks, with a key, which is told from other lines at the end."""
    site = await start_api()

    async def send(body: bytes) -> Any:
        head = site.request(
            "POST",
            "/downloads",
            token=site.token,
            Content_Type="application/x-ndjson",
            Transfer_Encoding="chunked",
            Idempotency_Key="k",
        )
        return parsed(await site.raw(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)))

    first, again, other = await send(lines(items(9))), await send(lines(items(9))), await send(lines(items(8)))
    assert (202, 9) == (first.status, first.document["total"])
    assert first.document["id"] == again.document["id"]
    assert 422 == other.status
    assert 1 == len((await site.ask("GET", "/jobs")).document["items"])


@pytest.mark.parametrize(
    ("bad", "status", "pointer"),
    [
        (b'{"url":"ftp://example.org/"}', 422, "/700/url"),
        (b'{"url":"https://example.org/","paht":"x"}', 422, "/700/paht"),
        (b'{"url":', 400, None),
        (b"[]", 422, "/700"),
        (b'{"url":"https://example.org/a","path":"../a"}', 422, "/700/path"),
        (b'{"url":"http://127.0.0.1/x"}', 403, None),
        (b'{"url":"https://example.org/' + b"a" * 70_000 + b'"}', 422, "/700/url"),
        (b"[" * 50_000, 400, None),
    ],
    ids=["scheme", "field", "no JSON", "list", "path", "address", "long", "deep"],
)
@pytest_twisted.ensureDeferred
async def test_bad_lines(start_api: StartAPI, bad: bytes, status: int, pointer: str | None) -> None:
    """A line that is none ends it: nothing of it is left, and the answer says which line it was."""
    site = await start_api()
    body = lines(items(700)) + bad + b"\n" + lines(items(2000))
    reply = await site.ask("POST", "/downloads", body, Content_Type="application/jsonl")
    assert status == reply.status
    if pointer is not None:
        assert [pointer] == [each["pointer"] for each in reply.document["errors"]]
    assert [] == (await site.ask("GET", "/jobs")).document["items"]
    assert 0 == await site.running.jobs.recover()


@pytest_twisted.ensureDeferred
async def test_path_twice(start_api: StartAPI) -> None:
    """A file that goes where another one of the same job goes is refused, however many lines are between them."""
    site = await start_api()
    wanted = [*items(700), *items(700)[3:4]]
    reply = await site.ask("POST", "/downloads", lines(wanted), Content_Type="application/jsonl")
    assert (422, "/700/path") == (reply.status, reply.document["errors"][0]["pointer"])
    assert "item 3 " in reply.document["errors"][0]["detail"]
    reply = await site.ask("POST", "/downloads", {"items": wanted})
    assert (422, "/items/700/path") == (reply.status, reply.document["errors"][0]["pointer"])
    assert [] == (await site.ask("GET", "/jobs")).document["items"]
    assert 0 == await site.running.jobs.recover()


@pytest_twisted.ensureDeferred
async def test_lines_that_end(start_api: StartAPI) -> None:
    """When a client goes away in the middle of its lines, nothing of them is left."""
    site = await start_api()
    client = await Socket.to(site.reactor, site.port)
    body = lines(items(5000))
    head = site.request(
        "POST", "/downloads", token=site.token, Content_Type="application/jsonl", Content_Length=str(len(body) + 1)
    )
    client.send(head + body)
    while not site.running.jobs._drafts:
        await deferLater(site.reactor, 0.01)
    await client.leave()
    while site.running.jobs._drafts:
        await deferLater(site.reactor, 0.01)
    assert [] == (await site.ask("GET", "/jobs")).document["items"]
    assert 0 == await site.running.jobs.recover()


@pytest.mark.parametrize(
    ("document", "status", "pointers"),
    [
        ({}, 422, [""]),
        ({"items": []}, 422, ["/items"]),
        ({"items": [{}]}, 422, ["/items/0"]),
        ({"items": [{"url": "https://example.org/", "size": -1}]}, 422, ["/items/0/size"]),
        ({"items": [{"url": "https://example.org/"}], "x": 1}, 422, ["/x"]),
        ({"items": [{"url": "https://example.org/a", "digests": {"sha256": "x"}}]}, 422, ["/items/0/digests/sha256"]),
        ({"items": [{"url": "https://example.org/a", "path": "/etc/passwd"}]}, 422, ["/items/0/path"]),
        ({"items": [{"url": "https://example.org/a\r\nX: y"}]}, 422, ["/items/0/url"]),
        ({"items": [{"url": "file:///etc/passwd"}]}, 422, ["/items/0/url"]),
        ({"items": [{"url": "https://example.org/a"}] * 2}, 422, ["/items/1/path"]),
        ({"items": [{"url": "https://example.org/a"}], "remote": "none"}, 422, ["/remote"]),
        ({"items": [{"url": "http://169.254.169.254/latest"}]}, 403, []),
        ([], 422, [""]),
        (b"{", 400, []),
        (b'{"items": [{"url": "https://example.org/\xff"}]}', 400, []),
    ],
)
@pytest_twisted.ensureDeferred
async def test_refused(start_api: StartAPI, document: Any, status: int, pointers: list[str]) -> None:
    """What cannot be done is refused as a whole, with where it is wrong."""
    site = await start_api()
    reply = await site.ask("POST", "/downloads", document)
    assert (status, "application/problem+json") == (reply.status, reply.headers["content-type"])
    assert pointers == [each["pointer"] for each in reply.document["errors"]]
    assert (status, f"{ROOT}/downloads") == (reply.document["status"], reply.document["instance"])
    assert [] == (await site.ask("GET", "/jobs")).document["items"]


@pytest_twisted.ensureDeferred
async def test_verbs(start_api: StartAPI) -> None:
    """A job can be paused, resumed, cancelled, tried again, moved and forgotten; what its state forbids is refused."""
    site = await start_api()
    job = (await site.ask("POST", "/downloads", {"items": items(1)})).document["id"]
    states = []
    for verb in ("pause", "resume", "cancel", "retry", "cancel"):
        reply = await site.ask("POST", f"/downloads/{job}/{verb}")
        states.append((reply.status, reply.document["state"]))
    assert [(200, each) for each in ("paused", "waiting", "cancelled", "waiting", "cancelled")] == states
    refused = await site.ask("POST", f"/downloads/{job}/pause")
    assert (409, "urn:pulpdownloader:wrong_state") == (refused.status, refused.document["type"])
    moved = await site.ask("POST", f"/jobs/{job}/priority", {"priority": 5})
    assert (200, 5) == (moved.status, moved.document["priority"])
    assert 204 == (await site.ask("DELETE", f"/downloads/{job}")).status
    assert 404 == (await site.ask("GET", f"/downloads/{job}")).status


@pytest_twisted.ensureDeferred
async def test_lists(start_api: StartAPI) -> None:
    """Jobs are listed page by page, the latest first, and by their states; each once."""
    site = await start_api()
    made = [(await site.ask("POST", "/downloads", {"items": items(1)})).document["id"] for _ in range(5)]
    await site.ask("POST", f"/downloads/{made[1]}/cancel")
    found, following = [], "/jobs?limit=2"
    while following:
        page = (await site.ask("GET", following)).document
        found += [each["id"] for each in page["items"]]
        following = (page["next"] or "").removeprefix(ROOT)
    assert made[::-1] == found
    cancelled = (await site.ask("GET", "/downloads?state=cancelled")).document
    assert ([made[1]], None) == ([each["id"] for each in cancelled["items"]], cancelled["next"])
    assert 422 == (await site.ask("GET", "/jobs?state=lost")).status
    assert 422 == (await site.ask("GET", "/jobs?colour=red")).status


@pytest_twisted.ensureDeferred
async def test_full_queue(start_api: StartAPI) -> None:
    """More than may wait is refused until there is room, and said so."""
    site = await start_api(queued=10)
    assert 202 == (await site.ask("POST", "/downloads", {"items": items(9)})).status
    refused = await site.ask("POST", "/downloads", {"items": items(9)})
    assert (503, "urn:pulpdownloader:queue_full") == (refused.status, refused.document["type"])
    assert "retry-after" in refused.headers
