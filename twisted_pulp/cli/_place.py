"""The options that every command has: where its data is, and for whom it answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import click

__all__ = ["Place", "place", "placed"]

_KEY = "twisted_pulp.place"


class Place(NamedTuple):
    """
    Where the data is, and how to answer.

    :ivar given: the data directory that was named, or None: the user's own.
    :ivar database: URL of the catalog, or None: a file in the data directory.
    :ivar json: whether the answer is one document, for a program.
    """

    given: str | None = None
    database: str | None = None
    json: bool = False

    @property
    def data(self) -> str:
        """The path of the data directory."""
        if self.given is not None:
            return self.given
        home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        return os.path.join(home, "pulpdownloader")


def placed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let *command* take these options, too: before its name or after it, the last one counts."""
    for made in (
        click.option("--json", "json", is_flag=True, help="Answer with one JSON document.", **_kept("json")),
        click.option("--database", metavar="URL", help="Where the catalog is.  [default: in DIR]", **_kept("database")),
        click.option("--data", metavar="DIR", help=f"Where everything is kept.  [{_DEFAULT}]", **_kept("given")),
    ):
        command = made(command)
    return command


_DEFAULT = "default: ~/.local/share/pulpdownloader"


def _kept(field: str) -> dict[str, Any]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            context.meta[_KEY] = place()._replace(**{field: value})

    return {"callback": keep, "expose_value": False}


def place() -> Place:
    """Return what the command that runs was given."""
    found = click.get_current_context().meta.get(_KEY)
    if found is not None:
        return found  # type: ignore[no-any-return]
    return Place(os.environ.get("PULPDOWNLOADER_DATA"), os.environ.get("PULPDOWNLOADER_DATABASE"))
