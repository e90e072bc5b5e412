"""The commands that work on a data directory, and their arguments; `--help` imports nothing for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from twisted_pulp.cli._options import SyncOptions
from twisted_pulp.cli._place import place, placed
from twisted_pulp.cli._reach import asked_fields, asking, jobs, reaching

__all__ = ["cleanup", "export", "sync", "verify"]

POLICIES = ("immediate", "on_demand", "streamed")
MODES = ("auto", "reflink", "hardlink", "copy")


def waiting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let *command*, which writes, say what to do when another process does."""
    text = "Fail when another process writes to the data directory, instead of waiting."
    return click.option("--no-wait", is_flag=True, help=text)(command)


def _most(_: click.Context, option: click.Parameter, text: str) -> int | None:
    """Return the whole number that *text* says; None of none."""
    from twisted_pulp.settings._units import number_of

    if text == "none":
        return None
    sized = option.metavar == "SIZE"
    number = number_of(text, "bytes" if sized or text.isdigit() else None)
    if not isinstance(number, int) or number < 1:
        raise click.BadParameter(f"{text!r} is no {'size, as 500K or 2M' if sized else 'whole number from 1'}")
    return number


_SYNC_EPILOG = "Exits 0 when all is well, 1 when something failed, 2 when the command makes no sense."


@click.command(epilog=_SYNC_EPILOG)
@click.argument("type", metavar="TYPE")
@click.argument("url", required=False)
@click.option("--repository", required=True, metavar="NAME", help="The repository; it is made if need be.")
@click.option("--policy", type=click.Choice(POLICIES), help="When files are downloaded.  [default: that of the remote]")
@click.option("--mirror", is_flag=True, help="Remove what the upstream has no more.")
@click.option("--force", is_flag=True, help="Look at everything again, even if nothing has changed.")
@click.option("--keep-going", is_flag=True, help="Make a version without the files that fail.")
@click.option("--tolerance", type=click.IntRange(0), metavar="N", help="With --keep-going: fail after N files.")
@jobs("Downloads at once.  [default: 8]", 8)
@click.option(
    "--in-flight",
    callback=_most,
    default="4G",
    metavar="SIZE",
    help="Bytes that are downloaded and not stored yet, at most.  [default: 4G]",
)
@click.option(
    "--in-flight-files",
    callback=_most,
    default="1000",
    metavar="N",
    help="Files that are downloaded and not stored yet, at most.  [default: 1000]",
)
@click.option("--fsync", is_flag=True, help="Write every file to the disk for sure before it counts.")
@waiting
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@placed
@asking
@partial(reaching, taken=frozenset({"--mirror"}))
def sync(**given: Any) -> int:
    """
    Sync a repository with the upstream at URL; TYPE is what it has: file is for PULP_MANIFEST.

    Nothing need be there before: the repository and its remote, which has its name, are made. URL may be left out
    when they are there. --remote means one of `remote list`, or else of the settings.
    """
    policy = given.pop("policy")
    fields = asked_fields(given) | ({} if policy is None else {"policy": policy})
    options = SyncOptions(**given, fields=fields)
    contradiction = options.contradiction()
    if contradiction is not None:
        raise click.UsageError(contradiction)
    from twisted_pulp.cli._sync import sync as run

    return run(place(), options)


@click.command(epilog="Exits 0 when all is well, or was repaired; 1 when damage is left.")
@click.option("--repair", is_flag=True, help="Download damaged files again, from wherever they came.")
@jobs("Files read at once.  [default: as many as there are processors]", None)
@waiting
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@placed
def verify(repair: bool, jobs: int | None, no_wait: bool, quiet: bool) -> int:
    """Read every stored file again, and find those that are damaged or missing."""
    from twisted_pulp.cli._upkeep import verify as run

    return run(place(), repair, jobs, not no_wait, quiet)


@click.command()
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=86400.0,
    metavar="SECONDS",
    help="Keep what was wanted within that time.  [default: 86400]",
)
@click.option(
    "--unused",
    type=click.FloatRange(1),
    metavar="DAYS",
    help="Forget what was pulled through remotes, too, if nobody wanted it for that long.  [default: never]",
)
@click.option(
    "--pulled-size",
    type=click.FloatRange(0),
    metavar="GIB",
    help="Forget what was pulled through and not wanted for longest, until the rest is no larger.  [default: no limit]",
)
@waiting
@placed
def cleanup(grace: float, unused: float | None, pulled_size: float | None, no_wait: bool) -> int:
    """Remove content and files that no repository has any more."""
    from twisted_pulp.cli._upkeep import cleanup as run

    seconds = None if unused is None else unused * 86400.0
    capacity = None if pulled_size is None else int(pulled_size * (1 << 30))
    return run(place(), grace, seconds, capacity, not no_wait)


@click.command(epilog="Exits 0 when every file is there, 1 when some are not: those that were not downloaded yet.")
@click.argument("repository")
@click.argument("directory", metavar="DIR")
@click.option("--version", type=click.IntRange(0), metavar="N", help="Of this version.  [default: the latest]")
@click.option("--mode", type=click.Choice(MODES), default="auto", help="How; auto is a reflink, or else a copy.")
@placed
def export(repository: str, directory: str, version: int | None, mode: Any) -> int:
    """Write the files of a REPOSITORY below DIR, with what its type needs to be served from there."""
    from twisted_pulp.cli._export import export as run

    return run(place(), repository, os.path.abspath(directory), version, mode)
