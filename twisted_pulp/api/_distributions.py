"""Distributions: what is served, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import wrong
from twisted_pulp.api._repositories import remote_id_of
from twisted_pulp.api._route import LIMIT, Answer, Route, after
from twisted_pulp.catalog import distributions, remotes, repositories
from twisted_pulp.documents import Distribution, DistributionChange, NewDistribution, Page
from twisted_pulp.errors import NotInCatalog, SettingsError
from twisted_pulp.streamer._rules import rules_of

__all__ = ["ROUTES"]

_SETTINGS = frozenset({"immutable", "early_ranges", "cache"})


def _document(connection: Any, row: Any) -> Distribution:
    repository = None if row.repository_id is None else repositories.by_id(connection, row.repository_id)
    remote = None if row.remote_id is None else remotes.by_id(connection, row.remote_id)
    return Distribution(
        name=row.name,
        base_path=row.base_path,
        repository=None if repository is None else repository.name,
        version=row.number,
        remote=None if remote is None else remote.name,
        policy=row.policy,
        settings=row.settings,
        created=row.created,
    )


def _repository_id(connection: Any, name: str | None) -> int | None:
    if name is None:
        return None
    try:
        return repositories.get(connection, name).id
    except NotInCatalog as error:
        raise wrong("/repository", str(error)) from error


def _settings(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the settings *before* with what was *given*.

    :raises Refused: when one is unknown, or not what it must be.
    """
    for name in given.keys() - _SETTINGS:
        raise wrong(f"/settings/{name}", "there is no such field")
    merged = {name: value for name, value in {**before, **given}.items() if value is not None}
    if isinstance(merged.get("cache"), dict):
        both = {**before.get("cache", {}), **merged["cache"]}
        merged["cache"] = {name: value for name, value in both.items() if value is not None}
    elif "cache" in merged:
        raise wrong("/settings/cache", "must be a table")
    try:
        rules_of(merged)
    except SettingsError as error:
        raise wrong("/settings/" + error.field.replace(".", "/"), f"must be {error.allowed}") from error
    return merged


async def _create(call: Call) -> Answer:
    made = await call.catalog.write(_add, call.document(NewDistribution), call.now())
    return Answer(made, 201, {"Location": f"{call.root}/distributions/{made.name}"})


def _add(connection: Any, wanted: NewDistribution, now: float) -> Distribution:
    if wanted.repository is None and wanted.remote is None:
        raise wrong("", "needs a repository, a remote, or both")
    fields = {
        "repository_id": _repository_id(connection, wanted.repository),
        "remote_id": remote_id_of(connection, wanted.remote),
        "number": wanted.version,
        "policy": wanted.policy,
        "settings": _settings({}, wanted.settings),
    }
    return _document(connection, distributions.create(connection, wanted.name, wanted.base_path, now, **fields))


async def _list(call: Call) -> Page[Distribution]:
    limit = call.given.get("limit", 100)
    found = await call.catalog.read(_listed, call.given.get("after", ""), limit + 1)
    return call.page(found, limit, lambda each: each, lambda each: each.name)


def _listed(connection: Any, begin: str, limit: int) -> list[Distribution]:
    return [_document(connection, row) for row in distributions.list(connection, begin, limit)]


async def _get(call: Call, name: str) -> Distribution:
    return await call.catalog.read(_shown, name)  # type: ignore[no-any-return]


def _shown(connection: Any, name: str) -> Distribution:
    return _document(connection, distributions.get(connection, name))


async def _change(call: Call, name: str) -> Distribution:
    wanted = call.document(DistributionChange)
    return await call.catalog.write(_update, call, name, wanted)  # type: ignore[no-any-return]


def _update(connection: Any, call: Call, name: str, wanted: DistributionChange) -> Distribution:
    before = distributions.get(connection, name)
    call.unchanged(_document(connection, before))
    fields: dict[str, Any] = {each: getattr(wanted, each) for each in ("name", "base_path", "policy")}
    fields["number"] = wanted.version
    if wanted.repository is not UNSET:
        fields["repository_id"] = _repository_id(connection, wanted.repository or None)
        if wanted.repository is None and wanted.version is UNSET:
            fields["number"] = None
    if wanted.remote is not UNSET:
        fields["remote_id"] = remote_id_of(connection, wanted.remote or None)
    if wanted.settings:
        fields["settings"] = _settings(before.settings, wanted.settings)
    fields = {each: value for each, value in fields.items() if value is not UNSET}
    return _document(connection, distributions.update(connection, name, **fields))


async def _delete(call: Call, name: str) -> Answer:
    await call.catalog.write(_remove, call, name)
    return Answer(b"", 204)


def _remove(connection: Any, call: Call, name: str) -> None:
    call.unchanged(_shown(connection, name))
    distributions.delete(connection, name)


ROUTES = (
    Route(
        method="GET",
        path="/distributions",
        says="List distributions by name.",
        run=_list,
        gives=Page[Distribution],
        parameters=(after(), LIMIT),
    ),
    Route(
        method="POST",
        path="/distributions",
        says="Serve a repository, a remote or both.",
        run=_create,
        scope="write",
        takes=NewDistribution,
        gives=Distribution,
        status=201,
    ),
    Route(method="GET", path="/distributions/<name>", says="Show a distribution.", run=_get, gives=Distribution),
    Route(
        method="PATCH",
        path="/distributions/<name>",
        says="Change a distribution; what is left out stays.",
        run=_change,
        scope="write",
        takes=DistributionChange,
        gives=Distribution,
    ),
    Route(
        method="DELETE",
        path="/distributions/<name>",
        says="Serve it no more; what it served stays.",
        run=_delete,
        scope="write",
        status=204,
    ),
)
