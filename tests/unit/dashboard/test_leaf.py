"""Who may see and do what; what goes out with every answer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.web.resource import Resource

from tests.unit.dashboard.jobs import Job
from tests.unit.dashboard.world import World
from twisted_pulp.catalog import tokens


def test_login() -> None:
    """A token becomes a session whose cookie no script, no other site and no wire in clear gets."""
    world = World()
    answer = world.get("/jobs?state=failed")
    assert (303, "/login?next=%2Fjobs%3Fstate%3Dfailed") == (answer.status, answer.headers["Location"])
    page = world.get(answer.headers["Location"])
    assert 'name="next" value="/jobs?state=failed"' in page.body
    answer = world.ask("POST", "/login", {"token": f" {world.tokens['read']}\n", "next": "/jobs?state=failed"})
    assert (303, "/jobs?state=failed") == (answer.status, answer.headers["Location"])
    cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(r"pulpdownloader_session=[\w-]{43}; Path=/; HttpOnly; SameSite=strict", cookie, re.IGNORECASE)
    assert world.tokens["read"] not in str(answer)


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False), ("", False)])
def test_behind_tls(scheme: str, secure: bool) -> None:
    """Where a proxy in front speaks TLS the cookie is for that alone, and forms of its pages count."""
    world = World()
    headers = {"X_Forwarded_Proto": scheme, "Origin": "https://daemon.test"}
    answer = world.ask("POST", "/login", {"token": world.tokens["read"]}, **headers)
    assert (303, secure) == (answer.status, "; Secure" in answer.headers["Set-Cookie"])


@pytest.mark.parametrize(
    "to", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "/a\nb", "/login?x", ""]
)
def test_next(to: str) -> None:
    """Who has logged in is led to a page of ours."""
    world = World()
    assert "/" == world.ask("POST", "/login", {"token": world.tokens["read"], "next": to}).headers["Location"]


@pytest.mark.parametrize("token", ["", "nonesuch", "pulp_" + "a" * 43, "x" * 5000, "ü"])
def test_wrong_token(token: str) -> None:
    """What is no token begins no session, and all of that is answered alike."""
    world = World()
    answer = world.ask("POST", "/login", {"token": token})
    assert 401 == answer.status
    assert "Set-Cookie" not in answer.headers
    assert "This is no token that counts here." in answer.text
    assert token == "" or token not in answer.body


def test_guessing() -> None:
    """After ten wrong tokens not even a right one is looked at, for a minute."""
    world = World()
    statuses = [world.ask("POST", "/login", {"token": "no"}).status for _ in range(11)]
    assert [401] * 10 + [429] == statuses
    answer = world.ask("POST", "/login", {"token": world.tokens["admin"]})
    assert (429, "60") == (answer.status, answer.headers["Retry-After"])
    world.clock.advance(60)
    assert 303 == world.login().status


def test_expired() -> None:
    """A token that has expired begins no session, and ends the one that it has begun."""
    world = World()
    secret = world.catalog.do(lambda c: tokens.create(c, "short", "admin", 0, expires=world.context.now() + 10)[1])
    world.tokens["admin"] = secret
    world.login()
    world.clock.advance(10)
    assert 303 == world.get("/").status
    assert 401 == world.ask("POST", "/login", {"token": secret}).status


def test_revoked() -> None:
    """A session ends with its token."""
    world = World()
    world.login()
    world.catalog.do(tokens.delete, 1)
    assert "/login" == world.get("/").headers["Location"]


def test_logout() -> None:
    """Who logs out has no session any more."""
    world = World()
    world.login()
    answer = world.post("/logout")
    assert (303, "/login") == (answer.status, answer.headers["Location"])
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert 303 == world.get("/").status


def test_logout_ends_streams() -> None:
    """Who has logged out, with whichever process, is soon told nothing any more where a page is still open."""
    world = World()
    world.login()
    transport = live(world)
    elsewhere = World.beside(world)
    assert 200 == elsewhere.get("/").status
    assert 303 == elsewhere.post("/logout").status
    assert 303 == world.get("/").status
    world.clock.advance(15)
    assert 0 == world.dashboard.streams.count
    world.jobs.add(Job(uid="later"))
    world.jobs.cancel("later")
    assert b"later" not in transport.value()


def test_beside() -> None:
    """One who is logged in is so at every process: forms of one count at the others, and what is said is shown once."""
    world = World()
    world.login()
    elsewhere = World.beside(world)
    elsewhere.jobs.add(Job(uid="a", state="running"))
    assert 303 == elsewhere.post("/jobs/a/pause").status
    assert "The job rests." in world.get("/jobs").text
    assert ["The job rests." in each.get("/jobs").text for each in (elsewhere, world)] == [False, False]


FORMS = [
    "/jobs/a/cancel",
    "/jobs/a/pause",
    "/jobs/a/resume",
    "/jobs/a/retry",
    "/jobs/a/delete",
    "/jobs/a/priority",
    "/submit",
    "/repositories/x/sync",
]


@pytest.mark.parametrize("path", FORMS)
def test_reading(path: str) -> None:
    """A token that may only read changes nothing, and is not offered to."""
    world = World()
    world.login("read")
    world.jobs.add(Job(uid="a", state="running", owner=3))
    answer = world.post(path)
    assert (403, []) == (answer.status, world.jobs.asked)
    assert ["/logout"] == re.findall(r'action="([^"]+)"', world.get("/jobs/a").body)
    assert "/submit" not in world.get("/").body


@pytest.mark.parametrize("path", [*FORMS, "/logout"])
@pytest.mark.parametrize("csrf", ["", "x", "other"])
def test_csrf(path: str, csrf: str) -> None:
    """A form without the session's own secret changes nothing."""
    world = World()
    world.login("write")
    if csrf == "other":
        mine, cookie = world.csrf, world.cookie
        world.login("admin")
        csrf, world.cookie = world.csrf, cookie
        assert csrf != mine
    world.jobs.add(Job(uid="a", state="running", owner=2))
    answer = world.ask("POST", path, {"csrf": csrf, "urls": "http://a.test/b"})
    assert (403, []) == (answer.status, world.jobs.asked)
    assert 200 == world.get("/").status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://daemon.test.evil.test"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_sites(headers: dict[str, str]) -> None:
    """A form of another site changes nothing, and begins no session either."""
    world = World()
    assert 403 == world.ask("POST", "/login", {"token": world.tokens["admin"]}, **headers).status
    world.login()
    world.jobs.add(Job(uid="a", state="running"))
    assert 403 == world.ask("POST", "/jobs/a/cancel", {"csrf": world.csrf}, **headers).status
    assert [] == world.jobs.asked
    own = {"Origin": "http://daemon.test", "Sec_Fetch_Site": "same-origin"}
    assert 303 == world.ask("POST", "/jobs/a/cancel", {"csrf": world.csrf}, **own).status


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "delete", "priority"])
def test_others_jobs(verb: str) -> None:
    """Jobs of others are as if they were not there."""
    world = World()
    world.login("write")
    world.jobs.add(Job(uid="theirs", owner=1, state="failed", failed=1))
    world.jobs.add(Job(uid="mine", owner=2, state="failed"))
    assert 404 == world.get("/jobs/theirs").status
    assert 404 == world.post(f"/jobs/theirs/{verb}", priority="1").status
    assert [] == world.jobs.asked
    for path in ("/", "/jobs", "/errors"):
        body = world.get(path).body
        assert ("theirs" in body, "mine" in body) == (False, True)


def test_admins_only() -> None:
    """Settings, and failed downloads of everybody, are for admins."""
    world = World()
    world.login("write")
    assert 403 == world.get("/settings").status
    assert "Failed tries of late" not in world.get("/errors").text
    world.login("admin")
    assert 200 == world.get("/settings").status
    assert "Failed tries of late" in world.get("/errors").text


@pytest.mark.parametrize("path", ["/", "/login", "/no/such/page", "/static/style.css", "/static/no", "/live"])
@pytest.mark.parametrize("inside", [True, False])
def test_headers(path: str, inside: bool) -> None:
    """Every answer says that nothing but ours is run, framed or guessed at."""
    world = World()
    if inside:
        world.login()
    headers = world.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert ("nosniff", "DENY") == (headers["X-Content-Type-Options"], headers["X-Frame-Options"])
    if "static" not in path:
        assert "no-store" == headers["Cache-Control"]
    world.running.feed.close()


def test_nothing_inline() -> None:
    """No page has scripts, styles or handlers in it, nor anything from elsewhere."""
    world = World()
    pages = [world.get("/login").body]
    world.login()
    world.jobs.add(Job(uid="a", state="running"))
    paths = "/", "/jobs", "/jobs/a", "/repositories", "/remotes", "/distributions", "/errors", "/submit", "/settings"
    pages += [world.get(path).body for path in paths]
    for page in pages:
        assert [] == re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", page)
        assert [] == re.findall(r'(?:src|href|action)="(?:[a-z]+:|//)', page)
        assert page.count("<form") == page.count('method="post"')
        assert len(re.findall(r"<form", page)) == len(re.findall(r'name="csrf"', page)) + ("/login" in page)


def test_static() -> None:
    """Files that do not change are kept by browsers, under a name that changes with them."""
    world = World()
    page = world.get("/login").body
    urls = re.findall(r'"(/static/[^"]+)"', page)
    kinds = {world.get(url).headers["Content-Type"].partition(";")[0] for url in urls}
    assert {"text/css", "text/javascript", "image/svg+xml"} == kinds
    answer = world.get(urls[0])
    assert "public, max-age=31536000, immutable" == answer.headers["Cache-Control"]
    assert 304 == world.get(urls[0], If_None_Match=answer.headers["ETag"]).status
    assert ("", answer.headers["Content-Length"]) == (
        world.ask("HEAD", urls[0]).body,
        world.ask("HEAD", urls[0]).headers["Content-Length"],
    )
    assert [404, 404] == [world.get(f"/static/{name}").status for name in ("../base.html", "%2e%2e/_leaf.py")]


def test_sizes() -> None:
    """Scripts and styles are a few KiB."""
    world = World()
    assert len(world.get("/static/live.js").body) < 8 << 10
    assert len(world.get("/static/style.css").body) < 14 << 10


def test_methods() -> None:
    """Other methods are refused; a HEAD is a GET without its body."""
    world = World()
    world.login()
    answer = world.ask("PUT", "/jobs")
    assert (405, "GET, HEAD, POST") == (answer.status, answer.headers["Allow"])
    head = world.ask("HEAD", "/jobs")
    assert (200, "", True) == (head.status, head.body, int(head.headers["Content-Length"]) > 1000)


def test_unknown_forms() -> None:
    """A form for no page, or of nobody, is refused."""
    world = World()
    assert 403 == world.ask("POST", "/jobs/a/cancel", {"csrf": ""}).status
    world.login()
    assert 404 == world.post("/nothing").status


def live(world: World) -> Any:
    """Begin to listen, and return the connection."""
    from tests.unit.live.asking import Transport

    channel: Any = world.site.buildProtocol(None)
    channel.callLater = world.clock.callLater
    transport = Transport()
    channel.makeConnection(transport)
    channel.dataReceived(f"GET /live HTTP/1.1\r\nHost: daemon.test\r\nCookie: {world.cookie}\r\n\r\n".encode())
    return transport


@pytest.mark.parametrize(("scope", "told"), [("admin", {"mine", "theirs"}), ("write", {"mine"})])
def test_live(scope: str, told: set[str]) -> None:
    """Who is logged in is told of what happens, but not of jobs of others; health and throughput are everybody's."""
    world = World()
    world.login(scope)
    transport = live(world)
    world.jobs.add(Job(uid="theirs", owner=1))
    world.jobs.add(Job(uid="mine", owner=2))
    world.jobs.cancel("theirs")
    world.jobs.cancel("mine")
    world.running.health.degrade("storage", "full")
    world.running.feed.publish("throughput", {"bytes_per_second": 1, "downloads": 2})
    world.clock.advance(0.1)
    text = transport.value().decode()
    assert told == set(re.findall(r'"uid":"(\w+)"', text))
    assert {"job", "health", "throughput"} == set(re.findall(r"event: (\w+)", text))
    assert 1 == world.dashboard.streams.count
    world.running.feed.close()
    assert 0 == world.dashboard.streams.count


def test_live_outside() -> None:
    """Nobody else is told anything."""
    world = World()
    assert 403 == world.get("/live").status
    assert 0 == world.dashboard.streams.count


def test_root() -> None:
    """The dashboard's resource may be the root of a site, with other faces below it."""

    class Metrics(Resource):
        def render_GET(self, request: Any) -> bytes:
            return b"numbers"

    world = World()
    root = world.dashboard.resource()
    root.putChild(b"metrics", Metrics())
    world.site.resource = root
    assert "numbers" == world.get("/metrics").body
    assert 303 == world.get("/").status
    with pytest.raises(TypeError, match="no children"):
        root.getChild(b"x", None).putChild(b"y", Resource())
