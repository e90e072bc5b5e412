"""Clients of others, run as their users run them, while the reactor serves them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.task import deferLater

from tests.servers.nginx import Nginx

__all__ = ["Ended", "Run", "asked", "contents", "ran"]

_TICK = 0.02

Run = Callable[..., Awaitable["Ended"]]


@frozen
class Ended:
    """
    A program that has ended.

    :ivar status: its exit status.
    :ivar text: what it wrote to standard output and standard error.
    """

    status: int
    text: str


def _environment() -> dict[str, str]:
    """Return an environment in which neither a proxy nor this machine's own settings of pip count."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {name: value for name, value in kept.items() if not name.startswith(("PIP_", "APT_"))} | {"LC_ALL": "C"}


async def ran(
    reactor: Any,
    logs: Path,
    *command: object,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    separate: bool = False,
) -> Ended:
    """
    Run *command* to its end; it is killed when nobody waits any more.

    :param logs: gets what it writes.
    :param environ: beside what every program gets.
    :param directory: where it runs; default *logs*.
    :param separate: whether the text is what it wrote to standard output only.
    """
    path = logs / f".{len(list(logs.glob('.*.log')))}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=directory or logs,
            env=_environment() | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.DEVNULL if separate else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                await deferLater(reactor, _TICK)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return Ended(process.returncode, path.read_text(errors="replace"))


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}


def asked(*servers: Nginx) -> int:
    """Return how many requests servers have had."""
    return sum(len(each.log()) for each in servers)
