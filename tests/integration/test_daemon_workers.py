"""A daemon whose jobs are run by processes of their own."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Send, Stall, Steps, Until, ok

BODY = bytes(range(256)) * 40
DIGEST = sha256(BODY).hexdigest()


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet."""
    return Daemon(start_command, reactor, tmp_path / "data")


async def begun(daemon: Daemon, tmp_path: Path, more: str = "", lease: int = 60, jobs: int = 4) -> int:
    """Start it with two workers, wait until these are ready, and return its port."""
    path = tmp_path / "settings.toml"
    limits = f"[limits]\nreserve = 0\ngrace = 5\nlease = {lease}\njobs = {jobs}\n"
    path.write_text(f'workers = 2\n{more}\n[ssrf]\nallow = ["127.0.0.1"]\n{limits}')
    port = await daemon.start("--config", path)
    await daemon.process.until(lambda: set(workers(daemon)) == {"1", "2"}, 90)
    return port


def workers(daemon: Daemon) -> dict[str, str]:
    """Return which workers have said that they are ready: number -> the line."""
    ready = [line for line in daemon.process.out.splitlines() if "ready [worker=" in line]
    return {line.split("worker=")[1].rstrip("]"): line for line in ready}


async def handed_in(daemon: Daemon, port: int, scripted: Scripted, count: int = 20) -> str:
    """Hand in *count* jobs of one file each, and return the path of the last."""
    for number in range(count):
        item = {"url": scripted.url(f"/{number}"), "path": f"f/{number}", "digests": {"sha256": DIGEST}}
        reply = await daemon.post(port, "/api/v1/downloads", {"items": [item]})
        assert 202 == reply.status, reply.body
    return reply.headers["location"]


async def all_completed(daemon: Daemon, port: int, count: int) -> None:
    """Wait until so many jobs are completed."""
    while (await daemon.document(port, "/api/v1/status"))["jobs"]["completed"] < count:
        await deferLater(daemon._reactor, 0.1)


async def pids(daemon: Daemon, port: int) -> list[int]:
    """Return the numbers of the living worker processes."""
    nodes = (await daemon.document(port, "/api/v1/cluster"))["nodes"]
    return [each["pid"] for each in nodes if each["alive"] and each["roles"] == ["worker"]]


async def seen(daemon: Daemon, port: int) -> dict[str, float]:
    """Return when each of the two workers has said last that it lives."""
    nodes = (await daemon.document(port, "/api/v1/cluster"))["nodes"]
    found = {each["name"]: each["seen"] for each in nodes if each["roles"] == ["worker"]}
    assert 2 == len(found)
    return found


def lives(pid: int) -> bool:
    """Return whether there is a process of this number, which is no zombie."""
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def gone(reactor: IReactor, numbers: list[int]) -> None:
    """Wait until none of the processes lives."""
    while any(map(lives, numbers)):
        await deferLater(reactor, 0.05)


def metric(text: str, name: str) -> float:
    """Return the value of a metric."""
    (line,) = [each for each in text.splitlines() if each.startswith(name + " ")]
    return float(line.rpartition(" ")[2])


@pytest.mark.limit(180)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@ensureDeferred
async def test_work(
    daemon: Daemon, scripted: Scripted, tmp_path: Path, request: pytest.FixtureRequest, database: str, reactor: IReactor
) -> None:
    """
    Jobs are run by both processes, on either database; what they count the daemon tells, and they end with it.

    Of two that want one path the second waits, and finds the file there. What was left by killed ones is removed.
    """
    scripted.default = lambda request: ok(BODY)
    more, name, server = "", "", None
    if database == "postgresql":
        server = request.getfixturevalue("postgres")
        assert isinstance(server, Postgres)
        name = server.create()
        more = f'database = "{server.url(name)}"\n'
    orphan = daemon.data / "downloads" / ".old.pulp-part"
    orphan.parent.mkdir(parents=True)
    orphan.touch()
    try:
        port = await begun(daemon, tmp_path, more, jobs=1)
        await daemon.process.until(lambda: not orphan.exists())
        await handed_in(daemon, port, scripted)
        await all_completed(daemon, port, 20)
        assert {BODY} == {(daemon.data / "downloads" / "f" / str(number)).read_bytes() for number in range(20)}
        name_ = 'pulpdownloader_downloads_total{result="completed"}'
        while metric(text := (await daemon.get(port, "/metrics")).body.decode(), name_) < 20:
            await deferLater(reactor, 0.2)
        assert (20.0, 20.0 * len(BODY)) == (metric(text, name_), metric(text, "pulpdownloader_download_bytes_total"))
        both = await pids(daemon, port)
        assert 2 == len(both)
        assert {"1", "2"} == {
            line.split("worker=")[1][0] for line in daemon.process.out.splitlines() if "worker=" in line
        }
        await one_path(daemon, port, scripted)
        assert 0 == await daemon.end(signal.SIGTERM)
        assert not any(map(lives, both))
    finally:
        if server is not None:
            server.drop(name)


async def one_path(daemon: Daemon, port: int, scripted: Scripted) -> None:
    """Let both processes want one path, the second beside another one, which it fetches meanwhile."""
    gate: Deferred[None] = Deferred()
    scripted.on(b"/slow", [(Until(gate), *ok(BODY))])
    scripted.on(b"/quick", [ok(BODY)])
    slow, quick = (
        {"url": scripted.url(f"/{name}"), "path": name, "digests": {"sha256": DIGEST}} for name in ("slow", "quick")
    )
    first = await daemon.post(port, "/api/v1/downloads", {"items": [slow]})
    await daemon.process.until(lambda: scripted.requests[-1].path == b"/slow", 60)
    second = await daemon.post(port, "/api/v1/downloads", {"items": [slow, quick]})
    await daemon.process.until(lambda: scripted.requests[-1].path == b"/quick", 60)
    gate.callback(None)
    for each in (first, second):
        await daemon.until(port, each.headers["location"], "completed", 60)
    assert [b"/slow", b"/quick"] == [each.path for each in scripted.requests[-2:]]
    assert 1 == (await daemon.document(port, second.headers["location"]))["result"]["present"]


@pytest.mark.leaves_partials
@pytest.mark.limit(180)
@ensureDeferred
async def test_killed_worker(daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor) -> None:
    """A worker that is killed is started again, and takes back at once what it had; nothing is lost."""
    held: list[Any] = []

    def answer(request: Request) -> Steps:
        held.append(request)
        if len(held) <= 2:
            return (Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)), Stall())
        return ok(BODY)

    scripted.default = answer
    port = await begun(daemon, tmp_path)
    await handed_in(daemon, port, scripted, 2)
    await daemon.process.until(lambda: len(held) == 2, 60)
    both = await pids(daemon, port)
    for pid in both:
        os.kill(pid, signal.SIGKILL)
    await all_completed(daemon, port, 2)
    while set(both) & set(await pids(daemon, port)):  # one of them may have had both jobs, and be there again first
        await deferLater(reactor, 0.1)
    assert 4 == len(held)
    assert 0 == await daemon.end(signal.SIGTERM)


#: Seconds after which a process that says nothing is killed, and seconds that a busy machine may take.
LEASE, SLACK = 3, 30


@pytest.mark.leaves_partials
@pytest.mark.limit(180)
@ensureDeferred
async def test_paused_worker(daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor) -> None:
    """A worker that stands still in a sync is killed with its lock on a file, and the sync done to its end."""
    lines = "".join(f"{name},{DIGEST},{len(BODY)}\n" for name in "ab")
    scripted.on(b"/PULP_MANIFEST", [ok(lines.encode())])
    scripted.default = lambda request: ok(BODY) if gets(scripted) > 1 else (Stall(),)
    port = await begun(daemon, tmp_path, f'[remotes.up]\nurl = "{scripted.url("/PULP_MANIFEST")}"\n', LEASE)
    assert 201 == (await daemon.post(port, "/api/v1/repositories", {"name": "one", "type": "file"})).status
    job = (await daemon.post(port, "/api/v1/syncs", {"repository": "one", "remote": "up"})).headers["location"]
    await daemon.process.until(lambda: gets(scripted), 60)
    with closing(sqlite3.connect(daemon.data / "catalog.sqlite")) as database:
        ((holder,),) = database.execute("SELECT holder FROM job WHERE state = 'running'").fetchall()
    nodes = (await daemon.document(port, "/api/v1/cluster"))["nodes"]
    (pid,) = (each["pid"] for each in nodes if each["name"] == holder)
    os.kill(pid, signal.SIGSTOP)
    paused = reactor.seconds()
    await daemon.until(port, job, "completed", 90)
    assert reactor.seconds() - paused < 2 * LEASE + SLACK
    assert not lives(pid)
    assert "says nothing any more, and was killed" in daemon.process.out
    assert 1 == (await daemon.document(port, job))["result"]["version"]
    await daemon.process.until(lambda: daemon.process.out.count("ready [worker=") > 2, 90)
    assert 0 == await daemon.end(signal.SIGTERM)


def gets(scripted: Scripted) -> int:
    """Return how many files were asked for."""
    return sum(b"MANIFEST" not in each.path for each in scripted.requests)


@pytest.mark.leaves_partials
@pytest.mark.limit(180)
@ensureDeferred
async def test_killed_daemon(daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor) -> None:
    """Workers do not outlive their daemon, however it ends, and the next one's go on with their jobs."""
    scripted.default = lambda request: (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Stall())
    port = await begun(daemon, tmp_path)
    await handed_in(daemon, port, scripted, 2)
    await daemon.process.until(lambda: len(scripted.requests) == 2, 60)
    both = await pids(daemon, port)
    await daemon.end(signal.SIGKILL)
    await gone(reactor, both)
    scripted.default = lambda request: ok(BODY)
    port = await begun(daemon, tmp_path)
    await all_completed(daemon, port, 2)
    assert 0 == await daemon.end(signal.SIGTERM)


@pytest.mark.leaves_partials
@pytest.mark.limit(180)
@ensureDeferred
async def test_told(daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor) -> None:
    """SIGHUP reaches the workers, and a second SIGTERM waits for nothing that they do."""
    scripted.default = lambda request: (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Stall())
    port = await begun(daemon, tmp_path)
    path = tmp_path / "settings.toml"
    path.write_text(path.read_text().replace("grace = 5", "grace = 3600"))
    daemon.process.send(signal.SIGHUP)
    said = "read the settings again: limits [worker="
    await daemon.process.until(lambda: 2 == daemon.process.out.count(said), 30)
    await handed_in(daemon, port, scripted, 1)
    await daemon.process.until(lambda: len(scripted.requests) == 1, 60)
    both = await pids(daemon, port)
    daemon.process.send(signal.SIGTERM)
    await daemon.process.until(lambda: "may end within 3600 s" in daemon.process.out, 30)
    daemon.process.send(signal.SIGTERM)
    assert await daemon.process.ended(60) in (0, 128 + signal.SIGTERM)
    await gone(reactor, both)


@pytest.mark.limit(180)
@ensureDeferred
async def test_sync(daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor) -> None:
    """Processes share a sync over SQLite's file: the other begins what one hands out, and no file comes twice."""
    files = {f"{number}.bin": BODY + b"%d" % number for number in range(200)}
    lines = [f"{name},{sha256(data).hexdigest()},{len(data)}\n" for name, data in files.items()]
    scripted.on(b"/PULP_MANIFEST", [ok("".join(lines).encode())])

    gate: Deferred[None] = Deferred()

    def answer(request: Request) -> Steps:
        return (Until(gate), *ok(files[request.path.decode().strip("/")]))

    scripted.default = answer
    port = await begun(daemon, tmp_path, f'[remotes.up]\nurl = "{scripted.url("/PULP_MANIFEST")}"\n')
    assert 201 == (await daemon.post(port, "/api/v1/repositories", {"name": "one", "type": "file"})).status
    first = await seen(daemon, port)
    while not all(at > first[name] for name, at in (await seen(daemon, port)).items()):
        await deferLater(reactor, 0.1)  # who says once more that it lives has heard of the other
    reply = await daemon.post(port, "/api/v1/syncs", {"repository": "one", "remote": "up"})
    assert 202 == reply.status, reply.body
    while not any(map(_running, (await daemon.document(port, "/api/v1/jobs?kind=fetch"))["items"])):
        assert (await daemon.document(port, reply.headers["location"]))["state"] in ("waiting", "running")
        await deferLater(reactor, 0.02)
    gate.callback(None)
    await daemon.until(port, reply.headers["location"], "completed", 90)
    came = Counter(each.path for each in scripted.requests)
    assert {1} == set(came.values())
    assert 201 == len(came)
    result = (await daemon.document(port, reply.headers["location"]))["result"]
    assert (1, 200, 200) == (result["version"], result["added"], result["downloaded"])
    assert 0 == await daemon.end(signal.SIGTERM)


def _running(job: Any) -> bool:
    return bool(job["state"] == "running")
