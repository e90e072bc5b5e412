"""Remotes: how upstreams are reached. What comes this way is guarded, and its secrets only come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import Refused, wrong
from twisted_pulp.api._retained import retained
from twisted_pulp.api._route import LIMIT, Answer, Route, after
from twisted_pulp.catalog import remotes
from twisted_pulp.documents import NewRemote, Page, Remote, RemoteChange
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Remote as Settings
from twisted_pulp.settings import changed

__all__ = ["ROUTES"]

#: What only the operator may set: it reads or writes files of the daemon's, uses what belongs to its user, or lets its
#: connections go where no policy looks.
_OPERATORS = frozenset(
    {
        "url",
        "netrc",
        "proxy_from_environment",
        "file_roots",
        "file_mode",
        "network.unix_socket",
        "network.dns_servers",
        "network.bind_address",
        "tls.key_log",
        "proxy.tls.key_log",
    }
)
_PARTS = frozenset({"tls", "proxy", "proxy.tls", "network", "timeouts", "limits", "retry"})
#: PEM that may be text, but not the path of a file.
_PEM = "ca_cert", "client_cert", "client_key"


def _document(row: Any) -> Remote:
    return Remote(
        name=row.name,
        type=row.type,
        url=row.settings.get("url"),
        settings={name: value for name, value in row.settings.items() if name != "url"},
        secret=row.secret,
        created=row.created,
        updated=row.updated,
    )


def _checked(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """
    Return *settings* as they are kept.

    :raises Refused: when one is not a user's to set.
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{before}{name}"
        pointer = "/settings/" + path.replace("~", "~0").replace("/", "~1").replace(".", "/")
        if "." in name:
            raise wrong(pointer, "there is no such field")
        if path in _OPERATORS and value not in (None, False, [], ()):
            raise wrong(pointer, "only the operator may set it, in the settings file")
        if path == "network.guarded" and value is not True:
            raise wrong(pointer, "must be true: what is told this way is guarded")
        if path in _PARTS and not (isinstance(value, dict) or (value is None and path == "proxy")):
            raise wrong(pointer, "must be an object")
        if name in _PEM and isinstance(value, str) and "-----BEGIN" not in value:
            raise wrong(pointer, "must be PEM text")
        if path in _PARTS and value is not None:
            value = _checked(value, f"{path}.")
        found[name] = value
    return found


def _made(call: Call, before: Settings, fields: dict[str, Any]) -> dict[str, Any]:
    """
    Return what is to be changed of *before*: *fields*, and that the address policy guards it.

    :raises Refused: when the result must not be asked for.
    """
    fields["network"] = {**fields.get("network", {}), "guarded": True}
    try:
        remote = changed(before, fields)
    except SettingsError as error:
        pointer = "/url" if error.field == "url" else "/settings/" + error.field.replace(".", "/")
        raise wrong(pointer, f"must be {error.allowed}") from error
    for name in retained(before, remote, fields):
        raise wrong(f"/settings/{name.replace('.', '/')}", "must be said again where the remote's way changes")
    urls = [remote.url, *remote.mirrors, *remote.origins, remote.proxy and remote.proxy.url, remote.mirror_list]
    policy = getattr(call.running.context, "policy", None)
    for url in urls:
        blocked = policy.literal(url) if isinstance(url, str) and policy is not None else None
        if blocked is not None:
            raise Refused(status=403, code="blocked_address", detail=str(blocked))
    return fields


async def _create(call: Call) -> Answer:
    wanted = call.document(NewRemote)
    fields = _made(call, Settings(), {**_checked(wanted.settings), "url": wanted.url})
    made = await call.catalog.write(_add, wanted, changed(Settings(), fields), call.catalog.key, call.now())
    return Answer(made, 201, {"Location": f"{call.root}/remotes/{made.name}"})


def _add(connection: Any, wanted: NewRemote, remote: Settings, key: Any, now: float) -> Remote:
    return _document(remotes.create(connection, wanted.name, remote, now, type=wanted.type, key=key))


async def _list(call: Call) -> Page[Remote]:
    limit = call.given.get("limit", 100)
    rows = await call.catalog.read(remotes.list, call.given.get("after", ""), limit + 1)
    return call.page(rows, limit, _document, lambda row: row.name)


async def _get(call: Call, name: str) -> Remote:
    return _document(await call.catalog.read(remotes.get, name))


async def _change(call: Call, name: str) -> Remote:
    wanted = call.document(RemoteChange)
    fields = _checked(wanted.settings)
    if wanted.url is not UNSET:
        fields["url"] = wanted.url
    return await call.catalog.write(_update, call, name, wanted, fields)  # type: ignore[no-any-return]


def _update(connection: Any, call: Call, name: str, wanted: RemoteChange, fields: dict[str, Any]) -> Remote:
    call.unchanged(_document(remotes.get(connection, name)))
    key = call.catalog.key
    made = _made(call, remotes.reach(connection, name, key), dict(fields))
    rename = None if wanted.name is UNSET else str(wanted.name)
    return _document(remotes.update(connection, name, call.now(), made, rename=rename, key=key))


async def _delete(call: Call, name: str) -> Answer:
    await call.catalog.write(_remove, call, name)
    return Answer(b"", 204)


def _remove(connection: Any, call: Call, name: str) -> None:
    call.unchanged(_document(remotes.get(connection, name)))
    remotes.delete(connection, name)


ROUTES = (
    Route(
        method="GET",
        path="/remotes",
        says="List remotes by name.",
        run=_list,
        gives=Page[Remote],
        parameters=(after(), LIMIT),
    ),
    Route(
        method="POST",
        path="/remotes",
        says="Make a remote.",
        run=_create,
        scope="write",
        takes=NewRemote,
        gives=Remote,
        status=201,
    ),
    Route(method="GET", path="/remotes/<name>", says="Show a remote.", run=_get, gives=Remote),
    Route(
        method="PATCH",
        path="/remotes/<name>",
        says="Change a remote; what is left out stays, secrets too.",
        run=_change,
        scope="write",
        takes=RemoteChange,
        gives=Remote,
    ),
    Route(
        method="DELETE",
        path="/remotes/<name>",
        says="Forget a remote; what was synced from it stays.",
        run=_delete,
        scope="write",
        status=204,
    ),
)
