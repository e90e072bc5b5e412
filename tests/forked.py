"""
Programs in processes that begin in a hundredth of a second: forked from one that has imported what they need.

Each runs in an environment, a directory and with files of its own, may be sent signals, and ends as any program does.
The reactor is not imported before the fork: each process makes its own, as one that was started does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import types
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import define, field

__all__ = ["PULPDOWNLOADER", "ROOT", "Forked", "Forking", "environment", "main"]

ROOT = Path(__file__).parents[1]
# As the entry point of an installation runs it.
PULPDOWNLOADER = "import sys; from twisted_pulp.cli import main; sys.argv[0] = 'pulpdownloader'; sys.exit(main())"
_MODULES = (
    "cli._get",
    "cli._sync",
    "cli._lines",
    "cli._upkeep",
    "cli._repository",
    "cli._serve",
    "content",
    "content.file",
    "catalog._engine_sqlite",
    "catalog._migrate",
    "upkeep",
    "context",
    "streamer",
    "service._daemon",
    "service._foreground",
    "service._work",
    "testing",
)
_PROGRAM = "from tests.forked import main; main()"
_PATIENCE = 60.0


def environment() -> dict[str, str]:
    """Return the environment of programs: this tree's modules, no proxies."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return environ | {"PYTHONPATH": str(ROOT)}


def main() -> None:
    """For each line, an order in JSON: fork and say the number; whenever a process has ended say number and status."""
    for name in _MODULES:
        importlib.import_module(f"twisted_pulp.{name}")
    if find_spec("crochet"):
        importlib.import_module("twisted_pulp.blocking")
    if find_spec("psycopg"):
        importlib.import_module("sqlalchemy.dialects.postgresql.psycopg")
    assert "twisted.internet.reactor" not in sys.modules
    _settle()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    orders = b""
    while True:
        ready = select.select([0, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _reap()
        if 0 not in ready:
            continue
        read = os.read(0, 65536)
        if not read:
            return
        *lines, orders = (orders + read).split(b"\n")
        for line in lines:
            number = os.fork()
            if not number:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.set_wakeup_fd(-1)
                os.close(woken)
                os.close(wake)
                _run(**json.loads(line))
            _say("began", number)


def _settle() -> None:
    """Leave what the imports made to this process: at their ends its children neither collect nor save it again."""
    gc.collect()
    gc.freeze()
    coverage = sys.modules.get("coverage")
    measured = None if coverage is None else coverage.Coverage.current()
    if measured is not None:
        measured.save()


def _reap() -> None:
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not number:
            return
        _say("ended", number, os.waitstatus_to_exitcode(status))


def _say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def _run(program: str, arguments: list[str], directory: str, environment: dict[str, str], out: str, err: str) -> None:
    random.seed()
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), module.__dict__)
    sys.exit()


@define(eq=False)
class Forked:
    """
    One process, with what its users ask of a `subprocess.Popen`.

    :ivar returncode: None until `poll` or `wait` has seen its end.
    """

    _forking: Forking
    pid: int
    stdin: None = None
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status once it has ended."""
        if self.returncode is None:
            self._forking.look()
            self.returncode = self._forking.ended.pop(self.pid, None)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and that has not been said yet
                os.kill(self.pid, number)

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait for its end, and return its exit status."""
        over = time.monotonic() + seconds
        while self.poll() is None:
            assert time.monotonic() < over, "does not end"
            self._forking.look(0.01)
        assert self.returncode is not None
        return self.returncode


@define(eq=False)
class Forking:
    """
    Starts any number of processes, begun when first needed.

    :ivar before: words in front of the command that forks: what they do to it they do to all that it starts.
    :ivar measured: whether coverage is measured.
    """

    before: tuple[str, ...] = ()
    measured: bool = True
    _popen: subprocess.Popen[bytes] = field(init=False)
    _said: bytes = field(init=False, default=b"")
    _began: list[int] = field(init=False, factory=list)
    ended: dict[int, int] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        environ = environment()
        if not self.measured:
            environ = {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        command = [*self.before, sys.executable, "-c", _PROGRAM]
        self._popen = subprocess.Popen(command, env=environ, cwd=ROOT, **pipes)

    @property
    def pid(self) -> int:
        """The number of the process that forks, or of what stands in front of it."""
        return self._popen.pid

    def start(
        self, program: str, arguments: list[str], directory: Path, environment: dict[str, str], out: str, err: str
    ) -> Forked:
        """Start *program*, Python code, with *arguments*; *out* and *err* are files that are there."""
        self.order(program, arguments, directory, environment, out, err)
        over = time.monotonic() + _PATIENCE
        while (forked := self.begun(1)) is None:
            assert time.monotonic() < over, "the process that forks does not answer"
        return forked

    def order(
        self, program: str, arguments: list[str], directory: Path, environment: dict[str, str], out: str, err: str
    ) -> None:
        """Ask for what `start` does, and let `begun` tell when it has begun."""
        assert self._popen.stdin is not None
        given = {"program": program, "arguments": arguments, "directory": str(directory), "environment": environment}
        self._popen.stdin.write(json.dumps({**given, "out": out, "err": err}).encode() + b"\n")

    def begun(self, seconds: float = 0) -> Forked | None:
        """Give the process that was ordered, once it has begun, and wait for that so many *seconds* at most."""
        if not self._began:
            self.look(seconds)
        return Forked(self, self._began.pop()) if self._began else None

    def look(self, seconds: float = 0) -> None:
        """Hear what was said, and wait for it so many *seconds* at most."""
        assert self._popen.stdout is not None
        while select.select([self._popen.stdout], [], [], seconds)[0]:
            read = os.read(self._popen.stdout.fileno(), 65536)
            assert read, "the process that forks has ended"
            *lines, self._said = (self._said + read).split(b"\n")
            for line in lines:
                word, number, *status = line.split()
                if word == b"began":
                    self._began.append(int(number))
                else:
                    self.ended[int(number)] = int(status[0])
            seconds = 0

    def close(self) -> None:
        """End the process that forks."""
        with self._popen:
            self._popen.kill()
