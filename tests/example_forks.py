"""
Runs examples, each in a process of its own that begins in a hundredth of a second.

The process is forked from one that has imported what most examples need, and ends as any does. The reactor is not
imported before the fork: each process makes its own, as one that was started does.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field

__all__ = ["Ended", "Forks", "main"]

ROOT = Path(__file__).parents[1]
_MODULES = (
    "cli._get",
    "cli._sync",
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
    "testing",
)
_PROGRAM = "from tests.example_forks import main; main()"


def main() -> None:
    """For each line, an order in JSON: fork, carry it out, and say the status."""
    for name in _MODULES:
        importlib.import_module(f"twisted_pulp.{name}")
    assert "twisted.internet.reactor" not in sys.modules
    for line in sys.stdin:
        sys.stdout.flush()
        number = os.fork()
        if not number:
            _carry_out(**json.loads(line))
            return  # the interpreter ends as it does after any program
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])}\n")
        sys.stdout.flush()


def _carry_out(words: list[str], directory: str, environment: dict[str, str], out: str, err: str) -> None:
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags), descriptor)
    os.chdir(directory)
    os.environ.update(environment)
    sys.argv = words
    if words[0] == "pulpdownloader":
        from twisted_pulp.cli import main as command

        sys.exit(command())
    sys.path[0] = directory
    runpy.run_path(words[0], run_name="__main__")


@define(eq=False)
class Ended:
    """What became of an example."""

    returncode: int
    stdout: str
    stderr: str


@define(eq=False)
class Forks:
    """Runs one example after the other."""

    _popen: subprocess.Popen[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        command = [sys.executable, "-c", _PROGRAM]
        self._popen = subprocess.Popen(command, env=environment | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, **pipes)

    def run(self, words: list[str], directory: Path, environment: dict[str, str], seconds: float) -> Ended:
        """Run ``pulpdownloader``, or the script whose name is the first of *words*, for so many *seconds* at most."""
        assert self._popen.stdin is not None
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            given = {"words": words, "directory": str(directory), "environment": environment}
            self._popen.stdin.write(json.dumps({**given, "out": out.name, "err": err.name}) + "\n")
            number = int(self._line(seconds))
            try:
                status = int(self._line(seconds))
            except TimeoutError:
                os.kill(number, signal.SIGKILL)
                status = int(self._line(seconds))
            return Ended(status, out.read(), err.read())

    def _line(self, seconds: float) -> str:
        assert self._popen.stdout is not None
        if not select.select([self._popen.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return self._popen.stdout.readline()

    def close(self) -> None:
        """End the process that forks."""
        with self._popen:
            self._popen.kill()
