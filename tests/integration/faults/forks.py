"""`pulpdownloader` again and again, one process after the other, each forked from one that has imported everything."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from tests.forked import Forked, Forking, environment
from tests.servers.reactor import IReactor

__all__ = ["Fork", "Forks"]

# Nothing is done at the end of the process but what the command does: most are killed before.
_PROGRAM = """
import os, sys
from twisted_pulp.cli._program import run_program
status = 70
try:
    status = run_program(sys.argv[1:])
finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""
_TICK = 0.002


@define(eq=False)
class Fork:
    """One process."""

    _forks: Forks
    _forked: Forked
    _out: Path
    _err: Path

    @property
    def pid(self) -> int:
        """Its number."""
        return self._forked.pid

    @property
    def status(self) -> int | None:
        """Its exit status, when it has ended: negative when a signal ended it."""
        return self._forked.poll()

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
        return self.status is None

    def kill(self) -> None:
        """End it at once, if it runs."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        self._forked.send_signal(number)

    async def ended(self, seconds: float = 60) -> int:
        """Wait for its end, and return its status."""
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
    _forking: Forking = field(init=False)
    _current: Fork | None = field(init=False, default=None)
    _count: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._forking = Forking(self.before, measured=False)  # of what is killed or deceived nothing would be saved

    async def start(self, *arguments: object) -> Fork:
        """Start `pulpdownloader` with *arguments*; a process before that has not ended is killed."""
        if self._current is not None:
            self._current.kill()
            await self._current.ended()
        self._count += 1
        out, err = (self._directory / f".{id(self):x}-{self._count}.{name}" for name in ("out", "err"))
        out.touch()
        err.touch()
        words = [str(argument) for argument in arguments]
        self._forking.order(_PROGRAM, words, self._directory, environment(), str(out), str(err))
        begun: list[Forked] = []

        def asked() -> bool:
            forked = self._forking.begun()
            if forked is not None:
                begun.append(forked)
            return bool(begun)

        await self.until(asked)
        self._current = Fork(self, begun[0], out, err)
        return self._current

    async def run(self, *arguments: object) -> Fork:
        """Run it to its end."""
        process = await self.start(*arguments)
        await process.ended()
        return process

    def path(self, path: Path) -> Path:
        """Return where *path*, as its processes see it, is for us: they may have a file system of their own."""
        return Path(f"/proc/{self._forking.pid}/root{path}")

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until *condition* holds."""
        deadline = self._reactor.seconds() + seconds
        while not condition():
            assert self._reactor.seconds() < deadline, "still waiting"
            await deferLater(self._reactor, _TICK)

    def close(self) -> None:
        """End everything."""
        if self._current is not None:
            self._current.kill()
        self._forking.close()
