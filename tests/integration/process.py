"""Programs of this project, run as their users run them, while the reactor serves them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from attrs import define, field
from pytest_twisted import async_yield_fixture
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.forked import PULPDOWNLOADER, Forked, Forking, environment

TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; sys.exit(run())"
# What Ctrl-C meets when a connection does not close, and when a thread hangs in the name service.
STUCK = {
    "closing": """
from twisted.internet.defer import Deferred
from twisted_pulp import Context
Context.close = lambda self: Deferred()
""",
    "thread": """
import time
from twisted.internet import reactor
reactor.callWhenRunning(reactor.callInThread, time.sleep, 60)
""",
}
_TICK = 0.01
#: Seconds that a program may take on a busy machine; only one that hangs takes so long.
PATIENCE = 60.0

Start = Callable[..., "Process"]
Get = Callable[..., Awaitable["Process"]]


@define(eq=False)
class Process:
    """
    A program that runs, or did.

    :ivar directory: where it runs; `out` and `err` there, or what was given instead, get what it writes.
    """

    _reactor: IReactorTime
    directory: Path
    popen: subprocess.Popen[bytes] | Forked
    _files: tuple[IO[bytes], IO[bytes]] = field(repr=False)

    @property
    def out(self) -> str:
        """What it wrote to standard output so far."""
        return Path(self._files[0].name).read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it wrote to standard error so far."""
        return Path(self._files[1].name).read_text(encoding="utf-8")

    @property
    def lines(self) -> list[str]:
        """The lines of standard output so far."""
        return self.out.splitlines()

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until *condition* holds; fails when the program ends or the time is over before."""
        deadline = self._reactor.seconds() + seconds
        while not condition():
            assert self.popen.poll() is None, f"ended with {self.popen.returncode}\n{self.out}\n{self.err}"
            assert self._reactor.seconds() < deadline, f"still waiting\n{self.out}\n{self.err}"
            await deferLater(self._reactor, _TICK)

    async def ended(self, seconds: float = PATIENCE) -> int:
        """Wait for its end, and return its exit status."""
        deadline = self._reactor.seconds() + seconds
        while self.popen.poll() is None:
            assert self._reactor.seconds() < deadline, f"does not end\n{self.out}\n{self.err}"
            await deferLater(self._reactor, _TICK)
        return self.popen.returncode

    def send(self, number: int) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def close(self) -> None:
        """End it, if it has not ended, and close its files."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()
        for file in (*self._files, self.popen.stdin):
            if file is not None:
                file.close()


@async_yield_fixture
async def start_command(reactor: Any, tmp_path: Path, forking: Forking) -> AsyncIterator[Start]:
    """
    Start `pulpdownloader`, or another *program*, with arguments, in ``tmp_path``.

    The program is forked, unless *options* of the interpreter, the words *before* it, or what else may be *given* need
    a start of its own.
    """
    started: list[Process] = []

    def starting(
        *arguments: object,
        program: str = PULPDOWNLOADER,
        options: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        **given: Any,
    ) -> Process:
        names = [tmp_path / f".{len(started)}.{name}" for name in ("out", "err")]
        files = names[0].open("wb"), names[1].open("wb")
        stock = {"stdin": subprocess.DEVNULL, "stdout": files[0], "stderr": files[1]}
        streams = {name: given.pop(name, default) for name, default in stock.items()}
        command = [*before, sys.executable, *options, "-c", program, *map(str, arguments)]
        own = given.pop("environ", {})
        environ = environment() | own
        if not (options or before or given) and streams == stock and _forkable(own):
            words = [*map(str, arguments)]
            popen: Any = forking.start(program, words, tmp_path, environ, *(file.name for file in files))
            started.append(Process(reactor, tmp_path, popen, files))
            return started[-1]
        popen = subprocess.Popen(command, cwd=tmp_path, env=environ, **streams, **given)
        started.append(Process(reactor, tmp_path, popen, files))
        return started[-1]

    yield starting
    for process in started:
        process.close()


def _forkable(environ: dict[str, str]) -> bool:
    """Tell whether the interpreter looks at none of *environ* when it starts."""
    return all(name.startswith("PULPDOWNLOADER_") for name in environ)


@async_yield_fixture
async def get(start_command: Start) -> AsyncIterator[Get]:
    """Run `pulpdownloader get` with arguments to its end."""

    async def running(*arguments: object, **given: Any) -> Process:
        process = start_command("get", *arguments, **given)
        await process.ended()
        return process

    yield running
