"""How `pulpdownloader` ends: signals, and places that take no output."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.forked import PULPDOWNLOADER, environment
from tests.integration.process import STUCK, Get, Start
from tests.servers.scripted import Request, Scripted, Send, Stall, Steps, ok, ranged, status

BODY = bytes(range(256)) * 8192  # 2 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2
#: What is destroyed after the interpreter has given the signals back takes longer than the end may take before.
LATE = """
import sys, time
class Late:
    def __del__(self, sleep=time.sleep):
        sleep(1.5)
sys.late = Late()
"""
_SOON = 10.0  # seconds of a busy machine; what must not be waited for lasts a minute

BROKEN = """
from twisted_pulp.lists import Inputs

def read(self, downloader):
    raise RuntimeError("a defect")

Inputs.read = read
"""
# A program whose downloads never end, whatever they are told.
DEAF = """
import time
from twisted_pulp.cli._signals import Signals

class Reactor:
    def callFromThread(self, call, *arguments):
        call(*arguments)

signals = Signals(Reactor(), lambda number: print("heard", number, flush=True), lambda: print("at once", flush=True))
signals.install()
print("ready", flush=True)
while True:
    time.sleep(60)
"""


def half(request: Request) -> Steps:
    """Send half of the file, and then nothing."""
    head = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n' % len(BODY)
    return (Send(head + BODY[:HALF]), Stall())


# Signals


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("options", [("--digest", f"sha256:{DIGEST}"), ()])
@pytest.mark.leaves_partials  # beside a file without a digest its journal stays
@ensureDeferred
async def test_interrupted(
    start_command: Start,
    get: Get,
    scripted: Scripted,
    tmp_path: Path,
    number: int,
    exit_status: int,
    options: tuple[str, ...],
) -> None:
    """A signal ends everything soon and says how to go on; then only the rest is asked for."""
    scripted.on(b"/a", [half, ranged(BODY)])
    command = start_command("get", scripted.url("/a"), *options)
    # What was sent may still be on its way; a quarter of the file is on the disk.
    await command.until(lambda: any(each.stat().st_size >= HALF // 2 for each in tmp_path.glob(".a.pulp-part")))
    began = time.monotonic()
    command.send(number)
    assert (exit_status, True) == (await command.ended(), time.monotonic() - began < _SOON)
    assert ("interrupted: ", True) == (command.err[:13], "the same command goes on from here" in command.err)
    assert (1, False) == (command.err.count("\n"), (tmp_path / "a").exists())
    done = await get(scripted.url("/a"), *options)
    assert (0, BODY) == (done.popen.returncode, (tmp_path / "a").read_bytes())
    start = int((scripted.requests[1].header(b"Range") or b"bytes=0-").removeprefix(b"bytes=").removesuffix(b"-"))
    assert HALF // 2 <= start <= HALF


@pytest.mark.leaves_partials
@ensureDeferred
async def test_interrupted_report(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """The report of a run that was interrupted has the files that were done, in whole lines."""
    scripted.on(b"/a", [ok(b"")])
    scripted.on(b"/b", [half])
    command = start_command("get", scripted.url("/a"), scripted.url("/b"), "--report", "report")
    report = tmp_path / "report"
    await command.until(lambda: report.exists() and report.read_text() and len(scripted.requests) == 2)
    command.send(signal.SIGINT)
    assert 130 == await command.ended()
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(scripted.url("/a"), None)] == [(line["url"], line["error"]) for line in lines]


@ensureDeferred
async def test_interrupted_list(start_command: Start, scripted: Scripted) -> None:
    """Ctrl-C ends the wait for a list, too: for one that is fetched, and for a pipe."""
    scripted.on(b"/list", [(Stall(),)])
    command = start_command("get", "-i", scripted.url("/list"))
    await command.until(lambda: scripted.requests)
    command.send(signal.SIGINT)
    assert 130 == await command.ended()
    scripted.on(b"/a", [ok(b"")])
    command = start_command("get", scripted.url("/a"), "-i", "-", stdin=subprocess.PIPE)
    await command.until(lambda: "fetched" in command.out)
    command.send(signal.SIGINT)
    assert 130 == await command.ended()


@ensureDeferred
async def test_interrupted_wait(start_command: Start, scripted: Scripted) -> None:
    """Ctrl-C ends the wait before another try."""
    scripted.on(b"/a", [status(503, [(b"Retry-After", b"60")])])
    command = start_command("get", scripted.url("/a"))
    await command.until(lambda: scripted.requests)
    command.send(signal.SIGINT)
    assert 130 == await command.ended()


@ensureDeferred
async def test_interrupted_late(start_command: Start, scripted: Scripted) -> None:
    """The status says which signal it was, however long the interpreter takes for its own end."""
    scripted.on(b"/a", [status(503, [(b"Retry-After", b"60")])])
    command = start_command("get", scripted.url("/a"), program=LATE + PULPDOWNLOADER)
    await command.until(lambda: scripted.requests)
    command.send(signal.SIGINT)
    assert 130 == await command.ended()


@pytest.mark.parametrize("stuck", STUCK)
@pytest.mark.leaves_partials
@ensureDeferred
async def test_stuck(start_command: Start, scripted: Scripted, stuck: str) -> None:
    """When the end takes too long, Ctrl-C does not wait for it."""
    scripted.on(b"/a", [half])
    program = STUCK[stuck] + PULPDOWNLOADER
    command = start_command("get", scripted.url("/b"), scripted.url("/a"), program=program)
    await command.until(lambda: len(scripted.requests) >= 2)
    began = time.monotonic()
    command.send(signal.SIGINT)
    assert (130, True) == (await command.ended(), time.monotonic() - began < _SOON)
    assert "interrupted: " in command.err


@ensureDeferred
async def test_second_signal(start_command: Start) -> None:
    """A second signal ends the process at once, whatever it is doing."""
    command = start_command(program=DEAF)
    await command.until(lambda: command.lines == ["ready"])
    command.send(signal.SIGINT)
    await command.until(lambda: command.lines == ["ready", "heard 2"])
    command.send(signal.SIGTERM)
    assert (143, "at once") == (await command.ended(), command.lines[-1])


@ensureDeferred
async def test_defect(start_command: Start) -> None:
    """A defect ends the command with its traceback and status 1; it does not hang."""
    program = BROKEN + PULPDOWNLOADER
    command = start_command("get", "http://127.0.0.1:1/a", program=program)
    assert 1 == await command.ended()
    assert (True, True, True) == tuple(
        words in command.err for words in ("the downloads ended with an error", "Traceback", "RuntimeError: a defect")
    )


# Places that take no output


@ensureDeferred
async def test_reader_gone(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """When nobody reads standard output any more, the files are fetched all the same."""
    scripted.default = lambda request: ok(b"x")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = await get(*(scripted.url(f"/{n}") for n in range(20)), "-d", "out", stdout=out)
    assert (0, "", 20) == (done.popen.returncode, done.err, len(os.listdir(tmp_path / "out")))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@ensureDeferred
async def test_full(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A disk that is full for output is nothing to the downloads."""
    scripted.on(b"/a", [ok(b"x")])
    with open("/dev/full", "wb") as full:
        done = await get(scripted.url("/a"), stdout=full)
        assert (0, "", "x") == (done.popen.returncode, done.err, (tmp_path / "a").read_text())
        done = await get(scripted.url("/a"), scripted.url("/b"), "-d", "out", stdout=full, stderr=full)
        assert (1, ["a"]) == (done.popen.returncode, os.listdir(tmp_path / "out"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@ensureDeferred
async def test_report_full(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A report that cannot be written is a failure in the end; the files are there."""
    scripted.on(b"/a", [ok(b"x")])
    done = await get(scripted.url("/a"), "--report", "/dev/full")
    assert (1, "x") == (done.popen.returncode, (tmp_path / "a").read_text())
    assert "failed: /dev/full: No space left on device" == done.err.splitlines()[0]


@ensureDeferred
async def test_closed(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """With its standard streams closed from the start, no file gets what was meant for them."""
    scripted.default = lambda request: ok(BODY) if b"missing" not in request.path else status(404)
    program = (
        "import os, sys\nfor number in range(3): os.close(number)\n"
        "sys.stdin = sys.stdout = sys.stderr = None\n"
        "from twisted_pulp.cli import main\nsys.argv[0] = 'pulpdownloader'\nsys.exit(main())"
    )
    urls = [scripted.url(path) for path in ("/a", "/missing", "/b")]
    command = start_command("get", *urls, "-d", "out", program=program)
    assert 1 == await command.ended()
    assert [BODY, BODY] == [(tmp_path / "out" / name).read_bytes() for name in "ab"]


@ensureDeferred
async def test_help_unread(start_command: Start) -> None:
    """Help that nobody reads to its end makes no fuss."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        command = start_command("get", "--help", stdout=out)
    await command.ended()
    assert "" == command.err


# Start


HELP = [["--help"], ["get", "--help"], ["sync", "--help"], ["repository", "--help"], ["remote", "create", "--help"]]


@pytest.mark.parametrize("arguments", [*HELP, ["verify", "--help"], ["export", "-h"], ["cleanup", "-h"], ["--version"]])
@ensureDeferred
async def test_help_imports(start_command: Start, arguments: list[str]) -> None:
    """Help needs nothing of Twisted, nor of what else takes long to import."""
    command = start_command(*arguments, options=("-X", "importtime"))
    assert 0 == await command.ended()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in command.err.splitlines()}
    slow = {"twisted", "attr", "attrs", "rich", "msgspec", "zope", "OpenSSL", "sqlalchemy", "alembic"}
    assert {"click"} == imported & {"click", *slow}


def test_help_fast() -> None:
    """Help is there in under 150 ms, where Python and click take 60: it waits for nothing, so the processor is all."""
    # Measuring coverage takes time of its own.
    environ = {name: value for name, value in environment().items() if not name.startswith("COV")}

    def seconds(program: str, *arguments: str) -> float:
        command = [sys.executable, "-c", program, *arguments]
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        _, exit_status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(exit_status)
        assert 0 == process.returncode
        return used.ru_utime + used.ru_stime

    yard = min(seconds("import click") for _ in range(5))
    for arguments in HELP:
        assert min(seconds(PULPDOWNLOADER, *arguments) for _ in range(5)) < max(0.15, 2.5 * yard)
