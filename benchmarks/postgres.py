"""A PostgreSQL of its own, in a directory and on a port that nobody else has."""

from __future__ import annotations

import glob
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

_PATIENCE = 30.0
_USER = "postgres"
# Debian and Homebrew keep its server's programs apart, because several versions may be there.
_PLACES = "/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"


@define(eq=False)
class Postgres:
    """
    A PostgreSQL that runs.

    :ivar port: of 127.0.0.1.
    """

    _programs: str
    _prefix: Path
    port: int
    _names: Any = field(init=False, factory=itertools.count)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database for as long as the block runs, and give its URL."""
        name = f"sync_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run one statement."""
        command = [
            f"{self._programs}/psql",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            _USER,
            "-c",
            statement,
        ]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def programs() -> str | None:
    """Return the directory of PostgreSQL's programs; None when it is not installed."""
    places = [each for pattern in _PLACES for each in sorted(glob.glob(pattern), reverse=True)]
    for place in (*places, *os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if all(os.access(f"{place}/{name}", os.X_OK) for name in ("initdb", "postgres", "psql")):
            return place
    return None


@contextmanager
def running(found: str, directory: Path, *, durable: bool) -> Iterator[Postgres]:
    """
    Run a server for as long as the block runs.

    :param found: what `programs` returned.
    :param directory: in which it gets a directory of its own.
    :param durable: whether what is committed survives the machine.
    :raises RuntimeError: with its log, when it does not start.
    """
    prefix = Path(tempfile.mkdtemp(prefix="pg-", dir=directory))
    try:
        if os.getuid() == 0:
            os.chown(prefix, pwd.getpwnam(_USER).pw_uid, -1)
        command = [f"{found}/initdb", "-D", str(prefix / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8"]
        subprocess.run([*command, "--locale=C", "--no-sync"], **_as_user(prefix), check=True, capture_output=True)
        server = Postgres(found, prefix, _free_port())
        process = _launched(server, prefix, found, durable)
        try:
            _wait(server, process, prefix)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_PATIENCE)
    finally:
        shutil.rmtree(prefix, ignore_errors=True)


def _as_user(prefix: Path) -> dict[str, Any]:
    given: dict[str, Any] = {"cwd": prefix, "stdin": subprocess.DEVNULL}
    if os.getuid() == 0:  # it refuses to run as root
        entry = pwd.getpwnam(_USER)
        given |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return given


def _launched(server: Postgres, prefix: Path, found: str, durable: bool) -> subprocess.Popen[bytes]:
    lasting = "on" if durable else "off"
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(server.port),
        "unix_socket_directories": str(prefix),
        "fsync": lasting,
        "synchronous_commit": lasting,
        "full_page_writes": lasting,
    }
    command = [f"{found}/postgres", "-D", str(prefix / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (prefix / "log").open("ab") as log:
        return subprocess.Popen(
            command, **_as_user(prefix), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _wait(server: Postgres, process: subprocess.Popen[bytes], prefix: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            return server.run("SELECT 1")
        except subprocess.CalledProcessError:
            time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL does not start:\n{(prefix / 'log').read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
