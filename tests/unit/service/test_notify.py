"""What systemd is told."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from twisted_pulp.service._notify import Notifier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is there only")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(5)
        yield one


def heard(manager: socket.socket) -> dict[str, str]:
    """Return what it was told next."""
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_ready(manager: socket.socket, clock: Clock, tmp_path: Path) -> None:
    """It is told when all is there, when settings are read, and when it ends."""
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}, clock)
    notifier.ready("serving")
    assert {"READY": "1", "STATUS": "serving", "MAINPID": str(os.getpid())} == heard(manager)
    notifier.reloading()
    assert ["RELOADING", "MONOTONIC_USEC"] == list(heard(manager))
    notifier.stopping("stopping")
    assert {"STOPPING": "1", "STATUS": "stopping"} == heard(manager)
    assert [] == clock.getDelayedCalls()
    notifier.close()


def test_watchdog(manager: socket.socket, clock: Clock, tmp_path: Path) -> None:
    """A sign of life is given twice in the time after which it is taken for dead, until it ends."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"}
    notifier = Notifier(environ, clock)
    notifier.ready("serving")
    heard(manager)
    for _ in range(3):
        assert {"WATCHDOG": "1"} == heard(manager)
        clock.advance(2)
    notifier.close()
    assert [] == clock.getDelayedCalls()


def test_abstract(clock: Clock) -> None:
    """The socket may be in the abstract namespace."""
    name = f"twisted-pulp-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind("\0" + name)
        one.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}, clock).stopping("x")
        assert "1" == heard(one)["STOPPING"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "nonsense"}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_nobody(clock: Clock, environ: dict[str, str]) -> None:
    """Where nobody wants to know, nothing happens."""
    notifier = Notifier({**environ, "WATCHDOG_USEC": "nonsense"}, clock)
    notifier.ready("x")
    notifier.close()
    assert [] == clock.getDelayedCalls()


def test_other_process(clock: Clock, tmp_path: Path) -> None:
    """A watchdog of another process is none of ours."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}
    notifier = Notifier(environ, clock)
    notifier.ready("x")
    assert [] == clock.getDelayedCalls()
