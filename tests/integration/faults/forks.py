"""
`pulpdownloader` in processes that begin in a hundredth of a second: forked from one that has imported everything.

The reactor is not imported before the fork; each process makes its own, as one that was started does.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from tests.integration.faults.program import ROOT
from tests.servers.reactor import IReactor

__all__ = ["Fork", "Forks", "main"]

_MODULES = (
    "cli._sync",
    "cli._lines",
    "cli._upkeep",
    "cli._repository",
    "content",
    "content.file",
    "catalog._engine_sqlite",
    "catalog._engine_postgresql",
    "catalog._migrate",
    "upkeep",
    "context",
)
_PROGRAM = "from tests.integration.faults.forks import main; main()"
_TICK = 0.002


def main() -> None:
    """For each line, a list of where output goes, where errors go, and arguments: fork, and say number and status."""
    for name in _MODULES:
        importlib.import_module(f"twisted_pulp.{name}")
    assert "twisted.internet.reactor" not in sys.modules
    for line in sys.stdin:
        number = os.fork()
        if not number:
            _run(*json.loads(line))
        _say(number)
        _say(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _run(out: str, err: str, *arguments: str) -> None:
    random.seed()
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    from twisted_pulp.cli._program import run_program

    status = 70
    try:
        status = run_program(list(arguments))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@define(eq=False)
class Fork:
    """
    One process.

    :ivar pid: its number.
    """

    _forks: Forks
    pid: int
    _out: Path
    _err: Path
    status: int | None = field(init=False, default=None)

    @property
    def out(self) -> str:
        """What it has written to standard output."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it has written to standard error."""
        return self._err.read_text()

    def result(self, status: int = 0) -> Any:
        """Return the document that it wrote; it ended with *status*."""
        assert status == self.status, f"{self.out}\n{self.err}"
        return json.loads(self.out)

    def running(self) -> bool:
        """Tell whether it has not ended."""
        if self.status is None:
            self._forks.look()
        return self.status is None

    def kill(self) -> None:
        """End it at once, if it runs."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def ended(self, seconds: float = 60) -> int:
        """Wait for its end, and return its status: negative when a signal ended it."""
        await self._forks.until(lambda: not self.running(), seconds)
        assert self.status is not None
        return self.status


@define(eq=False)
class Forks:
    """
    Start one process after another; for two at once there must be two of these.

    :ivar before: words in front of the command that forks.
    """

    _reactor: IReactor
    _directory: Path
    before: tuple[str, ...] = ()
    _popen: subprocess.Popen[bytes] = field(init=False)
    _said: bytes = field(init=False, default=b"")
    _current: Fork | None = field(init=False, default=None)
    _count: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [*self.before, sys.executable, "-c", _PROGRAM]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._popen = subprocess.Popen(command, cwd=self._directory, env=environment, **pipes)
        assert self._popen.stdout is not None
        os.set_blocking(self._popen.stdout.fileno(), False)

    async def start(self, *arguments: object) -> Fork:
        """Start `pulpdownloader` with *arguments*; a process before that has not ended is killed."""
        if self._current is not None:
            self._current.kill()
            await self._current.ended()
        self._count += 1
        out, err = (self._directory / f".{id(self):x}-{self._count}.{name}" for name in ("out", "err"))
        order = json.dumps([str(out), str(err), *map(str, arguments)])
        assert self._popen.stdin is not None
        out.touch()
        err.touch()
        self._popen.stdin.write(order.encode() + b"\n")
        self._popen.stdin.flush()
        await self.until(lambda: self._read(1) is not None)
        self._current = Fork(self, int(self._taken()), out, err)
        return self._current

    async def run(self, *arguments: object) -> Fork:
        """Run it to its end."""
        process = await self.start(*arguments)
        await process.ended()
        return process

    def path(self, path: Path) -> Path:
        """Return where *path*, as its processes see it, is for us: they may have a file system of their own."""
        return Path(f"/proc/{self._popen.pid}/root{path}")

    def look(self) -> None:
        """Look whether the process that runs has ended."""
        if self._current is not None and self._read(1) is not None:
            self._current.status, self._current = int(self._taken()), None

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until *condition* holds."""
        deadline = self._reactor.seconds() + seconds
        while not condition():
            assert self._popen.poll() is None, "the process that forks has ended"
            assert self._reactor.seconds() < deadline, "still waiting"
            await deferLater(self._reactor, _TICK)

    def _read(self, lines: int) -> bytes | None:
        assert self._popen.stdout is not None
        self._said += self._popen.stdout.read() or b""
        return self._said if self._said.count(b"\n") >= lines else None

    def _taken(self) -> bytes:
        line, _, self._said = self._said.partition(b"\n")
        return line

    def close(self) -> None:
        """End everything."""
        if self._current is not None:
            self._current.kill()
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()
