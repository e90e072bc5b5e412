"""Programs that the tests start, stop, kill and deceive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from tests.servers.reactor import IReactor

__all__ = ["CLI", "INSIDE", "Program", "Start"]

ROOT = Path(__file__).parents[3]
#: What `inside.py` does.
INSIDE = "from tests.integration.faults.inside import main; main()"
#: The command line.
CLI = "import sys; from twisted_pulp.cli import main; sys.argv[0] = 'pulpdownloader'; sys.exit(main())"
_TICK = 0.005
_PATIENCE = 60.0  # seconds; only a program that hangs takes so long

Start = Callable[..., "Program"]


@define(eq=False)
class Program:
    """
    A Python program that runs, or did.

    :ivar out: the file that gets what it writes to standard output.
    :ivar err: the file that gets what it writes to standard error.
    """

    _reactor: IReactor
    popen: subprocess.Popen[bytes]
    out: Path
    err: Path
    usage: Any = field(init=False, default=None)

    @classmethod
    def started(
        cls,
        reactor: IReactor,
        directory: Path,
        number: int,
        program: str,
        arguments: tuple[object, ...],
        environment: Mapping[str, str],
        streams: Mapping[str, Any],
        before: tuple[str, ...] = (),
    ) -> Program:
        """Start *program*, Python code, with *arguments*; *before* are words in front of the command."""
        out, err = directory / f".{number}.out", directory / f".{number}.err"
        command = [*before, sys.executable, "-c", program, *map(str, arguments)]
        whole = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        whole |= {"PYTHONPATH": str(ROOT), **environment}
        with out.open("wb") as output, err.open("wb") as errors:
            given = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": errors, **streams}
            popen = subprocess.Popen(command, cwd=directory, env=whole, **given)
        return cls(reactor, popen, out, err)

    @property
    def said(self) -> str:
        """What it wrote so far, for people."""
        return f"{self.out.read_text()}\n{self.err.read_text()}"

    @property
    def result(self) -> Any:
        """What it wrote to standard output, read as JSON."""
        return json.loads(self.out.read_text())

    async def until(self, condition: Callable[[], object], seconds: float = _PATIENCE) -> None:
        """Wait until *condition* holds; fails when the program ends or the time is over before."""
        deadline = self._reactor.seconds() + seconds
        while not condition():
            assert self.popen.poll() is None, f"ended with {self.popen.returncode}\n{self.said}"
            assert self._reactor.seconds() < deadline, f"still waiting\n{self.said}"
            await deferLater(self._reactor, _TICK)

    async def ended(self, seconds: float = _PATIENCE) -> int:
        """Wait for its end, and return its exit status."""
        deadline = self._reactor.seconds() + seconds
        while self.popen.poll() is None:
            assert self._reactor.seconds() < deadline, f"does not end\n{self.said}"
            await deferLater(self._reactor, _TICK)
        return self.popen.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()
