"""The real RabbitMQ, in a directory and on ports of its own, without plugins."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from attrs import define, field

from tests.servers.nginx import free_port
from tests.servers.programs import missing, require

__all__ = ["RabbitMQ"]

_TICK = 0.1
_PATIENCE = 120.0
_USER = "rabbitmq"
#: Debian's own start script refuses directories of others; it ends in this one.
_SCRIPTS = "/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server"
#: Small, and idle when there is nothing to do.
_ERLANG = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +A 8 +sbwt none +sbwtdcpu none +sbwtdio none"
_READY = "Server startup complete"


@define(eq=False)
class RabbitMQ:
    """
    One RabbitMQ.

    :ivar directory: its own, for data, cookie and log.
    :ivar port: of 127.0.0.1; the same after a restart.
    :ivar secure_port: the same, with TLS.
    """

    directory: Path
    port: int = field(init=False, factory=free_port)
    secure_port: int = field(init=False, factory=free_port)
    _epmd: int = field(init=False, factory=free_port)
    _distribution: int = field(init=False, factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _starts: int = field(init=False, default=0)

    @classmethod
    def made(cls, certificate: Path, key: Path) -> RabbitMQ:
        """
        Make one that does not run yet; without RabbitMQ the test skips, or fails when ``CI=true``.

        :param certificate: what it shows to those who want TLS, with its chain; *key*: its key. Both in PEM.
        """
        require("rabbitmq-server")
        directory = Path(tempfile.mkdtemp(prefix="rabbitmq-", dir="/tmp"))
        server = cls(directory)
        for name, path in (("certificate", certificate), ("key", key)):
            (directory / f"{name}.pem").write_bytes(path.read_bytes())
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{server.port}",
            f"listeners.ssl.1 = 127.0.0.1:{server.secure_port}",
            f"ssl_options.certfile = {directory}/certificate.pem",
            f"ssl_options.keyfile = {directory}/key.pem",
        ]
        (directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        server._own()
        return server

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        """
        Start it and wait until it answers.

        :raises RuntimeError: with its log, when it ends or does not answer in time.
        """
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it."""
        self._starts += 1
        self._own()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [_script()],
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._user(),
            )

    def wait(self) -> None:
        """Wait until it answers."""
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.ready:
                return
            time.sleep(_TICK)
        raise RuntimeError(f"RabbitMQ does not start:\n{self.log()}")

    @property
    def running(self) -> bool:
        """Whether it was started, and not ended."""
        return self._process is not None

    @property
    def ready(self) -> bool:
        """Whether it has come up."""
        return _READY in self.log()

    def kill(self) -> None:
        """End it as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wipe(self) -> None:
        """Remove all that it knows; it does not run."""
        assert self._process is None
        shutil.rmtree(self.directory / "mnesia", ignore_errors=True)

    def remove(self) -> None:
        """End it, and the map of ports that it has started, and remove its directory."""
        self.kill()
        self._end_epmd()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end_epmd(self) -> None:
        """End epmd, which made a session of its own: it is the one whose environment names our port."""
        wanted = f"ERL_EPMD_PORT={self._epmd}".encode()
        for name in glob.glob("/proc/[0-9]*/environ"):
            with contextlib.suppress(OSError):
                entry = Path(name)
                if wanted in entry.read_bytes().split(b"\0"):
                    os.kill(int(entry.parent.name), signal.SIGKILL)

    def log(self) -> str:
        """Give what it has logged since it was started last."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.directory / f"log-{self._starts}"

    def _environment(self) -> dict[str, str]:
        directory = self.directory
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }

    def _user(self) -> dict[str, int | list[int]]:
        if os.getuid() != 0:
            return {}
        entry = pwd.getpwnam(_USER)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _own(self) -> None:
        if os.getuid() == 0:  # its files are another's, as with the package
            entry = pwd.getpwnam(_USER)
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)


def _script() -> str:
    found = [each for each in _SCRIPTS if os.path.exists(each)]
    return found[0] if found else missing("rabbitmq-server has no start script in the places that are known")
