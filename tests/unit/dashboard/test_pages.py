"""What the pages show, and what their forms do."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from attrs import frozen
from sqlalchemy import Connection

from tests.leaks import LoggedErrors
from tests.unit.dashboard.jobs import Item, Job
from tests.unit.dashboard.world import NOW, World
from twisted_pulp.catalog import contents, distributions, remotes, repositories, versions
from twisted_pulp.catalog.contents import NewContent, NewFile
from twisted_pulp.catalog.reports import ReportRow
from twisted_pulp.dashboard._routes import ROUTES
from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import JobNotFound, JobStateError, NotFound, QueueFull, StorageFull
from twisted_pulp.jobs import ItemSpec, LocalBroker
from twisted_pulp.settings import TLS, Remote, Settings

SHA256 = "ab" * 32


@pytest.fixture
def world() -> World:
    """A dashboard with somebody who may do everything."""
    made = World()
    made.login()
    return made


def fill(connection: Connection, units: int = 3) -> None:
    """Make a repository with two versions, its remote, and distributions of both."""
    remote = remotes.create(connection, "up stream", Remote(url="http://h.test/x/", tls=TLS(verify=False)), NOW - 99)
    row = repositories.create(connection, "re/po", "file", NOW - 50, remote_id=remote.id, description="for all")
    for count in (units, 1):
        draft = versions.begin(connection, row.id, NOW - 40)
        new = [NewContent("file", f'["{count}/{n}"]', f"dir/{count}/{n}", {}) for n in range(count)]
        ids = contents.save(connection, new, NOW)
        files = [NewFile(number, "a", None, 2048, {"sha256": SHA256}) for number in ids.values()]
        contents.attach(connection, files)
        versions.add(connection, draft, list(ids.values()))
        versions.finish(connection, draft, NOW - 40, None)
    repositories.create(connection, "zempty", "file", NOW)
    distributions.create(
        connection, "d", "some/where", NOW, repository_id=row.id, remote_id=remote.id, policy="streamed"
    )
    distributions.create(connection, "e", "els", NOW, repository_id=row.id, number=1)


def test_all_empty(world: World) -> None:
    """Every page can be shown where there is nothing to show."""
    for path in ("/", "/jobs", "/repositories", "/remotes", "/distributions", "/errors", "/submit", "/settings"):
        answer = world.get(path)
        assert (path, 200) == (path, answer.status)
        assert answer.body.count('aria-current="page"') == (0 if path == "/submit" else 1)


def test_overview(world: World) -> None:
    """The overview shows what runs, what was handed in last, and how it goes."""
    world.jobs.add(Job(uid="done", state="completed", total=2, done=2))
    world.jobs.add(Job(uid="now", state="running", total=1200, done=300, failed=2, bytes=3 << 20, remote="debian"))
    world.running.health.degrade("storage", "the disk is full")
    world.running.throughput.samples.extend([1024, 2048])
    answer = world.get("/")
    assert "1 running 0 waiting 0 paused 0 failed 1 completed" in answer.text
    assert "2.0 KiB/s" in answer.text
    assert "storage the disk is full" in answer.text
    assert "download 1\u202f200 files from debian running 300 of 1\u202f200 · 2 failed 3.0 MiB" in answer.text
    assert '<progress max="1200" value="302"' in answer.body
    active, latest = answer.body.index('id="active"'), answer.body.index('id="latest"')
    assert active < answer.body.index('data-job="now"') < latest < answer.body.index('data-job="done"')


@frozen
class Node:
    """A node, as far as it is shown."""

    host: str
    pid: int
    roles: tuple[str, ...]
    figures: dict[str, float]


@frozen
class Nodes:
    """This node and others."""

    me: Node
    others: tuple[Node, ...] = ()

    def sums(self) -> dict[str, float]:
        """Return some figures of all."""
        return {"downloads": 1234}


def test_nodes(world: World) -> None:
    """The overview shows each node that lives, which one answers, and what all do together; of one alone nothing."""
    figures = {"ready": 1, "jobs": 2, "slots": 4, "downloads": 30, "bytes_per_second": 3 << 20}
    me, other = Node("b", 7, ("api",), {"ready": 1}), Node("a", 8, ("worker", "content"), figures)
    world.running.nodes = Nodes(me)
    assert "Nodes" not in world.get("/").text
    world.running.nodes = Nodes(me, (other, Node("a", 3, (), {})))
    for path, words in (("/remotes", "are those of this node"), ("/errors", "Failed tries of late of this node")):
        assert words in world.get(path).text
    text = world.get("/").text
    assert "1\u202f234 downloads at once" in text
    assert "Node b 7 Running for" in text
    rows = text.partition("Rate ")[2]
    assert rows.startswith(
        "a 3 – not ready – 0 0 B/s a 8 worker, content ready 2 of 4 30 3.0 MiB/s b 7 api ready – 0 0 B/s "
    )


def test_under_way(world: World) -> None:
    """What has come of files that are not finished counts in sizes, wherever the job runs."""
    jobs = [world.jobs.add(Job(uid=uid, state="running", bytes=1 << 20)) for uid in ("here", "there", "unknown")]
    world.jobs.runs["here"] = SimpleNamespace(task=SimpleNamespace(come=2 << 20, parts=()))
    world.jobs.catalog.reports["there"] = ReportRow(5 << 20, "[]")
    for path in ("/", "/jobs"):
        sizes = re.findall("data-bytes>([^<]*)<", world.get(path).body)
        assert ["1.0 MiB", "3.0 MiB", "5.0 MiB"] == sorted(sizes), path
    assert "Size 5.0 MiB" in world.get("/jobs/there").text
    assert 3 == len(jobs)


def test_parts(world: World) -> None:
    """The page of a sync that runs shows how far its parts are, wherever it does."""
    part = {"code": "a", "message": "Downloading <b>", "state": "running", "suffix": "x.rpm", "bytes": 3 << 20}
    done = {
        "code": "b",
        "message": "Reading",
        "state": "completed",
        "suffix": None,
        "bytes": 0,
        "total": None,
        "done": 7,
    }
    parts = [{**part, "total": 1200, "done": 4}, done]
    world.jobs.add(Job(uid="a", kind="sync", state="running"))
    assert 'id="steps" data-part aria-labelledby="steps-title" hidden' in world.get("/jobs/a").body
    world.jobs.catalog.reports["a"] = ReportRow(0, json.dumps(parts))
    there = world.get("/jobs/a")
    assert "Parts Downloading <b> x.rpm 4 of 1\u202f200 · 3.0 MiB Reading 7" in there.text
    assert re.search(r'<progress max="1200" value="4" .*<progress max="1" value="1"', there.body, re.S)
    assert "hidden>" not in there.body.partition('id="steps"')[2].partition("<header>")[0]
    world.jobs.runs["a"] = SimpleNamespace(task=SimpleNamespace(come=0, parts=parts))
    world.jobs.catalog.reports.clear()
    assert there.text == world.get("/jobs/a").text


def test_jobs(world: World) -> None:
    """Jobs are shown by state and kind, some at a time."""
    for number in range(60):
        world.jobs.add(Job(uid=f"j{number}", kind="sync" if number % 2 else "download", state="failed"))
    world.jobs.add(Job(uid="other", state="running"))
    found = re.findall(r'data-job="(\w+)"', world.get("/jobs?state=failed").body)
    assert [f"j{number}" for number in range(59, 9, -1)] == found
    page = world.get("/jobs?state=failed").body
    following = re.search(r'href="([^"]+)" rel="next"', page)
    assert following is not None
    later = world.get(following[1].replace("&amp;", "&"))
    assert [f"j{number}" for number in range(9, -1, -1)] == re.findall(r'data-job="(\w+)"', later.body)
    assert "First page" in later.text
    kinds = re.findall(r'data-job="(\w+)"', world.get("/jobs?kind=sync").body)
    assert 30 == len(kinds)
    assert 400 == world.get("/jobs?state=odd").status
    assert 400 == world.get("/jobs?after=x").status


def test_job(world: World) -> None:
    """A job is shown with its files, and why those are not there that failed."""
    items = [
        Item(number=n, url=f"http://h/{n}", path=f"f/{n}", state="failed" if n == 7 else "completed", bytes=2048)
        for n in range(60)
    ]
    items[7] = Item(number=7, url="http://h/7", path="f/7", state="failed", error="404 Not Found", attempts=4)
    world.jobs.add(
        Job(
            uid="a",
            state="failed",
            total=60,
            done=59,
            failed=1,
            error="1 of 60 failed",
            parked=True,
            started=NOW - 20,
            finished=NOW - 10,
            schedule="nightly",
            result={"added": 3},
        ),
        items,
    )
    answer = world.get("/jobs/a")
    assert "1 of 60 failed It failed so often" in answer.text
    assert "f/7 http://h/7 404 Not Found" in answer.text
    assert "Took 10 s" in answer.text
    assert "Schedule nightly" in answer.text
    assert "added 3" in answer.text
    assert "Retry Forget" in answer.text
    assert "f/50" not in answer.body
    assert "f/50" in world.get("/jobs/a?after=49").body
    only = world.get("/jobs/a?state=failed")
    assert ("f/7" in only.body, "f/8" in only.body) == (True, False)


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        ("waiting", {"pause", "cancel", "priority"}),
        ("running", {"pause", "cancel", "priority"}),
        ("paused", {"resume", "cancel", "priority"}),
        ("failed", {"retry", "delete"}),
        ("cancelled", {"retry", "delete"}),
        ("completed", {"delete"}),
    ],
)
def test_offered(world: World, state: str, verbs: set[str]) -> None:
    """What can be done with a job depends on its state."""
    world.jobs.add(Job(uid="a", state=state))
    assert verbs == set(re.findall(r'action="/jobs/a/(\w+)"', world.get("/jobs/a").body))


@pytest.mark.parametrize(
    ("verb", "state"), [("cancel", "running"), ("pause", "running"), ("resume", "paused"), ("retry", "failed")]
)
def test_done(world: World, verb: str, state: str) -> None:
    """A button does what it says, leads back to where it was, and says what happened, once."""
    world.jobs.add(Job(uid="a", state=state))
    answer = world.post(f"/jobs/a/{verb}", back="/jobs?state=failed")
    assert (303, "/jobs?state=failed") == (answer.status, answer.headers["Location"])
    assert [(verb, "a")] == world.jobs.asked
    assert "The job" in world.get("/jobs").text
    assert "The job" not in world.get("/jobs").text


@pytest.mark.parametrize("back", ["//evil.test/", "http://evil.test/", "/\\evil.test", ""])
def test_back(world: World, back: str) -> None:
    """A form leads nowhere else."""
    world.jobs.add(Job(uid="a", state="running"))
    assert "/jobs/a" == world.post("/jobs/a/cancel", back=back).headers["Location"]


def test_priority(world: World) -> None:
    """A job gets another priority."""
    world.jobs.add(Job(uid="a"))
    assert 303 == world.post("/jobs/a/priority", priority="-7").status
    assert [("prioritise", "a", -7)] == world.jobs.asked
    assert [400, 400] == [world.post("/jobs/a/priority", priority=each).status for each in ("", "1.5")]


def test_forgotten(world: World) -> None:
    """A job that is over is forgotten."""
    world.jobs.add(Job(uid="a", state="completed"))
    assert "/jobs" == world.post("/jobs/a/delete").headers["Location"]
    assert [("delete", "a")] == world.jobs.asked


def test_errors_of_jobs(world: World) -> None:
    """What cannot be done is said, with a status that fits."""
    world.jobs.add(Job(uid="a", state="running"))
    world.jobs.error = JobNotFound("a")
    assert 404 == world.get("/jobs/a").status
    world.jobs.error = None
    assert 404 == world.post("/jobs/a/explode").status


@pytest.mark.parametrize(
    ("error", "status"),
    [(JobStateError("a", "completed", "cancel"), 409), (QueueFull(1, 1), 503), (StorageFull("/x"), 507)],
)
def test_refused(world: World, error: Exception, status: int) -> None:
    """What the book of jobs refuses is shown."""
    world.jobs.error = error  # type: ignore[assignment]
    answer = world.post("/submit", urls="http://h.test/a")
    assert (status, True) == (answer.status, str(error) in answer.text)


def test_submit(world: World) -> None:
    """URLs become a job, and whoever sends the form leads to it."""
    page = world.get("/submit?remote=one")
    assert "<option selected>one</option>" in page.body
    key = re.search(r'name="key" value="([^"]+)"', page.body)
    assert key is not None
    text = f"http://h.test/a sha256:{SHA256}\nhttp://h.test/b"
    answer = world.post("/submit", urls=text, remote="one", priority="5", key=key[1])
    assert (303, "/jobs/new0") == (answer.status, answer.headers["Location"])
    ((_, kind, payload, items, given),) = world.jobs.asked
    assert ("download", {"remote": "one"}) == (kind, payload)
    assert [ItemSpec("http://h.test/a", digests={"sha256": SHA256}), ItemSpec("http://h.test/b")] == items
    assert (5, "one", key[1], 1) == (given["priority"], given["remote"], given["key"], given["owner"])
    assert 64 == len(given["fingerprint"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no URL"),
        ("http://h/a\nno url", "Line 2"),
        ("http://h/a sha256:xx", "Line 1: sha256:xx is no digest"),
        ("http://h/a\nhttp://h/x/a", "Line 2: line 1 is called a, too"),
        ("http://h/a sha256:00", "Line 1: digests"),
        ("\n".join(["x"] * 30), "and 10 more"),
    ],
)
def test_mistakes(world: World, text: str, reason: str) -> None:
    """Lines that make no sense are told, nothing is handed in, and what was written is not lost."""
    answer = world.post("/submit", urls=text, priority="3")
    assert 422 == answer.status
    assert reason in answer.text
    assert [] == world.jobs.asked
    assert 'name="priority" value="3"' in answer.body
    assert text.splitlines()[-1:] == [] or text.splitlines()[-1] in answer.body


def test_blocked(world: World) -> None:
    """A URL that leads where it must not is told."""

    class Policy:
        def literal(self, url: str) -> Exception | None:
            return NotFound(url, 404) if "127" in url else None

    world.context.policy = Policy()
    answer = world.post("/submit", urls="http://h.test/a\nhttp://127.0.0.1/b")
    assert (422, True, False) == (answer.status, "Line 2" in answer.text, "Line 1" in answer.text)


@pytest.mark.parametrize(("field", "status"), [({"priority": "2000"}, 422), ({"remote": "no"}, 404)])
def test_wrong_fields(world: World, field: dict[str, str], status: int) -> None:
    """A priority beyond its bounds, or a remote that is not there, is refused."""
    assert status == world.post("/submit", urls="http://h.test/a", **field).status
    assert [] == world.jobs.asked


def test_repositories(world: World) -> None:
    """Repositories are shown with their newest versions, versions with their contents."""
    world.catalog.do(fill)
    answer = world.get("/repositories")
    assert "re/po for all file up stream 2" in answer.text
    assert "zempty file – – – –" in answer.text
    page = world.get("/repositories/re%2Fpo")
    assert "re/po file from up stream" in page.text
    assert page.text.index("2 4 +1 0") < page.text.index("1 3 +3 0")
    version = world.get("/repositories/re%2Fpo/versions/1")
    assert "dir/3/0 file 2.0 KiB abababababababab… not stored" in version.text
    assert "file: 3" in version.text
    assert [404, 404, 404] == [
        world.get(f"/repositories/{path}").status for path in ("no", "re%2Fpo/versions/9", "re%2Fpo/versions/x")
    ]


def test_many_contents(world: World) -> None:
    """Contents are shown some at a time."""
    world.catalog.do(fill, 60)
    page = world.get("/repositories/re%2Fpo/versions/1")
    following = re.search(r'href="([^"]+)" rel="next"', page.body)
    assert following is not None
    later = world.get(following[1])
    assert (50, 10) == tuple(len(re.findall(r'<td class="name">', each.body)) for each in (page, later))
    assert "First page" in later.text


def test_many_versions(world: World) -> None:
    """So are versions and repositories."""
    world.catalog.do(fill)
    page = world.get("/repositories/re%2Fpo?before=2")
    assert ["1"] == re.findall(r"versions/(\d+)", page.body)

    def more(connection: Connection) -> None:
        for number in range(55):
            repositories.create(connection, f"s{number:02}", "file", NOW)
            remotes.create(connection, f"r{number:02}", Remote(), NOW)
            distributions.create(connection, f"x{number:02}", f"p{number:02}", NOW)

    world.catalog.do(more)
    for path in ("/repositories", "/remotes", "/distributions"):
        body = world.get(path).body
        following = re.search(r'href="([^"]+)" rel="next"', body)
        assert following is not None
        later = world.get(following[1]).body
        names = re.findall(r'<td class="name">.*?<b>(.*?)</b>', body) + re.findall(
            r'<td class="name">.*?<b>(.*?)</b>', later
        )
        assert sorted(set(names)) == names
        assert len(names) >= 56


def test_sync(world: World) -> None:
    """A button syncs a repository with its remote; one without is not synced."""
    world.catalog.do(fill)
    answer = world.post("/repositories/re%2Fpo/sync")
    assert "/jobs/new0" == answer.headers["Location"]
    ((_, kind, payload, items, given),) = world.jobs.asked
    assert ("sync", "re/po", "up stream", [], "up stream") == (
        kind,
        payload["repository"],
        payload["remote"],
        items,
        given["remote"],
    )
    assert 409 == world.post("/repositories/zempty/sync").status


def trouble(world: World, error: NotFound, final: bool = True) -> None:
    """Let a download fail."""
    attempt = Attempt(Source(error.url), NOW, 404, 0, error)
    report = DownloadReport(url=error.url, attempts=(attempt,), error=error if final else None, finished=NOW - 60)
    world.context.traffic.begin(attempt)
    world.context.traffic.end(attempt, report)


def test_remotes(world: World) -> None:
    """Remotes are shown with what went wrong last, and whether they are left alone."""
    world.catalog.do(fill)
    trouble(world, NotFound("http://h.test/x/y?sig=S3CR3T", 404))
    answer = world.get("/remotes")
    assert (
        "up stream TLS not checked http://h.test/x/ well immediate 0 1 min ago not_found 404 Not Found" in answer.text
    )
    assert "one – well immediate 0 none since the start" in answer.text
    world.context.health.pause(Source("http://h.test/z"), 90)
    assert "resting 1 min 30 s" in world.get("/remotes").text
    assert "S3CR3T" not in answer.body


def test_refused_remotes(world: World) -> None:
    """A remote whose host is not asked for clients is shown as resting, too."""
    world.catalog.do(fill)

    class Flights:
        def refused(self, url: str) -> tuple[float, Exception] | None:
            return (30.0, NotFound(url, 404)) if "h.test" in url else None

    class Streamer:
        flights = Flights()

    world.running.streamer = Streamer()
    assert "resting 30 s · clients are refused" in world.get("/remotes").text


def test_distributions(world: World) -> None:
    """Distributions are shown with what they serve; they lead there where that is here."""
    world.catalog.do(fill)
    answer = world.get("/distributions")
    assert "d /content/some/where/ re/po , else up stream streamed" in answer.text
    assert "e /content/els/ re/po version 1 –" in answer.text
    assert 'href="/content/' not in answer.body
    world.running.streamer = object()
    assert 'href="/content/some/where/"' in world.get("/distributions").body


def test_errors(world: World) -> None:
    """Jobs that failed are shown with the reasons, and a button to try them again; so are tries that failed."""
    items = [Item(number=n, url=f"http://h/{n}", path=f"f{n}", state="failed", error=f"why {n}") for n in range(5)]
    world.jobs.add(Job(uid="a", state="failed", total=9, failed=5, error="5 of 9 failed", finished=NOW), items)
    world.jobs.add(Job(uid="b", kind="sync", state="failed", error="the manifest is missing"))
    trouble(world, NotFound("http://h.test/one", 404))
    trouble(world, NotFound("http://h.test/two?sig=S3CR3T", 404), final=False)
    answer = world.get("/errors")
    assert "f0 http://h/0 why 0 f1 http://h/1 why 1 f2 http://h/2 why 2 2 more" in answer.text
    assert "the manifest is missing" in answer.text
    assert {"a", "b"} == set(re.findall(r'action="/jobs/(\w+)/retry"', answer.body))
    assert "http://h.test/one 404 Not Found not_found given up" in answer.text
    assert "404 Not Found not_found tried again" in answer.text
    assert answer.text.index("/two") < answer.text.index("/one")
    assert "S3CR3T" not in answer.body


def test_put_aside(world: World) -> None:
    """What a broker that is shared has put aside is shown, with the job that it names."""
    assert "Put aside by the broker" not in world.get("/errors").text
    world.jobs.broker = LocalBroker(shared=True)
    assert "Nothing was put aside." in world.get("/errors").text
    world.jobs.add(Job(uid="a", state="failed", error="poison"))
    world.jobs.broker.park("a")
    found = world.get("/errors").text
    assert "poison failed 0" in found


def test_settings() -> None:
    """The settings are shown as a file would say them, without what is secret."""
    remote = Remote(url="https://h.test/", username="me", password="S3CR3T-1", headers={"X-Key": "S3CR3T-2"})
    database = "postgresql://me:S3CR3T-3@db.test/pulp"
    world = World(Settings(data="/srv/data", database=database, remotes={"mine": remote}))
    world.login()
    answer = world.get("/settings")
    assert 'data = "/srv/data"' in answer.text
    assert "[limits] connections = 100" in answer.text
    assert "https://h.test/" in answer.text
    assert "S3CR3T" not in answer.body


def test_routes() -> None:
    """What changes something needs a form and more than to read; no two answer the same."""
    assert len(ROUTES) == len({(route.method, route.pattern) for route in ROUTES})
    assert [] == [route for route in ROUTES if route.method == "POST" and route.scope == "read"]


def test_mistake(world: World, logged_errors: LoggedErrors) -> None:
    """A mistake of ours is shown as one, without a word of it."""
    world.running.context.pool = None
    answer = world.get("/")
    assert 500 == answer.status
    assert "NoneType" not in answer.body
    assert 1 == len(logged_errors.flush(AttributeError))
