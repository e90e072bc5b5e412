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
    :ivar server: URL of the daemon that does it; None: it is done here.
    :ivar token: of its API, or None.
    :ivar ca: path of a PEM file with the authority of the server's certificate, or None: the platform's.
    :ivar storage: path of the directory with the bytes, or URL of a bucket, or None: in the data directory.
    """

    given: str | None = None
    database: str | None = None
    json: bool = False
    server: str | None = None
    token: str | None = None
    ca: str | None = None
    storage: str | None = None

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
        click.option(
            "--api-token-file", metavar="FILE", help="First line: the token of its API.", **_kept("token", _first_line)
        ),
        click.option("--server-ca", metavar="FILE", help="Authority of its certificate (PEM).", **_kept("ca")),
        click.option("--server", metavar="URL", help="Let the daemon there do it; unix:PATH too.", **_kept("server")),
        click.option("--json", "json", is_flag=True, help="Answer with one JSON document.", **_kept("json")),
        click.option(
            "--storage",
            metavar="DIR",
            help="Where the bytes are; s3://BUCKET/PREFIX too.  [default: in DIR]",
            **_kept("storage", storage_of),
        ),
        click.option("--database", metavar="URL", help="Where the catalog is.  [default: in DIR]", **_kept("database")),
        click.option("--data", metavar="DIR", help=f"Where everything is kept.  [{_DEFAULT}]", **_kept("given")),
    ):
        command = made(command)
    return command


_DEFAULT = "default: ~/.local/share/pulpdownloader"


def _kept(field: str, read: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            context.meta[_KEY] = place()._replace(**{field: read(value)})

    return {"callback": keep, "expose_value": False}


def storage_of(given: str) -> str:
    """Return *given*, the URL of a bucket or a path, which becomes absolute."""
    return given if "://" in given else os.path.abspath(given)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from error


def place() -> Place:
    """Return what the command that runs was given."""
    found = click.get_current_context().meta.get(_KEY)
    if found is not None:
        return found  # type: ignore[no-any-return]
    given = {name: os.environ.get(f"PULPDOWNLOADER_{variable}") or None for name, variable in _VARIABLES.items()}
    return Place(**given)  # type: ignore[arg-type]


_VARIABLES = {
    "given": "DATA",
    "database": "DATABASE",
    "storage": "STORAGE",
    "server": "SERVER",
    "ca": "SERVER_CA",
    "token": "TOKEN",
}
