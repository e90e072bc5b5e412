"""Remotes, repositories, versions, distributions, schedules and what is synced, over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted

from tests.integration.api_site import ROOT, Site, StartAPI, start_api
from twisted_pulp.catalog import artifacts, contents, remotes, repositories, versions
from twisted_pulp.settings import Remote

__all__ = ["start_api"]

SECRET = "S3CR3T-1"
REMOTE = {"name": "debian", "url": "https://example.org/debian/"}


async def add_version(site: Site, name: str, count: int) -> None:
    """Give the repository *name* a version with *count* more units."""

    def add(connection: Any) -> None:
        row = repositories.get(connection, name)
        draft = versions.begin(connection, row.id, 1.0)
        keys = [json.dumps([f"{draft.number}-{at}"]) for at in range(count)]
        new = [contents.NewContent("file", key, key, {"size": 1}) for key in keys]
        ids = contents.save(connection, new, 1.0)
        versions.add(connection, draft, list(ids.values()))
        versions.finish(connection, draft, 1.0, None)

    await site.running.data.catalog.write(add)


@pytest_twisted.ensureDeferred
async def test_remote(start_api: StartAPI) -> None:
    """A remote is made, shown, changed and forgotten; its secrets stay, and are in no answer."""
    site = await start_api()
    settings = {"username": "u", "password": SECRET, "headers": {"X-Key": SECRET}, "timeouts": {"connect": 3}}
    made = await site.ask("POST", "/remotes", {**REMOTE, "settings": settings})
    assert (201, f"{ROOT}/remotes/debian") == (made.status, made.headers["location"])
    assert (True, 3.0, True) == (
        made.document["secret"],
        made.document["settings"]["timeouts"]["connect"],
        made.document["settings"]["network"]["guarded"],
    )
    changed = await site.ask("PATCH", "/remotes/debian", {"settings": {"retry": {"retries": 7}}, "name": "deb"})
    assert (200, "deb", 7, 3.0) == (
        changed.status,
        changed.document["name"],
        changed.document["settings"]["retry"]["retries"],
        changed.document["settings"]["timeouts"]["connect"],
    )
    data = site.running.data
    kept = await data.catalog.read(remotes.reach, "deb", data.catalog.key)
    assert ("u", SECRET, {"x-key": SECRET}, True) == (
        kept.username,
        kept.password,
        {name.lower(): value for name, value in kept.headers.items()},
        kept.network.guarded,
    )
    taken = await site.ask("PATCH", "/remotes/deb", {"settings": {"username": None, "password": None}})
    assert 200 == taken.status
    assert (None, None) == _pair(await data.catalog.read(remotes.reach, "deb", data.catalog.key))
    shown = await site.ask("GET", "/remotes/deb")
    listed = await site.ask("GET", "/remotes")
    assert [shown.document] == listed.document["items"]
    for reply in (made, changed, taken, shown, listed):
        assert SECRET.encode() not in reply.body
    assert 204 == (await site.ask("DELETE", "/remotes/deb")).status
    assert 404 == (await site.ask("GET", "/remotes/deb")).status


def _pair(remote: Remote) -> tuple[str | None, str | None]:
    return remote.username, remote.password


@pytest.mark.parametrize(
    ("document", "status", "pointer"),
    [
        ({"url": "http://127.0.0.1/"}, 403, None),
        ({"url": "http://localhost./"}, 403, None),
        ({"url": "https://example.org/", "settings": {"mirrors": ["http://10.0.0.1/"]}}, 403, None),
        ({"url": "https://example.org/", "settings": {"proxy": {"url": "http://192.168.0.1:3128"}}}, 403, None),
        ({"url": "https://example.org/", "settings": {"mirror_list": "http://[::1]/list"}}, 403, None),
        ({"url": "file:///etc/"}, 422, "/url"),
        ({"url": "https://example.org/\r\nX: y"}, 422, "/url"),
        ({"url": "https://example.org/", "settings": {"headers": {"X": "a\r\nY: b"}}}, 422, "/settings/headers/X"),
        ({"url": "https://example.org/", "settings": {"file_roots": ["/"]}}, 422, "/settings/file_roots"),
        (
            {"url": "https://example.org/", "settings": {"network": {"guarded": False}}},
            422,
            "/settings/network/guarded",
        ),
        (
            {"url": "https://example.org/", "settings": {"network": {"unix_socket": "/run/x"}}},
            422,
            "/settings/network/unix_socket",
        ),
        ({"url": "https://example.org/", "settings": {"tls": {"key_log": "/tmp/x"}}}, 422, "/settings/tls/key_log"),
        (
            {"url": "https://example.org/", "settings": {"tls": {"ca_cert": "/etc/shadow"}}},
            422,
            "/settings/tls/ca_cert",
        ),
        ({"url": "https://example.org/", "settings": {"network.guarded": True}}, 422, "/settings/network/guarded"),
        ({"url": "https://example.org/", "settings": {"url": "http://127.0.0.1"}}, 422, "/settings/url"),
        ({"url": "https://example.org/", "settings": {"netrc": True}}, 422, "/settings/netrc"),
        ({"url": "https://example.org/", "settings": {"colour": "red"}}, 422, "/settings/colour"),
        ({"url": "https://example.org/", "settings": {"timeouts": 3}}, 422, "/settings/timeouts"),
        ({"url": "https://example.org/", "settings": {"network": "none"}}, 422, "/settings/network"),
        ({"url": "https://example.org/", "settings": {"proxy": {"url": None}}}, 422, None),
    ],
)
@pytest_twisted.ensureDeferred
async def test_remotes_refused(start_api: StartAPI, document: Any, status: int, pointer: str | None) -> None:
    """A remote that leads inside, or that only the operator may make, is refused; when it is changed, too."""
    site = await start_api()
    reply = await site.ask("POST", "/remotes", {"name": "bad", **document})
    assert status == reply.status
    if pointer is not None:
        assert [pointer] == [each["pointer"] for each in reply.document["errors"]]
    assert [] == (await site.ask("GET", "/remotes")).document["items"]
    await site.ask("POST", "/remotes", REMOTE)
    assert status == (await site.ask("PATCH", "/remotes/debian", document)).status


@pytest_twisted.ensureDeferred
async def test_operators_remote(start_api: StartAPI) -> None:
    """A remote of the operator's is guarded once it was changed over the API."""
    site = await start_api()
    catalog = site.running.data.catalog
    await catalog.write(remotes.create, "inside", Remote(url="http://10.0.0.1/"), 1.0, key=catalog.key)
    assert not (await catalog.read(remotes.reach, "inside")).network.guarded
    assert 403 == (await site.ask("PATCH", "/remotes/inside", {"settings": {"http2": False}})).status
    reply = await site.ask("PATCH", "/remotes/inside", {"url": "https://example.org/"})
    assert (200, True) == (reply.status, reply.document["settings"]["network"]["guarded"])


@pytest_twisted.ensureDeferred
async def test_repository(start_api: StartAPI) -> None:
    """A repository is made, changed and deleted; its versions and what they have are listed page by page."""
    site = await start_api()
    await site.ask("POST", "/remotes", REMOTE)
    made = await site.ask("POST", "/repositories", {"name": "deb", "remote": "debian", "description": "d"})
    assert (201, "debian", None, 0) == (
        made.status,
        made.document["remote"],
        made.document["version"],
        made.document["content"],
    )
    assert 409 == (await site.ask("POST", "/repositories", {"name": "deb"})).status
    assert 422 == (await site.ask("POST", "/repositories", {"name": "x", "remote": "none"})).status
    await add_version(site, "deb", 5)
    await add_version(site, "deb", 2)
    changed = await site.ask("PATCH", "/repositories/deb", {"description": None, "retain": 3})
    assert (None, 3, "debian", 2, 7) == tuple(
        changed.document[name] for name in ("description", "retain", "remote", "version", "content")
    )
    found = (await site.ask("GET", "/repositories/deb/versions?limit=1")).document
    assert [(1, 5, 0, 5)] == [
        (each["number"], each["added"], each["removed"], each["present"]) for each in found["items"]
    ]
    more = (await site.ask("GET", found["next"].removeprefix(ROOT))).document
    assert ([2], None) == ([each["number"] for each in more["items"]], more["next"])
    assert 2 == (await site.ask("GET", "/repositories/deb/versions/2")).document["added"]
    assert 404 == (await site.ask("GET", "/repositories/deb/versions/3")).status
    units, following = [], "/repositories/deb/versions/2/content?limit=3&type=file"
    while following:
        page = (await site.ask("GET", following)).document
        units += page["items"]
        following = (page["next"] or "").removeprefix(ROOT)
    assert 7 == len({tuple(each["key"]) for each in units}) == len(units)
    assert {"size": 1} == units[0]["data"]
    assert 204 == (await site.ask("DELETE", "/repositories/deb/versions/2")).status
    assert 5 == (await site.ask("GET", "/repositories/deb")).document["content"]
    assert 204 == (await site.ask("DELETE", "/repositories/deb")).status
    assert [] == (await site.ask("GET", "/repositories")).document["items"]


@pytest_twisted.ensureDeferred
async def test_distribution(start_api: StartAPI) -> None:
    """A distribution is made, changed field by field, and deleted."""
    site = await start_api()
    await site.ask("POST", "/remotes", REMOTE)
    await site.ask("POST", "/repositories", {"name": "deb"})
    document = {"name": "d", "base_path": "debian/main", "remote": "debian", "settings": {"cache": {"max_age": 60}}}
    made = await site.ask("POST", "/distributions", document)
    assert (201, None, "debian", {"cache": {"max_age": 60}}) == (
        made.status,
        made.document["repository"],
        made.document["remote"],
        made.document["settings"],
    )
    changed = await site.ask(
        "PATCH", "/distributions/d", {"repository": "deb", "remote": None, "settings": {"early_ranges": True}}
    )
    assert (200, "deb", None, {"cache": {"max_age": 60}, "early_ranges": True}) == (
        changed.status,
        changed.document["repository"],
        changed.document["remote"],
        changed.document["settings"],
    )
    assert 422 == (await site.ask("POST", "/distributions", {"name": "e", "base_path": "e"})).status
    assert 409 == (await site.ask("POST", "/distributions", {**document, "name": "e"})).status
    wrong = await site.ask("PATCH", "/distributions/d", {"settings": {"cache": {"max_age": "x"}}})
    assert (422, "/settings/") == (wrong.status, wrong.document["errors"][0]["pointer"][:10])
    assert [changed.document] == (await site.ask("GET", "/distributions")).document["items"]
    assert 204 == (await site.ask("DELETE", "/distributions/d")).status
    assert 404 == (await site.ask("GET", "/distributions/d")).status


@pytest_twisted.ensureDeferred
async def test_work(start_api: StartAPI) -> None:
    """Syncs, verifications and cleanups are handed in as jobs, and found among their kind only."""
    site = await start_api()
    await site.ask("POST", "/remotes", REMOTE)
    await site.ask("POST", "/repositories", {"name": "deb", "remote": "debian"})
    await site.ask("POST", "/repositories", {"name": "alone"})
    made = {}
    for noun, kind, document in (
        ("syncs", "sync", {"repository": "deb", "mirror": True}),
        ("verifications", "verify", {"repair": True}),
        ("cleanups", "cleanup", {"grace": 5}),
    ):
        reply = await site.ask("POST", f"/{noun}", document, Idempotency_Key="k" + noun)
        again = await site.ask("POST", f"/{noun}", document, Idempotency_Key="k" + noun)
        made[noun] = reply.document["id"]
        assert (202, kind, f"{ROOT}/{noun}/{made[noun]}") == (
            reply.status,
            reply.document["kind"],
            reply.headers["location"],
        )
        assert made[noun] == again.document["id"]
        assert [made[noun]] == [each["id"] for each in (await site.ask("GET", f"/{noun}")).document["items"]]
        assert 404 == (await site.ask("GET", f"/downloads/{made[noun]}")).status
        assert 404 == (await site.ask("POST", f"/downloads/{made[noun]}/cancel")).status
    shown = [(await site.ask("GET", f"/jobs/{job}")).document["repository"] for job in made.values()]
    assert ["deb", None, None] == shown
    kept = await site.running.jobs.get(made["syncs"])
    assert {
        "repository": "deb",
        "remote": "debian",
        "mirror": True,
        "force": False,
        "keep_going": False,
    } == kept.payload
    for wrong in ({"repository": "none"}, {"repository": "alone"}, {"repository": "deb", "remote": "none"}, {}):
        assert 422 == (await site.ask("POST", "/syncs", wrong)).status


@pytest_twisted.ensureDeferred
async def test_schedule(start_api: StartAPI) -> None:
    """A schedule is made, shown with when it is due, and forgotten."""
    site = await start_api()
    await site.ask("POST", "/remotes", REMOTE)
    await site.ask("POST", "/repositories", {"name": "deb", "remote": "debian"})
    made = await site.ask("POST", "/schedules", {"name": "nightly", "repository": "deb", "every": 86400})
    assert (201, "sync", "deb", 86400.0) == (
        made.status,
        made.document["kind"],
        made.document["repository"],
        made.document["every"],
    )
    assert 201 == (await site.ask("POST", "/schedules", {"name": "weekly", "kind": "verify", "every": 604800})).status
    for wrong in (
        {"name": "x", "every": 100},
        {"name": "x", "every": 1, "repository": "deb"},
        {"name": "x", "kind": "verify", "every": 100, "repository": "deb"},
    ):
        assert 422 == (await site.ask("POST", "/schedules", wrong)).status
    assert ["nightly", "weekly"] == [each["name"] for each in (await site.ask("GET", "/schedules")).document["items"]]
    assert made.document == (await site.ask("GET", "/schedules/nightly")).document
    assert 204 == (await site.ask("DELETE", "/schedules/nightly")).status
    assert 404 == (await site.ask("DELETE", "/schedules/nightly")).status


@pytest_twisted.ensureDeferred
async def test_conditions(start_api: StartAPI) -> None:
    """What a client knows is not sent again; what has changed since is not changed over it."""
    site = await start_api()
    await site.ask("POST", "/repositories", {"name": "deb"})
    first = await site.ask("GET", "/repositories/deb")
    tag = first.headers["etag"]
    same = await site.ask("GET", "/repositories/deb", If_None_Match=f'"x", W/{tag}')
    assert (304, b"", tag) == (same.status, same.body, same.headers["etag"])
    changed = await site.ask("PATCH", "/repositories/deb", {"description": "new"}, If_Match=tag)
    assert (200, "new") == (changed.status, changed.document["description"])
    assert changed.headers["etag"] == (await site.ask("GET", "/repositories/deb")).headers["etag"]
    late = await site.ask("PATCH", "/repositories/deb", {"description": "late"}, If_Match=tag)
    assert (412, "new") == (late.status, (await site.ask("GET", "/repositories/deb")).document["description"])
    assert 412 == (await site.ask("DELETE", "/repositories/deb", If_Match=tag)).status
    assert 204 == (await site.ask("DELETE", "/repositories/deb", If_Match=changed.headers["etag"])).status


@pytest_twisted.ensureDeferred
async def test_storage(start_api: StartAPI) -> None:
    """What is kept is counted in files and bytes, beside what is left of the disk."""
    site = await start_api()
    new = [artifacts.NewArtifact(f"{at:064x}", 100) for at in range(3)]
    await site.running.data.catalog.write(artifacts.save, new, 1.0)
    found = (await site.ask("GET", "/storage")).document
    assert (3, 300, 1 << 30) == (found["artifacts"], found["bytes"], found["reserve"])
    assert 0 < found["free"] <= found["size"]


@pytest_twisted.ensureDeferred
async def test_databases(start_api: StartAPI, database: str) -> None:
    """On each database the same is answered: to batches, lines, keys, tokens, pages, counts and what was changed."""
    site = await start_api(database=database)
    batch = {"items": [{"url": f"https://example.org/{at}"} for at in range(3)]}
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in batch["items"])
    kinds = {"application/json": json.dumps(batch).encode(), "application/jsonl": lines}
    for kind, body in kinds.items():
        first = await site.ask("POST", "/downloads", body, Content_Type=kind, Idempotency_Key=kind)
        again = await site.ask("POST", "/downloads", body, Content_Type=kind, Idempotency_Key=kind)
        assert (202, 3, first.document["id"]) == (first.status, first.document["total"], again.document["id"])
    page = (await site.ask("GET", "/downloads?limit=1&state=waiting")).document
    assert 1 == len((await site.ask("GET", page["next"].removeprefix(ROOT))).document["items"])
    assert 2 == (await site.ask("GET", "/status")).document["jobs"]["waiting"]
    assert 201 == (await site.ask("POST", "/remotes", REMOTE)).status
    assert 409 == (await site.ask("POST", "/remotes", REMOTE)).status
    made = await site.ask("POST", "/repositories", {"name": "deb", "remote": "debian"})
    tag = (await site.ask("GET", "/repositories/deb")).headers["etag"]
    assert (201, 200) == (
        made.status,
        (await site.ask("PATCH", "/repositories/deb", {"retain": 2}, If_Match=tag)).status,
    )
    assert 412 == (await site.ask("DELETE", "/repositories/deb", If_Match=tag)).status
    assert (
        201 == (await site.ask("POST", "/distributions", {"name": "d", "base_path": "d", "repository": "deb"})).status
    )
    assert 201 == (await site.ask("POST", "/schedules", {"name": "s", "repository": "deb", "every": 60})).status
    assert 201 == (await site.ask("POST", "/tokens", {"name": "t", "expires": 4e9})).status
    assert 409 == (await site.ask("POST", "/tokens", {"name": "t"})).status
    kept = (await site.ask("GET", "/storage")).document
    assert (0, 0) == (kept["artifacts"], kept["bytes"])
