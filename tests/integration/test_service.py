"""`twistd pulpdownloader`, and the service in it."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python import usage
from zope.interface.verify import verifyObject

from tests.integration.process import TWISTD, Process, Start
from tests.servers.scripted import Request, Scripted, Send, Stall, Steps, ok, ranged
from twisted_pulp.service import DownloaderService, Options

BODY = bytes(range(256)) * 8192  # 2 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()
_SOON = 10.0  # seconds of a busy machine; what must not be waited for lasts a minute


def listed(tmp_path: Path, *urls: str, digest: str = DIGEST, size: int = len(BODY)) -> str:
    """Write a list of *urls*, and return its path."""
    path = tmp_path / "list"
    lines = [json.dumps({"url": url, "size": size, "digests": {"sha256": digest}}) for url in urls]
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def half(request: Request) -> Steps:
    """Send half of the file, and then nothing."""
    head = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(BODY)
    return (Send(head + BODY[: len(BODY) // 2]), Stall())


class Finished:
    """Waits for a service to be done."""

    def __init__(self) -> None:
        self.fired: Deferred[bool] = Deferred()

    def __call__(self, failed: bool) -> None:
        self.fired.callback(failed)


@pytest.fixture
def events() -> Any:
    """What is logged."""
    found: list[LogEvent] = []
    observer: Any = found.append
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


# Options


def test_options() -> None:
    """A list is all that must be said."""
    options = Options()
    options.parseOptions(["--input", "list"])
    assert ("list", ".", 8, None) == tuple(options[name] for name in ("input", "directory", "jobs", "report"))


@pytest.mark.parametrize("arguments", [["-i", "-"], ["-i", "a", "-j", "0"], ["-i", "a", "-j", "x"], ["-i", "a", "b"]])
def test_usage(arguments: list[str]) -> None:
    """What makes no sense is refused before anything starts."""
    with pytest.raises(usage.UsageError):
        Options().parseOptions(arguments)


# The service


@ensureDeferred
async def test_service(reactor: Any, scripted: Scripted, tmp_path: Path, events: list[LogEvent]) -> None:
    """The service downloads its list when it is started, logs its totals with fields, and says that it is done."""
    scripted.on(b"/a", [ok(BODY)])
    done = Finished()
    path = listed(tmp_path, scripted.url("/a"), scripted.url("/missing?key=secret"))
    report = tmp_path / "report"
    service = DownloaderService(
        reactor, list=path, directory=str(tmp_path / "out"), jobs=2, report=str(report), done=done
    )
    assert verifyObject(IService, service)
    service.startService()
    assert await done.fired is True
    assert (1, 1, BODY) == (service.totals.succeeded, service.totals.failed, (tmp_path / "out" / "a").read_bytes())
    assert 2 == len(report.read_text().splitlines())
    (totals,) = (event for event in events if "succeeded" in event)
    assert (1, 0, 1, len(BODY)) == tuple(totals[name] for name in ("succeeded", "present", "failed", "bytes"))
    (failure,) = (event for event in events if "reason" in event)
    assert (scripted.url("/missing?key=***"), "404 Not Found") == (failure["url"], failure["reason"])
    assert service.stopService() is None


@ensureDeferred
async def test_nothing_failed(reactor: Any, scripted: Scripted, tmp_path: Path) -> None:
    """A service that failed in nothing says so; started again, it finds everything present."""
    scripted.on(b"/a", [ok(BODY)])
    path = listed(tmp_path, scripted.url("/a"))
    for _ in range(2):
        done = Finished()
        service = DownloaderService(reactor, list=path, directory=str(tmp_path / "out"), done=done)
        service.startService()
        assert await done.fired is False
    assert (1, 1) == (service.totals.present, len(scripted.requests))


@ensureDeferred
async def test_stopped(reactor: Any, scripted: Scripted, tmp_path: Path, events: list[LogEvent]) -> None:
    """To stop the service ends what goes on, and waits until it has ended; nobody is told that it is done."""
    scripted.on(b"/a", [half])
    done = Finished()
    path = listed(tmp_path, scripted.url("/a"))
    service = DownloaderService(reactor, list=path, directory=str(tmp_path / "out"), done=done)
    service.startService()
    while not scripted.requests:
        await sleep(reactor)
    stopped = service.stopService()
    assert stopped is not None
    await stopped
    assert (False, 0) == (done.fired.called, service.totals.failed)
    assert ["stopped"] == [event["what"] for event in events if "succeeded" in event]
    for leftover in (tmp_path / "out").iterdir():
        leftover.unlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@ensureDeferred
async def test_bad_lines(
    reactor: Any, scripted: Scripted, tmp_path: Path, events: list[LogEvent], logged_errors: Any
) -> None:
    """A bad line fails alone, and so does a report that cannot be written."""
    scripted.on(b"/a", [ok(b"")])
    (tmp_path / "list").write_text("nonsense\n" + scripted.url("/a") + "\n")
    done = Finished()
    service = DownloaderService(
        reactor, list=str(tmp_path / "list"), directory=str(tmp_path / "out"), report="/dev/full", done=done
    )
    service.startService()
    assert (True, 1, 2) == (await done.fired, service.totals.succeeded, service.totals.failed)
    assert [f"{tmp_path}/list:1"] == [event["place"] for event in events if "place" in event]
    assert ["No space left on device"] == [event["reason"] for event in events if event.get("path") == "/dev/full"]
    logged_errors.flush()


@ensureDeferred
async def test_defect(reactor: Any, scripted: Scripted, tmp_path: Path, logged_errors: Any) -> None:
    """What nobody thought of is a failure with a traceback in the log."""
    done = Finished()
    remote: Any = "no Remote"
    path = listed(tmp_path, scripted.url("/a"))
    service = DownloaderService(reactor, list=path, directory=str(tmp_path / "out"), remote=remote, done=done)
    service.startService()
    assert await done.fired is True
    assert logged_errors.flush()


@pytest.mark.parametrize("missing", ["list", "report"])
@ensureDeferred
async def test_no_list(reactor: Any, tmp_path: Path, missing: str, scripted: Scripted, logged_errors: Any) -> None:
    """A list or report that cannot be opened is a failure, not an exception."""
    done = Finished()
    path = listed(tmp_path) if missing == "report" else str(tmp_path / "no list")
    report = str(tmp_path / "no" / "report") if missing == "report" else None
    service = DownloaderService(reactor, list=path, directory=str(tmp_path / "out"), report=report, done=done)
    service.startService()
    assert await done.fired is True
    logged_errors.flush()


def sleep(reactor: Any, seconds: float = 0.01) -> Deferred[None]:
    """Let the reactor turn."""
    d: Deferred[None] = Deferred()
    reactor.callLater(seconds, d.callback, None)
    return d


# twistd


def twistd(start_command: Start, tmp_path: Path, *arguments: str) -> Process:
    """Start `twistd -n pulpdownloader` with *arguments*."""
    return start_command("-n", f"--pidfile={tmp_path}/pid", "pulpdownloader", *arguments, program=TWISTD)


@ensureDeferred
async def test_twistd(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """`twistd -n pulpdownloader` downloads a list, logs what it did, and ends with status 0."""
    scripted.on(b"/a", [ok(BODY)])
    path = listed(tmp_path, scripted.url("/a"))
    daemon = twistd(start_command, tmp_path, "--input", path, "--directory", "out", "--report", "report", "--jobs", "3")
    assert 0 == await daemon.ended()
    assert BODY == (tmp_path / "out" / "a").read_bytes()
    assert "downloaded: 1 succeeded, 0 of them present, 0 failed, 2097152 bytes" in daemon.out
    assert json.loads((tmp_path / "report").read_text())["verified"]
    assert not (tmp_path / "pid").exists()


@ensureDeferred
async def test_twistd_fails(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """When a file is missing, twistd ends with status 1, after it has tidied up."""
    daemon = twistd(start_command, tmp_path, "-i", listed(tmp_path, scripted.url("/missing")), "-d", "out")
    assert (1, False) == (await daemon.ended(), (tmp_path / "pid").exists())
    assert (True, True) == ("/missing failed: 404 Not Found" in daemon.out, "Server Shut Down" in daemon.out)


@ensureDeferred
async def test_twistd_stopped(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """SIGTERM ends twistd soon, and the next one goes on where it was."""
    scripted.on(b"/a", [half, ranged(BODY)])
    path = listed(tmp_path, scripted.url("/a"))
    daemon = twistd(start_command, tmp_path, "-i", path, "-d", "out")
    await daemon.until(lambda: scripted.bytes_sent > len(BODY) // 2)
    began = time.monotonic()
    daemon.send(signal.SIGTERM)
    assert (-signal.SIGTERM, True) == (await daemon.ended(), time.monotonic() - began < _SOON)
    assert "stopped: 0 succeeded" in daemon.out
    again = twistd(start_command, tmp_path, "-i", path, "-d", "out")
    assert (0, BODY) == (await again.ended(), (tmp_path / "out" / "a").read_bytes())
    assert b"bytes=" == (scripted.requests[1].header(b"Range") or b"")[:6]


@ensureDeferred
async def test_twistd_clock(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """The daemon's timers run on the monotonic clock."""
    program = (
        "import sys, time\nfrom twisted.scripts.twistd import run\nfrom twisted.internet import reactor\n"
        "say = lambda: print('clock', reactor.seconds is time.monotonic)\n"
        "reactor.addSystemEventTrigger('after', 'shutdown', say)\n"
        "sys.argv[0] = 'twistd'\nrun()"
    )
    daemon = start_command("-n", "--pidfile=", "pulpdownloader", "-i", listed(tmp_path), program=program)
    assert (0, True) == (await daemon.ended(), "clock True" in daemon.out)
