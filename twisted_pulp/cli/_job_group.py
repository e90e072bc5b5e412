"""`pulpdownloader job` and `pulpdownloader status`: their commands and arguments."""

from __future__ import annotations

from typing import Any

import click

from twisted_pulp.cli._place import Place, place, placed

__all__ = ["job", "status"]

STATES = ("waiting", "running", "paused", "completed", "failed", "cancelled")


@click.group()
@placed
def job() -> None:
    """Look at the jobs of a --server, and change them."""


@job.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--kind", metavar="KIND", help="Only those of this kind: download, sync, verify, cleanup.")
@placed
def list_jobs(state: str | None, kind: str | None) -> int:
    """List jobs, the latest first."""
    from twisted_pulp.cli._job import listed

    return listed(_there(), state, kind)


@job.command()
@click.argument("id")
@placed
def show(id: str) -> int:
    """Show one job."""
    from twisted_pulp.cli._job import shown

    return shown(_there(), id)


@job.command()
@click.argument("id")
@click.option("--state", type=click.Choice(("waiting", "completed", "failed", "cancelled")), help="Only those.")
@placed
def items(id: str, state: str | None) -> int:
    """List the files of a job."""
    from twisted_pulp.cli._job import items as run

    return run(_there(), id, state)


@job.command()
@click.argument("id")
@placed
def wait(id: str) -> int:
    """Wait for the end of a job; exits 1 when it is not completed."""
    from twisted_pulp.cli._job import waited

    return waited(_there(), id)


@job.command()
@click.argument("id")
@placed
def delete(id: str) -> int:
    """Forget a job that has ended; its files stay."""
    from twisted_pulp.cli._job import deleted

    return deleted(_there(), id)


def _changing(verb: str, says: str) -> Any:
    def change(id: str) -> int:
        from twisted_pulp.cli._job import changed

        return changed(_there(), id, verb)

    change.__doc__ = says
    return job.command(verb)(click.argument("id")(placed(change)))


_changing("cancel", "End a job; what is finished stays.")
_changing("pause", "Let a job rest.")
_changing("resume", "Let a job go on.")
_changing("retry", "Try again what failed or was cancelled.")


@click.command()
@placed
def status() -> int:
    """Say what the daemon at --server is and does."""
    from twisted_pulp.cli._job import status as run

    return run(_there())


def _there() -> Place:
    given = place()
    if given.server is None:
        raise click.UsageError("say which daemon, with --server URL or PULPDOWNLOADER_SERVER")
    return given
