"""`pulpdownloader remote`: how upstreams are reached, with their secrets unseen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from twisted_pulp.cli._config import remote_of
from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import facts, moment, table
from twisted_pulp.cli._upstream import with_root
from twisted_pulp.errors import SettingsError
from twisted_pulp.errors import shown as visible
from twisted_pulp.names import called
from twisted_pulp.settings import Remote

_SECRET = {True: "yes, sealed", False: "none"}

__all__ = ["created", "deleted", "listed", "shown", "updated"]


def created(
    place: Place, name: str, type: str, config: str | None, begin: str | None, fields: dict[str, object]
) -> int:
    """
    Make a remote.

    :param config: path of the settings file, or None: the user's own.
    :param begin: the remote in it to begin with, or None: one with every default.
    """
    if place.server is not None:
        from twisted_pulp.cli._elsewhere import new_remote

        if config is not None or begin is not None:
            raise click.UsageError("--config and --remote are for a remote that is made here, not at a server")
        new = new_remote(name, type, fields)
        return _changed(place, lambda server: server.remotes.create(new), None)
    try:
        remote = remote_of(config, begin, {})
        remote = remote_of(config, begin, with_root(remote, fields))
        called("remote", name)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error

    def create(connection: Any, key: Any) -> dict[str, Any]:
        from twisted_pulp.catalog import remotes

        return _document(remotes.create(connection, name, remote, time.time(), type=type, key=key))

    return _changed(place, None, create)


def updated(place: Place, name: str, fields: dict[str, object]) -> int:
    """Change *fields* of the remote *name*."""

    def update(connection: Any, key: Any) -> dict[str, Any]:
        from twisted_pulp.catalog import remotes

        given = with_root(remotes.reach(connection, name, key), fields)
        return _document(remotes.update(connection, name, time.time(), given, key=key))

    def change(server: Any) -> Any:
        from twisted_pulp.cli._elsewhere import remote_change

        return server.remotes.update(name, remote_change(fields))

    return _changed(place, change, update)


def _changed(place: Place, there: Any, here: Any) -> int:
    async def act(desk: Desk) -> None:
        found = await desk.change(there, here, *(() if desk.server else (desk.data.catalog.key,)))
        desk.answer(found, _facts(found))

    return worked(place, act)


def listed(place: Place) -> int:
    """List all remotes."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.remotes.list(), _all)
        rows = [(each["name"], each["type"], visible(each["url"] or ""), _SECRET[each["secret"]]) for each in found]
        desk.answer(found, table(("NAME", "TYPE", "URL", "SECRETS"), rows) if rows else [])

    return worked(place, act)


def _all(connection: Any) -> list[dict[str, Any]]:
    from twisted_pulp.catalog import remotes

    return [_document(row) for row in remotes.list(connection)]


def shown(place: Place, name: str) -> int:
    """Show the remote *name*."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.remotes.get(name), _one, name)
        desk.answer(found, _facts(found))

    return worked(place, act)


def _one(connection: Any, name: str) -> dict[str, Any]:
    from twisted_pulp.catalog import remotes

    return _document(remotes.get(connection, name))


def deleted(place: Place, name: str) -> int:
    """Delete the remote *name*."""

    async def act(desk: Desk) -> None:
        await desk.change(lambda server: server.remotes.delete(name), _delete, name)
        desk.answer({"deleted": name}, [f"deleted remote {name}"])

    return worked(place, act)


def _delete(connection: Any, name: str) -> None:
    from twisted_pulp.catalog import remotes

    remotes.delete(connection, name)


def _document(row: Any) -> dict[str, Any]:
    """Return what may be seen of a remote."""
    return {
        "name": row.name,
        "type": row.type,
        "url": row.settings.get("url"),
        "settings": row.settings,
        "secret": row.secret,
        "created": row.created,
        "updated": row.updated,
    }


def _facts(found: dict[str, Any]) -> list[str]:
    """Return what is said of a remote: of its settings those that are not the default."""
    usual = dict(_flat(_settings_of(Remote())))
    changed = [(name, _text(value)) for name, value in _flat(found["settings"]) if value != usual.get(name)]
    return list(
        facts(
            [
                ("name", found["name"]),
                ("type", found["type"]),
                *changed,
                ("secrets", _SECRET[found["secret"]]),
                ("created", moment(found["created"])),
                ("updated", moment(found["updated"])),
            ]
        )
    )


def _settings_of(remote: Remote) -> dict[str, Any]:
    from twisted_pulp.settings import write_settings

    return msgspec.json.decode(write_settings(remote, "json"), type=dict[str, Any])


def _flat(settings: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return visible(value) if "://" in value else value
    return ", ".join(map(_text, value)) if isinstance(value, list) else msgspec.json.encode(value).decode()
