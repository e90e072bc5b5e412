"""`pulpdownloader sync`, as a whole process against nginx and others."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.pool import Command, Pool
from tests.integration.process import Start
from tests.integration.screen import Screen
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Send, SendSlowly, Stall, Until, ok, status

KEYS = {"version", "added", "removed", "present", "downloaded", "bytes", "failed", "seconds"}


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Five files and their manifest."""
    return Pool.of(tmp_path / "pool")


@async_fixture
async def upstream(start_nginx: StartNginx, pool: Pool) -> Nginx:
    """An nginx that gives them out."""
    return await start_nginx(pool.root)


@pytest.fixture
def command(start_command: Start, tmp_path: Path) -> Command:
    """The command with a data directory of its own."""
    return Command(start_command, tmp_path / "data")


def syncing(url: str, *options: object) -> tuple[object, ...]:
    """Return the arguments of a sync."""
    return ("sync", "file", url, "--repository", "one", *options)


def manifest_of(server: Nginx) -> str:
    """Return the URL of its manifest."""
    return server.url("/PULP_MANIFEST")


@ensureDeferred
async def test_nothing_before(command: Command, pool: Pool, upstream: Nginx) -> None:
    """A sync needs nothing before it; what it answers has every figure, and the files are stored."""
    said = await command.json(*syncing(manifest_of(upstream)))
    size = sum(map(len, pool.files.values()))
    assert KEYS == said.keys()
    assert (1, 5, 0, 5, 5, size, []) == tuple(
        said[key] for key in ("version", "added", "removed", "present", "downloaded", "bytes", "failed")
    )
    assert pool.files == {name: command.artifact(pool.sha256(name)).read_bytes() for name in pool.files}


@ensureDeferred
async def test_again(command: Command, pool: Pool, upstream: Nginx) -> None:
    """When nothing has changed there is no version, and only the manifest is asked for; no URL is needed any more."""
    await command.json(*syncing(manifest_of(upstream)))
    before = len(upstream.log())
    said = await command.json("sync", "file", "--repository", "one")
    assert (None, 5, 0) == (said["version"], said["present"], said["downloaded"])
    assert ["GET /PULP_MANIFEST 304"] == [" ".join(line.split()[:3]) for line in upstream.log()[before:]]
    forced = await command.json("sync", "file", "--repository", "one", "--force")
    assert (None, 5, 0) == (forced["version"], forced["present"], forced["downloaded"])


@ensureDeferred
async def test_lines(command: Command, upstream: Nginx) -> None:
    """A person gets lines: how far each part came, and what came of all."""
    done = await command.run(*syncing(manifest_of(upstream)))
    assert (0, "") == (done.popen.returncode, done.err)
    assert done.lines[-1].startswith("one: version 1: 5 added, 0 removed, 5 present; 5 downloaded, ")
    quiet = await command.run(*syncing(manifest_of(upstream), "-q"))
    assert (0, "", "") == (quiet.popen.returncode, quiet.out, quiet.err)


@ensureDeferred
async def test_default_data(start_command: Start, upstream: Nginx, tmp_path: Path) -> None:
    """Without --data everything is in the user's data directory."""
    done = start_command(*syncing(manifest_of(upstream)), environ={"XDG_DATA_HOME": str(tmp_path / "home")})
    assert 0 == await done.ended()
    assert (tmp_path / "home" / "pulpdownloader" / "catalog.sqlite").exists()


@ensureDeferred
async def test_mirror(command: Command, pool: Pool, upstream: Nginx) -> None:
    """Additive keeps what the upstream has no more; a mirror removes it."""
    await command.json(*syncing(manifest_of(upstream)))
    del pool.files["0.bin"]
    pool.put("5.bin", b"new")
    pool.write()
    said = await command.json(*syncing(manifest_of(upstream)))
    assert (2, 1, 0, 6, 1) == tuple(said[key] for key in ("version", "added", "removed", "present", "downloaded"))
    said = await command.json(*syncing(manifest_of(upstream), "--mirror"))
    assert (3, 0, 1, 5, 0) == tuple(said[key] for key in ("version", "added", "removed", "present", "downloaded"))


@ensureDeferred
async def test_policy(command: Command, upstream: Nginx) -> None:
    """On demand, once said, nothing is downloaded; files that are wanted after all are, and the content is the same."""
    said = await command.json(*syncing(manifest_of(upstream), "--policy", "on_demand"))
    assert (1, 5, 0) == (said["version"], said["present"], said["downloaded"])
    said = await command.json(*syncing(manifest_of(upstream), "--force"))
    assert (None, 5, 0) == (said["version"], said["present"], said["downloaded"])
    said = await command.json(*syncing(manifest_of(upstream), "--policy", "immediate"))
    assert (None, 5, 5) == (said["version"], said["present"], said["downloaded"])


@ensureDeferred
async def test_fsync(command: Command, pool: Pool, upstream: Nginx) -> None:
    """Who wants every file on the disk for sure has the same in the end."""
    said = await command.json(*syncing(manifest_of(upstream), "--fsync"))
    assert (1, 5) == (said["version"], said["downloaded"])
    assert pool.files == {name: command.artifact(pool.sha256(name)).read_bytes() for name in pool.files}


@ensureDeferred
async def test_in_flight(command: Command, scripted: Scripted, pool: Pool, reactor: IReactor) -> None:
    """No more files are asked for than may be in flight, whatever else is allowed; without a limit all are."""
    gate: Deferred[None] = Deferred()
    scripted.on(b"/PULP_MANIFEST", [ok(pool.manifest())])
    for name, data in pool.files.items():
        scripted.on(b"/" + name.encode(), [(Until(gate), *ok(data))])
    files = "--in-flight-files", 2
    running = command.start(*syncing(scripted.url("/PULP_MANIFEST"), "--in-flight", "none", *files))
    await running.until(lambda: len(scripted.requests) == 3)
    await deferLater(reactor, 0.3)
    assert 3 == len(scripted.requests)
    gate.callback(None)
    assert (0, 6) == (await running.ended(), len(scripted.requests))


@ensureDeferred
async def test_progress(command: Command, upstream: Nginx) -> None:
    """How far each part came, and what came of all, is in the catalog."""
    await command.json(*syncing(manifest_of(upstream)))
    with closing(connect(command.data / "catalog.sqlite")) as database:
        (run,) = database.execute("SELECT kind, state FROM run").fetchall()
        parts = dict(database.execute("SELECT code, done FROM progress").fetchall())
    assert ("sync", "completed") == run
    assert {
        "sync.downloading.metadata": 1,
        "sync.parsing.metadata": 5,
        "sync.downloading.artifacts": 5,
        "associating.content": 5,
    } == parts


# What fails


@ensureDeferred
async def test_failure(command: Command, pool: Pool, upstream: Nginx) -> None:
    """A file that cannot be had fails the sync, which says so; the next one downloads only what is not stored."""
    (pool.root / "3.bin").unlink()
    said = await command.json(*syncing(manifest_of(upstream)), status=1)
    assert (KEYS, None, 1) == (said.keys() & KEYS, said["version"], len(said["failed"]))
    assert "404" in said["failed"][0]["error"]
    (pool.root / "3.bin").write_bytes(pool.files["3.bin"])
    said = await command.json(*syncing(manifest_of(upstream)))
    assert (1, 5, True) == (said["version"], said["present"], said["downloaded"] <= 5)


@ensureDeferred
async def test_keep_going(command: Command, pool: Pool, upstream: Nginx) -> None:
    """Who keeps going gets a version of the rest, the names of what failed, and status 1."""
    (pool.root / "3.bin").unlink()
    (pool.root / "4.bin").write_bytes(b"not what the manifest says")
    said = await command.json(*syncing(manifest_of(upstream), "--keep-going"), status=1)
    assert (1, 3, ["3.bin", "4.bin"]) == (
        said["version"],
        said["present"],
        sorted(each["path"] for each in said["failed"]),
    )
    done = await command.run(*syncing(manifest_of(upstream), "--keep-going", "--force"))
    assert (1, ["failed: 3.bin: ", "failed: 4.bin: "]) == (
        done.popen.returncode,
        sorted(line[:15] for line in done.err.splitlines()),
    )


@ensureDeferred
async def test_tolerance(command: Command, pool: Pool, upstream: Nginx) -> None:
    """More failures than are tolerated make no version, and each is told."""
    (pool.root / "3.bin").unlink()
    done = await command.run("--json", *syncing(manifest_of(upstream), "--keep-going", "--tolerance", 0))
    said = json.loads(done.out)
    assert (1, None, ["3.bin", None]) == (done.popen.returncode, said["version"], [f["path"] for f in said["failed"]])
    assert "3.bin: 404" in done.err
    assert "units failed, and 0 may; the first: 404" in done.err
    said = await command.json(*syncing(manifest_of(upstream), "--keep-going", "--tolerance", 1), status=1)
    assert (1, 4) == (said["version"], said["present"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sync", "nonsense", "http://127.0.0.1:1/", "--repository", "one"), "nonsense"),
        (("sync", "file", "--repository", "one"), "URL"),
        (("sync", "file", "http://127.0.0.1:1/", "--repository", "one", "--database", "mysql://h/d"), "database"),
        (("sync", "file", "http://127.0.0.1:1/", "--repository", "one", "--in-flight", "0"), "no size"),
        (("sync", "file", "http://127.0.0.1:1/", "--repository", "one", "--in-flight-files", "1K"), "whole number"),
        (("sync", "file", "http://127.0.0.1:1/", "--repository", ""), "repository is ''"),
        (("sync", "file", "http://127.0.0.1:1/", "--repository", "a/b"), "letters"),
    ],
)
@ensureDeferred
async def test_senseless(command: Command, arguments: tuple[str, ...], words: str) -> None:
    """What makes no sense is said, and ends with status 2."""
    done = await command.run(*arguments)
    assert (2, True) == (done.popen.returncode, words in done.err)


@ensureDeferred
async def test_bad_manifest(command: Command, pool: Pool, upstream: Nginx) -> None:
    """A manifest that cannot be trusted fails the sync with the line's number."""
    (pool.root / "PULP_MANIFEST").write_text(f"../a,{'0' * 64},1\n")
    done = await command.run(*syncing(manifest_of(upstream)))
    assert (1, True) == (done.popen.returncode, "line 1" in done.err)


@ensureDeferred
async def test_secrets(command: Command, scripted: Scripted, tmp_path: Path) -> None:
    """A password in the URL is sent, remembered and never shown: not in output, and not in the catalog as it is."""
    scripted.on(b"/PULP_MANIFEST", [ok(b"")])
    url = f"http://me:hunter2@127.0.0.1:{scripted.port}/PULP_MANIFEST"
    done = await command.run(*syncing(url))
    assert 0 == done.popen.returncode, done.err
    shown = await command.run("remote", "show", "one")
    again = await command.run("--json", "sync", "file", "--repository", "one", "--force")
    assert {b"Basic bWU6aHVudGVyMg=="} == {each.header(b"Authorization") for each in scripted.requests}
    assert 2 == len(scripted.requests)
    said = "".join(each.out + each.err for each in (done, shown, again))
    kept = b"".join(path.read_bytes() for path in command.data.rglob("*") if path.is_file())
    assert (False, False) == ("hunter2" in said, b"hunter2" in kept)


# Several, and ends


@ensureDeferred
async def test_two_at_once(command: Command, scripted: Scripted) -> None:
    """A second process that writes waits, and says for whom, or fails at once; one that reads need not wait."""
    scripted.on(b"/stalled", [(Stall(),)])
    scripted.on(b"/PULP_MANIFEST", [ok(b"")])
    first = command.start(*syncing(scripted.url("/stalled")))
    await first.until(lambda: scripted.requests)
    told = await command.run(*syncing(scripted.url("/PULP_MANIFEST"), "--no-wait"))
    assert (1, f"failed: {command.data}: process {first.popen.pid} writes there\n") == (
        told.popen.returncode,
        told.err,
    )
    second = command.start("sync", "file", scripted.url("/PULP_MANIFEST"), "--repository", "two")
    await second.until(lambda: f"waiting for process {first.popen.pid}" in second.err)
    reader = await command.run("repository", "list")
    assert (0, None) == (reader.popen.returncode, first.popen.poll())
    first.send(signal.SIGINT)
    assert (130, 0) == (await first.ended(), await second.ended())


@pytest.mark.leaves_partials
@ensureDeferred
async def test_interrupted(command: Command, scripted: Scripted, pool: Pool) -> None:
    """Ctrl-C ends a sync soon, with status 130; the same command goes on from there."""
    scripted.on(b"/PULP_MANIFEST", [ok(pool.manifest())])
    for name, data in pool.files.items():
        scripted.on(b"/" + name.encode(), [ok(data)])
    scripted.on(b"/4.bin", [(Stall(),), ok(pool.files["4.bin"])])
    running = command.start(*syncing(scripted.url("/PULP_MANIFEST")))
    await running.until(lambda: len(scripted.requests) == 6)
    running.send(signal.SIGINT)
    assert (130, True) == (await running.ended(), "interrupted; the same command goes on from here" in running.err)
    said = await command.json(*syncing(scripted.url("/PULP_MANIFEST")))
    assert (1, 5) == (said["version"], said["present"])


@ensureDeferred
async def test_interrupted_document(command: Command, scripted: Scripted) -> None:
    """A program that reads documents gets one in any case."""
    scripted.on(b"/PULP_MANIFEST", [(Stall(),)])
    running = command.start("--json", *syncing(scripted.url("/PULP_MANIFEST")))
    await running.until(lambda: scripted.requests)
    running.send(signal.SIGTERM)
    assert (143, {"error": "interrupted"}) == (await running.ended(), json.loads(running.out))


@pytest.mark.leaves_partials
@ensureDeferred
async def test_killed(command: Command, scripted: Scripted, pool: Pool) -> None:
    """After kill -9 there is no version, no temporary file, and the next sync completes."""
    scripted.on(b"/PULP_MANIFEST", [ok(pool.manifest())])
    for name, data in pool.files.items():
        scripted.on(b"/" + name.encode(), [ok(data)])
    scripted.on(b"/4.bin", [(Stall(),), ok(pool.files["4.bin"])])
    running = command.start(*syncing(scripted.url("/PULP_MANIFEST")))
    await running.until(lambda: len(scripted.requests) == 6)
    running.send(signal.SIGKILL)
    await running.ended()
    assert [] == await command.json("repository", "versions", "one")
    said = await command.json(*syncing(scripted.url("/PULP_MANIFEST")))
    assert (1, 5, []) == (said["version"], said["present"], list((command.data / "storage" / "tmp").iterdir()))


# How it looks, and what it costs


@ensureDeferred
async def test_bars(reactor: IReactor, command: Command, scripted: Scripted, pool: Pool, screen: Screen) -> None:
    """On a terminal there is a bar for each part while it goes on, and at the end one line."""
    scripted.on(b"/PULP_MANIFEST", [ok(pool.manifest())])
    scripted.default = lambda request: (
        Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        SendSlowly(pool.files[request.path[1:].decode()], 100, 0.1),
    )
    running = command.start(*syncing(scripted.url("/PULP_MANIFEST")), **screen.streams())
    while running.popen.poll() is None:
        screen.read()  # else it would wait for somebody who does
        await deferLater(reactor, 0.01)
    assert (0, True) == (running.popen.returncode, "Downloading Artifacts ━" in screen.text())
    assert screen.text().rstrip().splitlines()[-1].startswith("one: version 1: 5 added")


@ensureDeferred
async def test_imports(command: Command, upstream: Nginx) -> None:
    """What is not needed is not imported: no migrations, no bars, nothing that seals secrets, no other database."""
    await command.run(*syncing(manifest_of(upstream)))
    done = await command.run(*syncing(manifest_of(upstream)), options=("-X", "importtime"))
    assert 0 == done.popen.returncode
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    unwanted = {"alembic", "rich", "psycopg", "treq", "cryptography.fernet", "crochet", "twisted.web.server"}
    assert ({"sqlalchemy"}, set()) == ({"sqlalchemy"} & imported, unwanted & imported)


@ensureDeferred
async def test_postgresql(command: Command, upstream: Nginx, postgres: Postgres) -> None:
    """The catalog may be in a PostgreSQL."""
    name = postgres.create()
    try:
        database = postgres.url(name)
        said = await command.json("--database", database, *syncing(manifest_of(upstream)))
        assert (1, 5) == (said["version"], said["present"])
        said = await command.json("--database", database, "verify")
        assert (5, 0, False) == (said["checked"], said["damaged"], (command.data / "catalog.sqlite").exists())
    finally:
        postgres.drop(name)


@ensureDeferred
async def test_upstream_down(command: Command, scripted: Scripted) -> None:
    """An upstream that refuses is a failure with its reason."""
    scripted.on(b"/PULP_MANIFEST", [status(403)])
    done = await command.run(*syncing(scripted.url("/PULP_MANIFEST")))
    assert (1, True) == (done.popen.returncode, "403" in done.err)
