"""The daemon as a service of systemd: its unit, and what it tells the manager."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.forked import ROOT
from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.reactor import IReactor

UNIT = ROOT / "contrib" / "systemd" / "pulpdownloader.service"
#: As `systemd-analyze security` counts, from 0 to 10; what is left is that it may use the network.
EXPOSURE = 1.5

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, of a program that is there."""
    text = UNIT.read_text()
    assert 1 == text.count("\nExecStart=/opt/pulpdownloader/bin/pulpdownloader ")
    path = tmp_path / UNIT.name
    path.write_text(text.replace("/opt/pulpdownloader/bin/pulpdownloader", "/bin/true"))
    return path


@analyzed
def test_unit(unit: Path) -> None:
    """Systemd knows every line of the unit."""
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (0, False) == (done.returncode, UNIT.name in done.stderr)  # others have their own troubles
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHouse=yes"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert "ProtectHouse" in done.stderr


@analyzed
def test_exposure(unit: Path) -> None:
    """The unit shuts the daemon in: it is exposed to the network, and to hardly anything else."""
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot look at a unit that is not installed")
    assert 0 == done.returncode, done.stdout


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.setblocking(False)
        yield one


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is there only")
@ensureDeferred
async def test_notify(manager: socket.socket, start_command: Start, reactor: IReactor, tmp_path: Path) -> None:
    """A daemon tells its manager when it can be used, that it lives, that it reads its settings, and that it ends."""
    told: list[dict[str, str]] = []

    def heard(word: str, count: int = 1) -> bool:
        """Tell whether it has said *word* so often."""
        while True:
            try:
                text = manager.recv(4096).decode()
            except BlockingIOError:
                return count <= sum(word in each for each in told)
            told.append(dict(line.split("=", 1) for line in text.splitlines()))

    daemon = Daemon(start_command, reactor, tmp_path / "data")
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    daemon.begin(environ=environ)
    await daemon.process.until(lambda: heard("READY"))
    port = await daemon.listening()
    (ready,) = [each for each in told if "READY" in each]
    assert {"READY": "1", "MAINPID": str(daemon.process.popen.pid)}.items() <= ready.items()
    assert ready["STATUS"] == f"serving at http://127.0.0.1:{port}/"
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    await daemon.process.until(lambda: heard("WATCHDOG", 3))
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: heard("READY", 2))
    words = [next(iter(each)) for each in told if "WATCHDOG" not in each]
    assert ["READY", "RELOADING", "READY"] == words
    assert 0 == await daemon.end(signal.SIGTERM)
    assert heard("STOPPING")
