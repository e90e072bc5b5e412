"""Tokens: who may use the API."""

from __future__ import annotations

from typing import Any

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import Refused, wrong
from twisted_pulp.api._route import LIMIT, Answer, Route, after
from twisted_pulp.catalog import tokens
from twisted_pulp.documents import NewToken, Page, Token, TokenSecret

__all__ = ["ROUTES"]


def _document(row: Any) -> Token:
    return Token(id=row.id, name=row.name, scope=row.scope, created=row.created, used=row.used, expires=row.expires)


async def _create(call: Call) -> Answer:
    wanted = call.document(NewToken)
    now = call.now()
    if wanted.expires is not None and wanted.expires <= now:
        raise wrong("/expires", "must be later than now")
    row, secret = await call.catalog.write(tokens.create, wanted.name, wanted.scope, now, expires=wanted.expires)
    headers = {"Location": f"{call.root}/tokens/{row.id}", "Cache-Control": "no-store"}
    return Answer(TokenSecret(secret=secret, token=_document(row)), 201, headers)


async def _list(call: Call) -> Page[Token]:
    limit = call.given.get("limit", 100)
    rows = await call.catalog.read(tokens.list, call.given.get("after", 0), limit + 1)
    return call.page(rows, limit, _document, lambda row: row.id)


async def _get(call: Call, id: int) -> Token:
    return _document(await call.catalog.read(tokens.get, id))


async def _delete(call: Call, id: int) -> Answer:
    if id == call.principal.id:
        raise Refused(status=409, code="own_token", detail="It is the token that you use; revoke it with another.")
    await call.catalog.write(tokens.delete, id)
    call.api.doorkeeper.forget()
    return Answer(b"", 204)


_ONE = "/tokens/<id>"
ROUTES = (
    Route(
        method="GET",
        path="/tokens",
        says="List tokens; what they are is not known.",
        run=_list,
        scope="admin",
        gives=Page[Token],
        parameters=(after("integer"), LIMIT),
    ),
    Route(
        method="POST",
        path="/tokens",
        says="Make a token; it is shown this once.",
        run=_create,
        scope="admin",
        takes=NewToken,
        gives=TokenSecret,
        status=201,
    ),
    Route(method="GET", path=_ONE, says="Show a token.", run=_get, scope="admin", gives=Token),
    Route(
        method="DELETE",
        path=_ONE,
        says="Revoke a token, at once; not the one that is used for it.",
        run=_delete,
        scope="admin",
        status=204,
    ),
)
