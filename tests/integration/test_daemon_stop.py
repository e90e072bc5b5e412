"""The end of a daemon under load: SIGTERM in two phases, restarts under clients, and what is left for the next one."""

from __future__ import annotations

import hashlib
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.lag import Lag
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Send, Stall, Steps, ok, ranged

BODY = bytes(range(256)) * 256
DIGEST = hashlib.sha256(BODY).hexdigest()
FILES = 100


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet."""
    return Daemon(start_command, reactor, tmp_path / "data")


def settings(tmp_path: Path, grace: float) -> Path:
    """Write settings with which this machine may be asked, by many downloads at once."""
    path = tmp_path / "settings.toml"
    limits = f"connections = 120\nper_host = 120\ndownloads = {FILES}\ngrace = {grace}\nreserve = 0\n"
    path.write_text(f'[ssrf]\nallow = ["127.0.0.1"]\n[limits]\n{limits}')
    return path


def half(request: Request) -> Steps:
    """Send half of the file, and then nothing."""
    head = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(BODY)
    return (Send(head + BODY[: len(BODY) // 2]), Stall())


async def submitted(daemon: Daemon, port: int, scripted: Scripted, count: int = FILES) -> str:
    """Hand in a job, wait until all of its downloads have begun, and return its path."""
    items = [{"url": scripted.url(f"/{n}"), "path": f"d/{n}", "digests": {"sha256": DIGEST}} for n in range(count)]
    reply = await daemon.post(port, "/api/v1/downloads", {"items": items})
    assert 202 == reply.status, reply.body
    # What a busy machine has not brought to the server waits for a connection.
    await daemon.process.until(lambda: len(scripted.requests) >= max(1, count * 9 // 10), 60)
    return reply.headers["location"]


def refused(port: int) -> bool:
    """Return whether nobody listens at *port*."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.leaves_partials
@pytest.mark.limit(180)
@ensureDeferred
async def test_row_62_drain(
    daemon: Daemon, scripted: Scripted, tmp_path: Path, reactor: IReactor, request: pytest.FixtureRequest, lag: Lag
) -> None:
    """Row 62: with 100 active it is at once not ready, takes no work, and ends in its grace with 0; none is lost."""
    campaign = request.config.getoption("--campaign")
    for number in range(FILES):
        scripted.on(b"/%d" % number, [half, ranged(BODY)])
    began = reactor.seconds()
    port = await daemon.start("--config", settings(tmp_path, 4), "-q")
    start = reactor.seconds() - began
    path = await submitted(daemon, port, scripted)
    assert "running" == (await daemon.document(port, path))["state"]
    before = [await daemon.answered(port) for _ in range(10)]
    daemon.process.send(signal.SIGTERM)
    began, late, asked = reactor.seconds(), lag.seconds, 0
    while (await daemon.get(port, "/api/v1/ready")).status != 503:
        asked += 1
    unready, late = reactor.seconds() - began, lag.seconds - late
    request.node.add_report_section("call", "figures", f"503 after {unready * 1000:.1f} ms and {asked} times 200")
    # A campaign is alone; else nobody knows when the others on the machine let it hear of the signal.
    assert unready <= 0.1 + (0 if campaign else 4 * max(before) + late)
    reply = await daemon.post(port, "/api/v1/downloads", {"items": [{"url": scripted.url("/x")}]})
    assert 503 == reply.status
    assert b"urn:pulpdownloader:stopping" in reply.body
    assert 503 == (await daemon.get(port, "/api/v1/ready")).status
    assert 0 == await daemon.process.ended(60)
    seconds = reactor.seconds() - began
    request.node.add_report_section("call", "figures", f"ended after {seconds:.2f} s, of which 4 s were its grace")
    # To end takes less than to start, however slow the machine is.
    assert 4 <= seconds <= 4 + 1 + (0 if campaign else 2 * start + lag.seconds)
    assert [] == [path.name for path in (daemon.data / "downloads").rglob("*") if path.name.isdecimal()]
    port = await daemon.start("--config", settings(tmp_path, 4), "-q")
    await daemon.until(port, path, "completed", 60)
    assert FILES == (await daemon.document(port, path))["done"]
    assert {BODY} == {(daemon.data / "downloads" / "d" / str(number)).read_bytes() for number in range(FILES)}
    assert 0 == await daemon.end(signal.SIGTERM)


@pytest.mark.leaves_partials
@pytest.mark.limit(120)
@ensureDeferred
async def test_row_62_second(daemon: Daemon, scripted: Scripted, tmp_path: Path) -> None:
    """Row 62: a second SIGTERM waits for nothing, though the grace is an hour."""
    scripted.default = half
    port = await daemon.start("--config", settings(tmp_path, 3600), "-q")
    await submitted(daemon, port, scripted, 3)
    daemon.process.send(signal.SIGTERM)
    await daemon.process.until(lambda: "stopping: 1 job and 0 requests may end within 3600 s" in daemon.process.out)
    daemon.process.send(signal.SIGTERM)
    # It ends itself after 0.95 s at the latest, which is heard of when the machine finds the time.
    assert await daemon.process.ended(30) in (0, 128 + signal.SIGTERM)


@pytest.mark.limit(120)
@ensureDeferred
async def test_row_62_answers(daemon: Daemon, scripted: Scripted, tmp_path: Path) -> None:
    """What is being sent to a client is sent to its end, although the daemon was told to stop."""
    body = b"x" * (8 << 20)
    scripted.on(b"/big.iso", [ok(body)])
    (tmp_path / "settings.toml").write_text(f'[remotes.up]\nurl = "{scripted.url("/")}"\n')
    port = await daemon.start("--config", tmp_path / "settings.toml")
    wanted = {"name": "d", "base_path": "d", "remote": "up", "settings": {"immutable": ["*.iso"]}}
    assert 201 == (await daemon.post(port, "/api/v1/distributions", wanted)).status
    client = await daemon.client(port)
    client.get("/content/d/big.iso")
    await client.heard(1000)
    client.pause()
    daemon.process.send(signal.SIGTERM)
    await daemon.process.until(lambda: "stopping: 0 jobs and 1 request" in daemon.process.out)
    client.resume()
    answer = await client.heard_all()
    assert answer.endswith(body)
    assert 0 == await daemon.process.ended(60)


@pytest.mark.limit(240)
@ensureDeferred
async def test_row_78_restarts(
    daemon: Daemon,
    scripted: Scripted,
    tmp_path: Path,
    reactor: IReactor,
    campaign_count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
) -> None:
    """Row 78: restarted again and again at one port, clients fail once for each restart at most, and get the file."""
    body = b"x" * (2 << 20)
    scripted.default = lambda request: ok(body)
    (tmp_path / "settings.toml").write_text(f'[remotes.up]\nurl = "{scripted.url("/")}"\n')
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    listen = (f"tcp:{port}:interface=127.0.0.1",)
    await daemon.start("--config", tmp_path / "settings.toml", "-q", listen=listen)
    wanted = {"name": "d", "base_path": "d", "remote": "up", "settings": {"immutable": ["*.iso"]}}
    assert 201 == (await daemon.post(port, "/api/v1/distributions", wanted)).status
    failures, got, over = 0, 0, False

    def fetch(name: str) -> bool:
        """Ask as a client that waits for whoever listens, and then tries once."""
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as one:
                one.sendall(b"GET /content/d/%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % name.encode())
                one.settimeout(60)
                parts = []
                while part := one.recv(1 << 16):
                    parts.append(part)
            return b"".join(parts).endswith(body)
        except OSError:
            return False

    async def client(number: int) -> None:
        nonlocal failures, got
        asked = 0
        while not over:
            asked += 1
            while refused(port) and not over:
                await deferLater(reactor, 0.02)
            if await deferToThreadPool(reactor, reactor.getThreadPool(), fetch, f"{number}-{asked % 3}.iso"):
                got += 1
            elif not over:
                failures += 1

    from twisted.internet.defer import Deferred

    clients = [Deferred.fromCoroutine(client(number)) for number in range(2)]
    restarts = campaign_count(2, 20)
    for _ in range(restarts):
        before = got
        while got < before + 2:
            await deferLater(reactor, 0.02)
        assert 0 == await daemon.end(signal.SIGTERM)
        await daemon.start("--config", tmp_path / "settings.toml", "-q", listen=listen)
    over = True
    for each in clients:
        await each
    request.node.add_report_section("call", "figures", f"{restarts} restarts, {got} files, {failures} failures")
    assert failures <= restarts * len(clients)
    assert 0 == await daemon.end(signal.SIGTERM)
