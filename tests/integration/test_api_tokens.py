"""Who may ask for what over the API: tokens, scopes, sockets, and what belongs to others."""

from __future__ import annotations

import time
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from tests.integration.api_site import Site, StartAPI, parsed, start_api
from twisted_pulp.api._application import routes
from twisted_pulp.api._openapi import template_of
from twisted_pulp.catalog import tokens

__all__ = ["start_api"]

#: What stands for the names in the paths of routes: things that are not there.
PLACES = {"uid": "A" * 22, "name": "nothing", "number": "1", "id": "99"}
ASKED = [
    (route.method, template_of(route.path).format(**PLACES), route.scope)
    for route in routes()
    if route.path != "/events"
]


@pytest_twisted.ensureDeferred
async def test_scopes(start_api: StartAPI) -> None:
    """Each thing that can be asked needs its scope: without a token 401, with too little 403, else neither."""
    site = await start_api(failures=1_000_000)
    given = {scope: await site.make_token(scope) for scope in ("read", "write")} | {"admin": site.token}
    ranks = ["none", *given]
    wrong = []
    for method, path, needed in ASKED:
        body = b"{}" if method in ("POST", "PATCH") else None
        for scope in ranks:
            reply = await site.ask(method, path, body, token=given.get(scope, ""))
            if needed is None:
                fine = reply.status == 200
            elif scope == "none":
                fine = reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer")
            elif ranks.index(scope) < ranks.index(needed):
                fine = reply.status == 403
            else:
                fine = reply.status not in (401, 403)
            if not fine:
                wrong.append((method, path, scope, reply.status))
    assert [] == wrong
    assert len(ASKED) > 60


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "bearer pulp_wrong",
        "Basic dTpw",
        "Token {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {token},",
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_tokens(start_api: StartAPI, authorization: str) -> None:
    """Whatever is wrong with a token, the answer is the same."""
    site = await start_api()
    reply = parsed(await site.raw(site.request("GET", "/jobs", Authorization=authorization.format(token=site.token))))
    nothing = await site.ask("GET", "/jobs", token="")
    assert (401, nothing.body) == (reply.status, reply.body)


@pytest_twisted.ensureDeferred
async def test_tokens_elsewhere(start_api: StartAPI) -> None:
    """A token counts in its header only: not in the query, not in a cookie, and not beside another."""
    site = await start_api()
    for path, headers in (
        (f"/jobs?access_token={site.token}", {}),
        (f"/jobs?token={site.token}", {}),
        ("/jobs", {"Cookie": f"token={site.token}; Authorization=Bearer {site.token}"}),
    ):
        assert 401 == (await site.ask("GET", path, token="", **headers)).status
    twice = site.request("GET", "/jobs", token=site.token, authorization=f"Bearer {site.token}")
    assert 401 == parsed(await site.raw(twice)).status


@pytest_twisted.ensureDeferred
async def test_failures(start_api: StartAPI) -> None:
    """After ten wrong tokens their address waits; a token that is known stays welcome, and so is who needs none."""
    site = await start_api()
    assert 200 == (await site.ask("GET", "/jobs")).status
    other = await site.make_token("read")
    statuses = [(await site.ask("GET", "/jobs", token=f"pulp_{number}")).status for number in range(12)]
    assert [401] * 10 + [429] * 2 == statuses
    refused = await site.ask("GET", "/jobs", token=other)
    assert 429 == refused.status
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert 200 == (await site.ask("GET", "/jobs")).status
    assert 200 == (await site.ask("GET", "/health", token="pulp_x")).status


@pytest_twisted.ensureDeferred
async def test_lifecycle(start_api: StartAPI) -> None:
    """A token is shown once, works, is seen to be used, and ends at once when it is revoked."""
    site = await start_api()
    made = await site.ask("POST", "/tokens", {"name": "ci", "scope": "read"})
    assert (201, "no-store") == (made.status, made.headers["cache-control"])
    secret, token = made.document["secret"], made.document["token"]
    assert 200 == (await site.ask("GET", "/jobs", token=secret)).status
    listed = await site.ask("GET", "/tokens")
    assert secret.encode() not in listed.body
    assert ["admin", "ci"] == [each["name"] for each in listed.document["items"]]
    while (await site.ask("GET", f"/tokens/{token['id']}")).document["used"] is None:
        await deferLater(site.reactor, 0.01)
    assert 204 == (await site.ask("DELETE", f"/tokens/{token['id']}")).status
    assert 401 == (await site.ask("GET", "/jobs", token=secret)).status
    assert 404 == (await site.ask("DELETE", f"/tokens/{token['id']}")).status
    assert 409 == (await site.ask("DELETE", "/tokens/1")).status
    assert 409 == (await site.ask("POST", "/tokens", {"name": "admin"})).status


@pytest_twisted.ensureDeferred
async def test_expiry(start_api: StartAPI) -> None:
    """A token ends when it was to end, even one that is known."""
    site = await start_api()
    now = [time.time()]
    site.api.doorkeeper._now = lambda: now[0]
    token = await site.make_token("read", expires=now[0] + 60)
    assert 200 == (await site.ask("GET", "/jobs", token=token)).status
    now[0] += 61
    assert 401 == (await site.ask("GET", "/jobs", token=token)).status
    assert 422 == (await site.ask("POST", "/tokens", {"name": "late", "expires": 5})).status


@pytest_twisted.ensureDeferred
async def test_rest(start_api: StartAPI, catalog_files: Any) -> None:
    """The catalog does not have what a token is."""
    site = await start_api()
    await site.ask("GET", "/jobs")
    assert site.token.encode() not in await catalog_files(site)


@pytest.fixture
def catalog_files() -> Any:
    """Return a function that reads the catalog's files."""

    async def read(site: Site) -> bytes:
        import glob

        found = b""
        for path in glob.glob(f"{site.running.data.path}/catalog.sqlite*"):
            with open(path, "rb") as file:
                found += file.read()
        assert b"admin" in found
        return found

    return read


@pytest_twisted.ensureDeferred
async def test_socket(start_api: StartAPI) -> None:
    """Who connects to the socket may everything, but not for somebody else."""
    site = await start_api()
    assert 200 == (await site.ask_locally("GET", "/tokens")).status
    for header in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"):
        assert 401 == (await site.ask_locally("GET", "/tokens", **{header: "1.2.3.4"})).status


@pytest_twisted.ensureDeferred
async def test_others(start_api: StartAPI) -> None:
    """Somebody else's job is not there: not to be seen, changed or listed; an administrator sees all."""
    site = await start_api(failures=1_000_000)
    mine, theirs = await site.make_token("write", "mine"), await site.make_token("write", "theirs")
    reader = await site.make_token("read")
    body = {"items": [{"url": "https://example.org/a"}]}
    job = (await site.ask("POST", "/downloads", body, token=theirs)).document["id"]
    changes = [
        (route.method, template_of(route.path).format(uid=job))
        for route in routes()
        if "<uid>" in route.path and route.scope != "admin"
    ]
    assert len(changes) > 20
    leaks = []
    for method, path in changes:
        for token in (mine, reader):
            sent = {"priority": 1} if path.endswith("/priority") else None
            status = (await site.ask(method, path, sent, token=token)).status
            if status != 404 and not (status == 403 and token == reader):
                leaks.append((method, path, status))
    for path in ("/jobs", "/downloads", "/jobs?state=waiting"):
        for token, count in ((mine, 0), (reader, 0), (theirs, 1), (site.token, 1)):
            found = (await site.ask("GET", path, token=token)).document["items"]
            if len(found) != count:
                leaks.append(("GET", path, len(found)))
    assert [] == leaks
    assert "waiting" == (await site.ask("GET", f"/jobs/{job}", token=theirs)).document["state"]


@pytest_twisted.ensureDeferred
async def test_revoked_elsewhere(start_api: StartAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that another process has revoked is not known for longer than a few seconds."""
    site = await start_api()
    clock = [0.0]
    site.api.doorkeeper._seconds = lambda: clock[0]
    token = await site.make_token("read")
    assert 200 == (await site.ask("GET", "/jobs", token=token)).status
    await site.running.data.catalog.write(tokens.delete, 2)
    clock[0] += 5.1
    assert 401 == (await site.ask("GET", "/jobs", token=token)).status
