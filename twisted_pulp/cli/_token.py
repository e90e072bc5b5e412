"""`pulpdownloader token`: who may use the API of a daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import moment, table
from twisted_pulp.errors import NotInCatalog

if TYPE_CHECKING:
    from twisted_pulp.client import Client

__all__ = ["created", "listed", "revoked"]

_DAY = 86400.0


def created(place: Place, name: str, scope: Any, days: float | None) -> int:
    """
    Make the token *name*, which allows *scope*.

    :param days: after which it ends; None: never.
    """

    async def act(desk: Desk) -> None:
        from twisted_pulp.catalog import tokens

        now = time.time()
        expires = None if days is None else now + days * _DAY
        if desk.server is not None:
            from twisted_pulp.documents import NewToken

            found = to_builtins(await desk.server.create_token(NewToken(name=name, scope=scope, expires=expires)))
        else:
            row, secret = await desk.data.catalog.write(tokens.create, name, scope, now, expires=expires)
            found = {"secret": secret, "token": _document(row)}
        desk.answer(found, [found["secret"]])

    return worked(place, act)


def _document(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "name", "scope", "created", "used", "expires")}


def listed(place: Place) -> int:
    """List all tokens."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.tokens(), _all)
        rows = [
            (each["name"], each["scope"], moment(each["created"]), _moment(each["used"]), _moment(each["expires"]))
            for each in found
        ]
        desk.answer(found, table(("NAME", "SCOPE", "CREATED", "USED", "EXPIRES"), rows) if rows else [])

    return worked(place, act)


def _all(connection: Any) -> list[dict[str, Any]]:
    from twisted_pulp.catalog import tokens

    return [_document(row) for row in tokens.list(connection)]


def _moment(seconds: float | None) -> str:
    return "never" if seconds is None else moment(seconds)


def revoked(place: Place, name: str) -> int:
    """End the token *name*."""

    async def act(desk: Desk) -> None:
        await desk.change(lambda server: _revoke_there(server, name), _revoke, name)
        desk.answer({"revoked": name}, [f"revoked token {name}"])

    return worked(place, act)


def _revoke(connection: Any, name: str) -> None:
    from twisted_pulp.catalog import tokens

    tokens.delete(connection, tokens.named(connection, name).id)


async def _revoke_there(server: Client, name: str) -> None:
    found = [each.id async for each in server.tokens() if each.name == name]
    if not found:
        raise NotInCatalog("token", name)
    await server.delete_token(found[0])
