"""`openssl s_server`: a real server of TLS that can be told to do almost anything."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field
from twisted.internet.task import deferLater

from tests.servers.reactor import IReactor

__all__ = ["OpenSSLServer"]

_TICK = 0.005
_PATIENCE = 30.0


@define(eq=False, kw_only=True)
class OpenSSLServer:
    """
    A server of TLS, or another program that says as it does where it listens.

    :ivar command: the whole command.
    :ivar directory: existing; where it runs, and which files it serves.
    :ivar port: where it listens on 127.0.0.1, once started.
    """

    reactor: IReactor
    command: Sequence[str]
    directory: Path
    port: int = field(init=False, default=0)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def said(self) -> str:
        """What it wrote so far."""
        path = self.directory / "said"
        return path.read_text(errors="replace") if path.exists() else ""

    async def start(self, port: int = 0) -> None:
        """
        Start it and wait until it listens.

        :param port: 0 for any that is free.
        :raises RuntimeError: with what it wrote, when it does not in 10 s.
        """
        command = [each.format(port=port) for each in self.command]
        with (self.directory / "said").open("wb") as said:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        deadline = self.reactor.seconds() + _PATIENCE
        while self._process.poll() is None and self.reactor.seconds() < deadline:
            line = next((each for each in self.said.splitlines() if each.startswith("ACCEPT")), "")
            if line:  # which port, it says only when it chose
                self.port = port or int(line.rpartition(":")[2])
                return
            await deferLater(self.reactor, _TICK)
        self.stop()
        raise RuntimeError(f"{command[0]} does not start:\n{self.said}")

    def stop(self) -> None:
        """Stop it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def url(self, path: str = "/file", host: str = "127.0.0.1") -> str:
        """Give the URL of *path* on this server."""
        return f"https://{host}:{self.port}{path}"
