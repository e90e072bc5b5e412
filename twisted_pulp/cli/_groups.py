"""`pulpdownloader repository` and `pulpdownloader remote`: their commands and arguments."""

from __future__ import annotations

from typing import Any

import click

from twisted_pulp.cli._commands import waiting
from twisted_pulp.cli._place import place, placed
from twisted_pulp.cli._reach import asked_fields, asking, reaching

__all__ = ["remote", "repository"]


@click.group()
@placed
def repository() -> None:
    """Look at repositories, and delete them."""


@repository.command("list")
@placed
def list_repositories() -> int:
    """List all repositories."""
    from twisted_pulp.cli._repository import listed

    return listed(place())


@repository.command()
@click.argument("name")
@placed
def show(name: str) -> int:
    """Show one repository."""
    from twisted_pulp.cli._repository import shown

    return shown(place(), name)


@repository.command()
@click.argument("name")
@placed
def versions(name: str) -> int:
    """List the versions of a repository."""
    from twisted_pulp.cli._repository import versions as run

    return run(place(), name)


@repository.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(0), metavar="N", help="Of this version.  [default: the latest]")
@click.option("--type", "type", metavar="TYPE", help="Only content of this type.")
@placed
def content(name: str, version: int | None, type: str | None) -> int:
    """List the content of a repository."""
    from twisted_pulp.cli._repository import content as run

    return run(place(), name, version, type)


@repository.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(0), metavar="N", help="Only this version.")
@waiting
@placed
def delete(name: str, version: int | None, no_wait: bool) -> int:
    """Delete a repository, or one version; files go with the next `cleanup`."""
    from twisted_pulp.cli._repository import deleted

    return deleted(place(), name, version, not no_wait)


@click.group()
@placed
def remote() -> None:
    """Look at remotes, and change them."""


@remote.command()
@click.argument("name")
@click.argument("url", required=False)
@click.option("--type", "type", default="file", metavar="TYPE", help="What the upstream has.  [default: file]")
@placed
@asking
@reaching
def create(name: str, url: str | None, type: str, **given: Any) -> int:
    """Make a remote that is called NAME; --config and --remote name one in the settings to begin with."""
    from twisted_pulp.cli._remote import created

    return created(place(), name, type, given.pop("config"), given.pop("remote"), _fields(url, given))


@remote.command("list")
@placed
def list_remotes() -> int:
    """List all remotes."""
    from twisted_pulp.cli._remote import listed

    return listed(place())


@remote.command("show")
@click.argument("name")
@placed
def show_remote(name: str) -> int:
    """Show one remote; of its secrets only whether there are any."""
    from twisted_pulp.cli._remote import shown

    return shown(place(), name)


@remote.command()
@click.argument("name")
@click.argument("url", required=False)
@placed
@asking
@reaching
def update(name: str, url: str | None, **given: Any) -> int:
    """Change a remote; what is not named stays as it is."""
    if given.pop("config") is not None or given.pop("remote") is not None:
        raise click.UsageError("--config and --remote are for a remote that is made")
    from twisted_pulp.cli._remote import updated

    return updated(place(), name, _fields(url, given))


@remote.command("delete")
@click.argument("name")
@placed
def delete_remote(name: str) -> int:
    """Delete a remote; what was synced from it stays."""
    from twisted_pulp.cli._remote import deleted

    return deleted(place(), name)


def _fields(url: str | None, given: dict[str, Any]) -> dict[str, object]:
    fields = asked_fields(given)
    if url is not None:
        if "url" in fields:
            raise click.UsageError("give the URL either as URL or with --base")
        fields["url"] = url
    return fields
