"""`pulpdownloader get` on a terminal."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from pytest_twisted import ensureDeferred

from tests.forked import PULPDOWNLOADER
from tests.integration.process import STUCK, Start
from tests.integration.screen import Screen
from tests.servers.scripted import Scripted, Send, SendSlowly, Stall, Wait, ok, status

CURSOR_HIDDEN, CURSOR_SHOWN = "\x1b[?25l", "\x1b[?25h"


@ensureDeferred
async def test_moving(start_command: Start, scripted: Scripted, screen: Screen) -> None:
    """Files, bytes, speed and time left move while files come; at the end only the last line is left."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"
    scripted.on(b"/slow.iso", [(Send(head), SendSlowly(b"x" * 2_000_000, 20_000, 0.01))])
    scripted.on(b"/quick.iso", [ok(b"x")])
    command = start_command("get", scripted.url("/quick.iso"), scripted.url("/slow.iso"), **screen.streams())
    await command.until(lambda: "slow.iso" in screen.text())
    assert re.search(r"1/2 files +\S+ +[\d.]+ \w+ of 1\.9 MiB +[\d.]+ \w+/s", screen.text())
    assert CURSOR_HIDDEN in screen.read()
    assert 0 == await command.ended()
    assert re.search(r"2 files; 1\.9 MiB in [\d.]+ s \([\d.]+ \w+/s\)\r\n$", screen.text())
    assert screen.read().rindex(CURSOR_SHOWN) > screen.read().rindex(CURSOR_HIDDEN)


@ensureDeferred
async def test_failure(start_command: Start, scripted: Scripted, screen: Screen) -> None:
    """A failure stands above what moves, and stays."""
    scripted.on(b"/missing", [status(404)])
    scripted.on(b"/a", [(Wait(0.5), *ok(b"x"))])
    command = start_command("get", scripted.url("/missing"), scripted.url("/a"), **screen.streams())
    assert 1 == await command.ended()
    assert (f"failed: {scripted.url('/missing')}: 404 Not Found\r\n", True) == (
        screen.text()[screen.text().index("failed: ") :].partition("\n")[0] + "\n",
        "2 files, 1 failed; " in screen.text(),
    )


@ensureDeferred
async def test_redirected(start_command: Start, scripted: Scripted, screen: Screen) -> None:
    """When only errors go to the terminal, lines go to the file and nothing moves."""
    scripted.on(b"/a", [ok(b"x")])
    command = start_command("get", scripted.url("/a"), stdin=screen.slave, stderr=screen.slave)
    assert (0, "fetched  a  1 B", "") == (await command.ended(), command.lines[0], screen.read())


@ensureDeferred
async def test_quiet(start_command: Start, scripted: Scripted, screen: Screen) -> None:
    """Who wants quiet has it on a terminal, too."""
    scripted.on(b"/a", [ok(b"x")])
    command = start_command("get", "-q", scripted.url("/a"), **screen.streams())
    assert (0, "") == (await command.ended(), screen.read())


@ensureDeferred
async def test_interrupted(start_command: Start, scripted: Scripted, screen: Screen, tmp_path: Path) -> None:
    """Ctrl-C takes the picture away, says how to go on and leaves the cursor where it can be seen."""
    scripted.on(b"/a", [(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), Stall())])
    command = start_command("get", scripted.url("/a"), **screen.streams(), start_new_session=True)
    await command.until(lambda: "0/1 files" in screen.text())
    command.send(signal.SIGINT)
    assert 130 == await command.ended()
    assert screen.text().endswith("interrupted: 0 files done; the same command goes on from here\r\n")
    assert screen.read().rindex(CURSOR_SHOWN) > screen.read().rindex(CURSOR_HIDDEN)


@ensureDeferred
async def test_interrupted_twice(start_command: Start, scripted: Scripted, screen: Screen) -> None:
    """A second Ctrl-C does not wait for the end, but leaves a cursor that can be seen."""
    scripted.on(b"/a", [(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), Stall())])
    program = STUCK["closing"] + PULPDOWNLOADER
    command = start_command("get", scripted.url("/a"), program=program, **screen.streams())
    await command.until(lambda: "0/1 files" in screen.text())
    command.send(signal.SIGINT)
    command.send(signal.SIGTERM)
    assert await command.ended() in (130, 143)
    assert screen.read().rindex(CURSOR_SHOWN) > screen.read().rindex(CURSOR_HIDDEN)


@ensureDeferred
async def test_terminal_gone(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """When the terminal goes away the files are fetched all the same."""
    master, slave = os.openpty()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    scripted.on(b"/a", [(Send(head), SendSlowly(b"x" * 100, 5, 0.05))])
    command = start_command("get", scripted.url("/a"), stdout=slave, stderr=slave, environ={"TERM": "xterm"})
    os.close(slave)
    await command.until(lambda: scripted.requests)
    os.close(master)
    assert (0, 100) == (await command.ended(), (tmp_path / "a").stat().st_size)
