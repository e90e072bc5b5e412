"""
Fetch the newest files of well-known Python projects, from the package indexes that pip is configured for.

What is there then is synced as a repository with a PULP_MANIFEST, and verified.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from python_index.choice import Platform
from python_index.fetch import Fetch
from python_index.files import normalized
from python_index.indexes import opened
from python_index.outcomes import fetched, table, totals
from python_index.pip_settings import PipError, PipSettings, read_pip_settings
from python_index.projects import WELL_KNOWN
from python_index.repository import Kept, keep
from python_index.shows import show_on
from rich.console import Console
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThreadPool

from twisted_pulp import Context, Hooks
from twisted_pulp.clock import use_monotonic_clock
from twisted_pulp.errors import PulpError, SettingsError

# Tables in a log need room for the names of files.
_WIDTH = 160


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("downloads"), help="default: downloads")
    parser.add_argument("--project", nargs="+", action="extend", metavar="NAME", help="instead of the well-known ones")
    return parser.parse_args()


async def newest(reactor: Any, settings: PipSettings, projects: list[str], directory: Path) -> int:
    """Fetch *projects* into *directory*, print what became of them, and return the exit status."""
    started = reactor.seconds()
    kept: Kept | None = None
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    show = show_on(console, reactor)
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    context = Context(reactor)
    try:
        fetch = Fetch(opened(settings, context, reactor, in_thread), Platform.here(), in_thread, show)
        downloader = context.downloader(hooks=Hooks(progress=show.progress), directory=str(directory))
        show.start(len(projects))
        try:
            await fetch.run(projects, downloader)
        finally:
            show.stop()
        paths = fetched(fetch.outcomes)
        if paths:
            kept = await keep(reactor, context, in_thread, paths, directory)
    finally:
        await context.close()
    console.print(table(fetch.outcomes))
    for (url, problem), count in fetch.troubles.items():
        times = f" ({count} times)" if count > 1 else ""
        console.print(f"{url}: {problem}{times}", markup=False, highlight=False, soft_wrap=True)
    console.print(totals(fetch.outcomes, reactor.seconds() - started), markup=False, highlight=False)
    for line in () if kept is None else kept.words():
        console.print(line, markup=False, highlight=False)
    return int(any(outcome.failed for outcome in fetch.outcomes) or (kept is not None and kept.verified.damaged > 0))


async def _program(reactor: Any, settings: PipSettings, arguments: argparse.Namespace) -> None:
    projects = list(dict.fromkeys(map(normalized, arguments.project or WELL_KNOWN)))
    work = Deferred.fromCoroutine(newest(reactor, settings, projects, arguments.directory))
    ended: Deferred[None] = Deferred()

    def stop() -> Deferred[None]:
        work.cancel()
        return ended

    # Ctrl-C stops the reactor, which waits until everything is given back.
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    try:
        status = await work
    except CancelledError:
        print("\nInterrupted. What is complete is kept; run it again for the rest.", file=sys.stderr)
        status = 130
    except SettingsError as error:
        print(error, file=sys.stderr)
        status = 2
    except PulpError as error:
        print(error, file=sys.stderr)
        status = 1
    finally:
        ended.callback(None)
    raise SystemExit(status)


def main() -> None:
    """Run."""
    arguments = _arguments()
    try:
        settings = read_pip_settings(sys.executable)
    except PipError as error:
        sys.exit(f"pip cannot say which indexes it is configured for: {error}")
    for note in settings.notes:
        print(note, file=sys.stderr)
    from twisted.internet import reactor

    use_monotonic_clock(reactor)
    react(_program, (settings, arguments))


if __name__ == "__main__":
    main()
