"""Row 61 for the daemon: directories that go away, may not be used, or become read-only while it downloads."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.daemon import Daemon
from tests.integration.faults.ledger import finals, temporaries
from tests.integration.faults.rights import ORDINARY, OWN_MOUNTS, mounts, ordinary, read_only, writable
from tests.integration.process import Start
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ranged, status

BODY = bytes(range(256)) * 200
DIGEST = hashlib.sha256(BODY).hexdigest()
_FILES = 12
Disturbed = Callable[[Daemon, Path], Iterator[None]]


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet, which may ask this machine."""
    (tmp_path / "settings.toml").write_text('[ssrf]\nallow = ["127.0.0.1"]\n[limits]\nreserve = 0\ndownloads = 4\n')
    return Daemon(start_command, reactor, tmp_path / "data")


def gone(daemon: Daemon, directory: Path) -> Iterator[None]:
    """Have no such directory for a while."""
    away = directory.with_name("away")
    directory.rename(away)
    yield
    away.rename(directory)


def forbidden(daemon: Daemon, directory: Path) -> Iterator[None]:
    """Let nobody use it for a while."""
    mode = directory.stat().st_mode
    directory.chmod(0)
    try:
        yield
    finally:
        directory.chmod(mode)


def unwritable(daemon: Daemon, directory: Path) -> Iterator[None]:
    """Let nothing in it change for a while."""
    read_only(daemon.process.popen.pid, directory)
    yield
    writable(daemon.process.popen.pid, directory)


async def handed_in(daemon: Daemon, port: int, scripted: Scripted, name: str) -> str:
    """Hand in some downloads, and return the job's path."""
    items = [
        {"url": scripted.url(f"/{name}{number}"), "path": f"{name}/{number}", "digests": {"sha256": DIGEST}}
        for number in range(_FILES)
    ]
    reply = await daemon.post(port, "/api/v1/downloads", {"items": items})
    assert 202 == reply.status, reply.body
    return reply.headers["location"]


async def degraded(daemon: Daemon, port: int, directory: Path, reason: str) -> None:
    """Look that the daemon lives, takes requests, and says what it cannot use, and why."""
    await daemon.process.until(lambda: "directory cannot be used" in daemon.process.out)
    status = await daemon.document(port, "/api/v1/status")
    assert ("degraded", f"{directory}: {reason}") == (status["state"], status["degraded"]["directory"])
    # Where there is no directory nobody knows how much room there is.
    assert {"directory", "storage"} >= status["degraded"].keys()
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status


async def well(daemon: Daemon, port: int) -> None:
    """Look that it is well again by itself, and that nothing but one line was said of it."""
    await daemon.process.until(lambda: "directory can be used again" in daemon.process.out)
    while (status := await daemon.document(port, "/api/v1/status"))["degraded"]:
        assert {"storage"} == status["degraded"].keys()
    assert "ready" == status["state"]
    assert 1 == daemon.process.out.count("cannot be used")


async def stopped(daemon: Daemon) -> None:
    """End it; every file that shows is whole, nothing else is left, and no error had no name."""
    assert 0 == await daemon.end(signal.SIGTERM)
    downloads = daemon.data / "downloads"
    assert {DIGEST} == {hashlib.sha256(path.read_bytes()).hexdigest() for path in finals(downloads)}
    assert [] == list(temporaries(downloads))
    assert "Traceback" not in daemon.process.out + daemon.process.err


@pytest.mark.parametrize(
    ("before", "disturbed", "reason"),
    [
        pytest.param(ORDINARY, forbidden, "Permission denied", id="chmod", marks=ordinary),
        pytest.param(OWN_MOUNTS, unwritable, "Read-only file system", id="read-only", marks=mounts),
    ],
)
@ensureDeferred
async def test_row_61_downloads(
    daemon: Daemon, scripted: Scripted, tmp_path: Path, before: tuple[str, ...], disturbed: Disturbed, reason: str
) -> None:
    """Row 61: downloads whose directory cannot be used any more fail for that reason, and can be tried again."""
    scripted.default = ranged(BODY, delay=0.1)
    port = await daemon.start("--config", tmp_path / "settings.toml", "--quiet", before=before)
    downloads = daemon.data / "downloads"
    job = await handed_in(daemon, port, scripted, "first")
    await daemon.process.until(lambda: scripted.requests)
    with contextmanager(disturbed)(daemon, downloads):
        late = await handed_in(daemon, port, scripted, "late")
        await daemon.until(port, late, "failed", 20)
        # What was begun has its directory open, and may go on there.
        await daemon.until(port, job, "", 20)
        await degraded(daemon, port, downloads, reason)
        failed = []
        for each in (job, late):
            assert reason in ((await daemon.document(port, each))["error"] or reason)
            items = (await daemon.document(port, f"{each}/items"))["items"]
            failed += [item["error"] for item in items if item["state"] == "failed"]
        assert [] == [error for error in failed if reason not in error]
        assert [] != failed
    await well(daemon, port)
    for each in (job, late):
        await daemon.post(port, f"{each}/retry", {})
        await daemon.until(port, each, "completed", 20)
    assert 2 * _FILES == len(list(finals(downloads)))
    await stopped(daemon)


@ensureDeferred
async def test_row_61_downloads_gone(daemon: Daemon, scripted: Scripted, tmp_path: Path) -> None:
    """Row 61: downloads whose directory is taken away go on in it, or fail; whatever comes next makes a new one."""
    scripted.default = ranged(BODY, delay=0.1)
    port = await daemon.start("--config", tmp_path / "settings.toml", "--quiet")
    job = await handed_in(daemon, port, scripted, "first")
    await daemon.process.until(lambda: scripted.requests)
    (daemon.data / "downloads").rename(daemon.data / "away")
    await daemon.until(port, job, "", 20)
    for item in (await daemon.document(port, f"{job}/items"))["items"]:
        assert "No such file or directory" in (item["error"] or "No such file or directory")
    late = await handed_in(daemon, port, scripted, "late")
    await daemon.until(port, late, "completed", 20)
    assert {BODY} == {(daemon.data / "downloads" / "late" / str(number)).read_bytes() for number in range(_FILES)}
    assert "ready" == (await daemon.document(port, "/api/v1/status"))["state"]
    await stopped(daemon)


@pytest.mark.parametrize(
    ("before", "disturbed", "reason"),
    [
        pytest.param((), gone, "No such file or directory", id="gone"),
        pytest.param(ORDINARY, forbidden, "Permission denied", id="chmod", marks=ordinary),
        pytest.param(OWN_MOUNTS, unwritable, "Read-only file system", id="read-only", marks=mounts),
    ],
)
@ensureDeferred
async def test_row_61_storage(
    daemon: Daemon, scripted: Scripted, tmp_path: Path, before: tuple[str, ...], disturbed: Disturbed, reason: str
) -> None:
    """Row 61: a sync whose storage cannot be used any more fails for that reason; the next one completes."""
    files = {f"unit-{number}": BODY + bytes([number]) for number in range(_FILES)}
    lines = [f"{name},{hashlib.sha256(body).hexdigest()},{len(body)}\n" for name, body in files.items()]
    scripted.on(b"/pool/PULP_MANIFEST", [ranged("".join(lines).encode())])
    scripted.on(b"/missing", [status(404)])
    for name, body in files.items():
        scripted.on(f"/pool/{name}".encode(), [ranged(body, delay=0.1)])
    settings = tmp_path / "settings.toml"
    settings.write_text(f'{settings.read_text()}[remotes.pool]\nurl = "{scripted.url("/pool/PULP_MANIFEST")}"\n')
    port = await daemon.start("--config", settings, "--quiet", before=before)
    assert 201 == (await daemon.post(port, "/api/v1/repositories", {"name": "pool", "remote": "pool"})).status
    storage = daemon.data / "storage"

    async def begun() -> str:
        reply = await daemon.post(port, "/api/v1/syncs", {"repository": "pool"})
        assert 202 == reply.status, reply.body
        return reply.headers["location"]

    job = await begun()
    await daemon.process.until(lambda: len(scripted.requests) > 2)
    with contextmanager(disturbed)(daemon, storage):
        await daemon.until(port, job, "", 20)  # it has directories open, and may go on in them
        missing = {"items": [{"url": scripted.url("/missing"), "path": "missing"}]}
        # A failure makes it look; unless it has seen already that it knows of no room.
        assert (await daemon.post(port, "/api/v1/downloads", missing)).status in (202, 507)
        assert reason in ((await daemon.document(port, job))["error"] or reason)
        await degraded(daemon, port, storage, reason)
    await well(daemon, port)
    job = await begun()
    await daemon.until(port, job, "completed", 20)
    found = (await daemon.document(port, "/api/v1/repositories/pool/versions/1/content"))["items"]
    assert _FILES == len(found)
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "Traceback" not in daemon.process.out + daemon.process.err
