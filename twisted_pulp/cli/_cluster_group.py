"""`pulpdownloader cluster`: its commands and arguments."""

from __future__ import annotations

import click

from twisted_pulp.cli._place import Place, place, placed

__all__ = ["cluster", "there"]


@click.group()
@placed
def cluster() -> None:
    """Look at the daemons that share a catalog."""


@cluster.command(epilog="Exits 0 when a node that lives has each role, 1 when one has none or nobody answers.")
@click.option("--format", "form", type=click.Choice(("table", "json")), help="As --json.  [default: table]")
@placed
def status(form: str | None) -> int:
    """Show all nodes that share the catalog of the daemon at --server, and what they share."""
    from twisted_pulp.cli._cluster import status as run

    return run(there(form))


@cluster.command(epilog="Exits 0, or 1 when nobody answers or the broker cannot be reached.")
@placed
def dead() -> int:
    """
    List messages that the broker has put aside.

    Those are of jobs that failed so often that they were given up, or that kill whoever runs them.
    """
    from twisted_pulp.cli._cluster import dead as run

    return run(there())


@cluster.command(epilog="Exits 0, or 1 when no such message was put aside.")
@click.argument("job", metavar="JOB")
@placed
def replay(job: str) -> int:
    """Let a job whose message was put aside wait again."""
    from twisted_pulp.cli._cluster import replay as run

    return run(there(), job)


def there(form: str | None = None) -> Place:
    """
    Return the place of a daemon.

    :raises click.UsageError: when none was named.
    """
    given = place()
    if given.server is None:
        raise click.UsageError("say which daemon, with --server URL or PULPDOWNLOADER_SERVER")
    return given if form is None else given._replace(json=form == "json")
