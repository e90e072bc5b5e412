"""`pulpdownloader distribution`: what is served, and where."""

from __future__ import annotations

import time
from typing import Any

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import facts, moment, table
from twisted_pulp.errors import NameTaken
from twisted_pulp.names import called

__all__ = ["created", "deleted", "listed", "shown", "updated"]

_SETTINGS = ("immutable", "early_ranges", "cache")


def created(place: Place, name: str, fields: dict[str, Any]) -> int:
    """Make the distribution *name*."""

    def create(connection: Any, key: Any) -> dict[str, Any]:
        from twisted_pulp.catalog import distributions

        values = _values(connection, key, called("distribution", name), fields, {})
        return _document(connection, distributions.create(connection, name, now=time.time(), **values))

    def there(server: Any) -> Any:
        from twisted_pulp.cli._elsewhere import create_distribution

        return create_distribution(server, name, fields)

    return _changed(place, there, create)


def updated(place: Place, name: str, fields: dict[str, Any]) -> int:
    """Change *fields* of the distribution *name*."""

    def update(connection: Any, key: Any) -> dict[str, Any]:
        from twisted_pulp.catalog import distributions

        called("distribution", fields.get("name", name))
        before = distributions.get(connection, name)
        values = _values(connection, key, name, fields, before.settings)
        if values.get("repository_id", before.repository_id) is None:
            values.setdefault("number", None)
        return _document(connection, distributions.update(connection, name, **values))

    def there(server: Any) -> Any:
        from twisted_pulp.cli._elsewhere import update_distribution

        return update_distribution(server, name, fields)

    return _changed(place, there, update)


def _values(connection: Any, key: Any, name: str, fields: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Return what *fields* are in the catalog."""
    from twisted_pulp.catalog import repositories
    from twisted_pulp.streamer._rules import rules_of

    values = dict(fields)
    own = {each: values.pop(each) for each in _SETTINGS if each in values}
    if "immutable" in own:
        own["immutable"] = [each for each in own["immutable"] if each]
    if "cache" in own:
        changed = {**settings.get("cache", {}), **own["cache"]}
        own["cache"] = {each: value for each, value in changed.items() if value is not None}
    if own:
        values["settings"] = {**settings, **own}
        rules_of(values["settings"])
    if "repository" in values:
        repository = values.pop("repository")
        values["repository_id"] = repositories.get(connection, repository).id if repository else None
    if "remote" in values:
        values["remote_id"] = _remote_id(connection, key, name, values.pop("remote"))
    return values


def _remote_id(connection: Any, key: Any, name: str, remote: str) -> int | None:
    """Return the number of a remote that is given by its name or URL; the one of a URL is made, if need be."""
    from twisted_pulp.catalog import remotes

    if not remote:
        return None
    if "://" not in remote:
        return remotes.get(connection, remote).id
    from twisted_pulp.cli._upstream import with_root
    from twisted_pulp.settings import Remote, changed

    made = changed(Remote(), with_root(Remote(), {}, remote))
    try:
        return remotes.create(connection, name, made, time.time(), key=key).id
    except NameTaken:
        if remotes.reach(connection, name, key) != made:
            raise
        return remotes.get(connection, name).id


def _changed(place: Place, there: Any, here: Any) -> int:
    async def act(desk: Desk) -> None:
        found = await desk.change(there, here, *(() if desk.server else (desk.data.catalog.key,)))
        desk.answer(found, _facts(found))

    return worked(place, act)


def listed(place: Place) -> int:
    """List all distributions."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.distributions.list(), _all)
        rows = [(each["name"], each["base_path"], each["repository"], _version(each), each["remote"]) for each in found]
        desk.answer(found, table(("NAME", "BASE PATH", "REPOSITORY", "VERSION", "REMOTE"), rows) if rows else [])

    return worked(place, act)


def _all(connection: Any) -> list[dict[str, Any]]:
    from twisted_pulp.catalog import distributions

    return [_document(connection, row) for row in distributions.list(connection)]


def shown(place: Place, name: str) -> int:
    """Show the distribution *name*."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.distributions.get(name), _one, name)
        desk.answer(found, _facts(found))

    return worked(place, act)


def _one(connection: Any, name: str) -> dict[str, Any]:
    from twisted_pulp.catalog import distributions

    return _document(connection, distributions.get(connection, name))


def deleted(place: Place, name: str) -> int:
    """Delete the distribution *name*."""

    async def act(desk: Desk) -> None:
        await desk.change(lambda server: server.distributions.delete(name), _delete, name)
        desk.answer({"deleted": name}, [f"deleted distribution {name}"])

    return worked(place, act)


def _delete(connection: Any, name: str) -> None:
    from twisted_pulp.catalog import distributions

    distributions.delete(connection, name)


def _document(connection: Any, row: Any) -> dict[str, Any]:
    from twisted_pulp.catalog import remotes, repositories

    repository = None if row.repository_id is None else repositories.by_id(connection, row.repository_id)
    remote = None if row.remote_id is None else remotes.by_id(connection, row.remote_id)
    return {
        "name": row.name,
        "base_path": row.base_path,
        "repository": None if repository is None else repository.name,
        "version": row.number,
        "remote": None if remote is None else remote.name,
        "policy": row.policy,
        "settings": row.settings,
        "created": row.created,
    }


def _version(found: dict[str, Any]) -> str | None:
    if found["repository"] is None:
        return None
    return "latest" if found["version"] is None else str(found["version"])


def _facts(found: dict[str, Any]) -> list[str]:
    settings = {
        name: ", ".join(value) if isinstance(value, list) else value for name, value in found["settings"].items()
    }
    said = found | {"version": _version(found), "created": moment(found["created"])} | settings
    del said["settings"]
    return list(facts((name.replace("_", " "), value) for name, value in said.items() if value is not None))
