"""The real PostgreSQL, in a directory and on a port of its own; nothing is kept when the machine dies."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from attrs import define, field

from tests.servers.nginx import free_port
from tests.servers.programs import require

__all__ = ["Postgres"]

_TICK = 0.02
_PATIENCE = 60.0
_USER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "64",
    "autovacuum": "off",
    "logging_collector": "off",
    "jit": "off",
    "max_wal_size": "128MB",
}
_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30


def _place() -> Path:
    # A test has a database of its own, eight megabytes that are written twice: a disk takes five times as long.
    room = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if room else Path("/tmp")


@define(eq=False)
class Postgres:
    """
    One PostgreSQL.

    :ivar prefix: its own short directory, for data, socket and log.
    :ivar port: of 127.0.0.1 and of the socket in `prefix`.
    """

    prefix: Path
    port: int = field(init=False, default=0)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _names: Any = field(init=False, factory=itertools.count)

    @classmethod
    def made(cls) -> Postgres:
        """
        Make an empty cluster; without PostgreSQL the test skips, or fails when ``CI=true``.

        Neither its user nor the length of a socket's path likes the tests' temporary directories.
        """
        initdb = require("initdb")
        prefix = Path(tempfile.mkdtemp(prefix="pg-", dir=_place()))
        if os.getuid() == 0:
            os.chown(prefix, pwd.getpwnam(_USER).pw_uid, -1)
        server = cls(prefix)
        command = [initdb, "-D", str(prefix / "data"), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        try:
            subprocess.run([*command, "--no-sync"], **server._run(), check=True, capture_output=True)
        except BaseException:
            server.remove()
            raise
        return server

    def start(self) -> None:
        """
        Start it and wait until it answers; again on the same port, if it has run before.

        :raises RuntimeError: with its log, when it ends or does not answer in 30 s.
        """
        for _ in range(3):  # the free port may be gone when it gets there
            self.port = self.port or free_port()
            self._launch()
            if self._answers():
                return
            self.stop()
            self.port = 0
        raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it and wait for its end: SIGINT breaks off what is connected, SIGQUIT is a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def remove(self) -> None:
        """Remove its directory."""
        shutil.rmtree(self.prefix, ignore_errors=True)

    def url(self, database: str = _USER) -> str:
        """Give the URL of a database."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Make a database like *template*, and give its name."""
        name = f"test_{next(self._names)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, statement: Any, database: str = _USER) -> list[Any]:
        """Run one statement, and give the rows that it returns."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        """Give what it has logged."""
        path = self.prefix / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _run(self) -> dict[str, Any]:
        given: dict[str, Any] = {"cwd": self.prefix, "stdin": subprocess.DEVNULL}
        if os.getuid() == 0:  # it refuses to run as root
            entry = pwd.getpwnam(_USER)
            given |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return given

    def _launch(self) -> None:
        settings = _SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.prefix)}
        command = [require("postgres"), "-D", str(self.prefix / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.prefix / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, **self._run(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(_TICK)
            else:
                return True
        return False
