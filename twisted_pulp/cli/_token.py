"""`pulpdownloader token`: who may use the API of a daemon."""

from __future__ import annotations

import time
from typing import Any

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import moment, table

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
        row, secret = await desk.data.catalog.write(tokens.create, name, scope, now, expires=expires)
        desk.answer({"secret": secret, "token": _document(row)}, [secret])

    return worked(place, act)


def _document(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "name", "scope", "created", "used", "expires")}


def listed(place: Place) -> int:
    """List all tokens."""

    async def act(desk: Desk) -> None:
        from twisted_pulp.catalog import tokens

        found = [_document(row) for row in await desk.data.catalog.read(tokens.list)]
        rows = [
            (each["name"], each["scope"], moment(each["created"]), _moment(each["used"]), _moment(each["expires"]))
            for each in found
        ]
        desk.answer(found, table(("NAME", "SCOPE", "CREATED", "USED", "EXPIRES"), rows) if rows else [])

    return worked(place, act)


def _moment(seconds: float | None) -> str:
    return "never" if seconds is None else moment(seconds)


def revoked(place: Place, name: str) -> int:
    """End the token *name*."""

    async def act(desk: Desk) -> None:
        await desk.data.catalog.write(_revoke, name)
        desk.answer({"revoked": name}, [f"revoked token {name}"])

    return worked(place, act)


def _revoke(connection: Any, name: str) -> None:
    from twisted_pulp.catalog import tokens

    tokens.delete(connection, tokens.named(connection, name).id)
