"""`pulpdownloader token`: its commands and arguments."""

from __future__ import annotations

import click

from twisted_pulp.cli._place import place, placed

__all__ = ["token"]


@click.group()
@placed
def token() -> None:
    """Say who may use the API of a daemon."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(("read", "write", "admin")),
    default="read",
    help="Look; change, too; or everything.  [default: read]",
)
@click.option("--days", type=click.FloatRange(0, min_open=True), metavar="N", help="It ends then.  [default: never]")
@placed
def create(name: str, scope: str, days: float | None) -> int:
    """Make a token, and show it: this once."""
    from twisted_pulp.cli._token import created

    return created(place(), name, scope, days)


@token.command("list")
@placed
def list_tokens() -> int:
    """List all tokens; what they are is not known."""
    from twisted_pulp.cli._token import listed

    return listed(place())


@token.command()
@click.argument("name")
@placed
def revoke(name: str) -> int:
    """End a token; a daemon that runs forgets it within five seconds."""
    from twisted_pulp.cli._token import revoked

    return revoked(place(), name)
