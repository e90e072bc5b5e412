"""
Run the daemon in front of the package index that pip is configured for, and let pip and the API use it.

What examples/newest.py has downloaded is then synced as a job. `--stay` leaves the daemon running.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from python_index.daemon import Daemon, DaemonError
from python_index.pip_settings import PipError, PipSettings, read_pip_settings
from rich.console import Console
from rich.table import Table
from twisted.internet.task import react
from twisted.internet.threads import deferToThreadPool

_WIDTH = 160
_PROJECTS = ("attrs", "idna")
_DOCUMENTS = ("status", "storage", "distributions", "repositories", "jobs")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("downloads"), help="default: downloads")
    parser.add_argument("--project", nargs="+", action="extend", metavar="NAME", help="what pip is to download")
    parser.add_argument("--stay", action="store_true", help="keep the data in DIRECTORY/.daemon, and stay")
    parser.add_argument("--listen", default=None, metavar="ENDPOINT", help="default: a free port; with --stay 8080")
    return parser.parse_args()


class Stay(Exception):
    """The daemon is to stay, in place of this program: by this command."""


async def served(reactor: Any, settings: PipSettings, arguments: argparse.Namespace, console: Console) -> int:
    """Show what a daemon does, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="pulpdownloader-") as temporary:
        home = arguments.directory.resolve() / ".daemon" if arguments.stay else Path(temporary)
        endpoint = arguments.listen or f"tcp:{8080 if arguments.stay else 0}:interface=127.0.0.1"
        daemon = Daemon(reactor, home, endpoint, settings, arguments.directory.resolve() / "PULP_MANIFEST")
        await daemon.start()
        console.print(f"The daemon is at {daemon.url}")
        try:
            failed = await _used(reactor, daemon, arguments.project or _PROJECTS, Path(temporary) / "pip", console)
        finally:
            status = await daemon.stop()
        console.print(f"The daemon was told to end, and did with status {status}")
        if arguments.stay and not status:
            console.print(f"It is started again, to stay until Ctrl-C. Its API token is {daemon.token}")
            raise Stay(daemon.command)
        return int(failed or status != 0)


async def _used(reactor: Any, daemon: Daemon, projects: Sequence[str], directory: Path, console: Console) -> bool:
    """Let pip and the API use the daemon, show what has come of it, and return whether anything failed."""
    if daemon.index is None:
        console.print(
            "pip is configured for no index that is reached over HTTP: there is nothing to be put in front of"
        )
        fetched = True  # as far as anybody can
    else:
        await daemon.mount("python")
        index = f"{daemon.url}content/python/"
        done = await deferToThreadPool(reactor, reactor.getThreadPool(), _pip, index, projects, directory)
        fetched = done.returncode == 0
        _say(done, index, projects, console)
    job = await daemon.sync("newest") if daemon.manifest.exists() else None
    console.print(await _shown(daemon))
    return not fetched or (job is not None and job["state"] != "completed")


def _pip(index: str, projects: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Download *projects* with pip from *index* alone."""
    command = ["-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir", "--index-url", index]
    return subprocess.run(
        [sys.executable, *command, "--dest", str(directory), *projects], check=False, capture_output=True, text=True
    )


def _say(done: subprocess.CompletedProcess[str], index: str, projects: Sequence[str], console: Console) -> None:
    """Show what pip has said."""
    lines = (done.stdout + done.stderr).splitlines()
    if done.returncode == 0:
        lines = [f"Saved {line.rpartition('/')[2]}" for line in lines if line.startswith("Saved ")]
    for line in (f"$ pip download --no-deps --index-url {index} {' '.join(projects)}", *lines):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


async def _shown(daemon: Daemon) -> Table:
    """Return what the API says."""
    table = Table("The API", "says", title=None)
    for name in _DOCUMENTS:
        table.add_row(f"/api/v1/{name}", "\n".join(daemon.words(name, await daemon.ask("GET", name))))
    return table


async def _program(reactor: Any, settings: PipSettings, arguments: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    status: Any
    try:
        status = await served(reactor, settings, arguments, console)
    except DaemonError as error:
        print(error, file=sys.stderr)
        status = 1
    except Stay as stay:
        status = stay
    raise SystemExit(status)


def main() -> None:
    """Run."""
    arguments = _arguments()
    try:
        settings = read_pip_settings(sys.executable)
    except PipError as error:
        sys.exit(f"pip cannot say which indexes it is configured for: {error}")
    try:
        react(_program, (settings, arguments))
    except SystemExit as end:
        if isinstance(end.code, Stay):
            sys.stdout.flush()
            os.execv(sys.executable, end.code.args[0])
        raise


if __name__ == "__main__":
    main()
