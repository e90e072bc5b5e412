"""Tokens: who may use the API. What they are is known to those who have them; here are hashes only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Literal

from attrs import field, frozen
from sqlalchemy import Connection, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog._job_tables import token as _token
from twisted_pulp.errors import NameTaken, NotInCatalog

__all__ = ["PREFIX", "TokenRow", "create", "delete", "find", "get", "list", "named", "note"]

#: What a token begins with, so that it is recognised where it should not be.
PREFIX = "pulp_"
#: Random bytes of a token: as many as nobody guesses, so that one round of a hash keeps it.
_BYTES = 32


@frozen
class TokenRow:
    """
    A token of the catalog.

    :ivar hash: sha256 of the token, hexadecimal.
    :ivar scope: what it allows: "read", "write" or "admin".
    :ivar created: seconds since the epoch, as *used* and *expires*, which may be None: never.
    """

    id: int
    name: str
    hash: str = field(repr=False)
    scope: str
    created: float
    used: float | None
    expires: float | None


def create(
    connection: Connection,
    name: str,
    scope: Literal["read", "write", "admin"],
    now: float,
    *,
    expires: float | None = None,
) -> tuple[TokenRow, str]:
    """
    Make a token, and return it with what it is: that is never known again.

    :param expires: seconds since the epoch; default None: never.
    :raises NameTaken: when there is one of this name.
    """
    secret = PREFIX + secrets.token_urlsafe(_BYTES)
    hashed = hashlib.sha256(secret.encode("ascii")).hexdigest()
    values = {"name": name, "hash": hashed, "scopes": scope, "created": now, "expires": expires}
    try:
        with connection.begin_nested():
            number = connection.execute(insert_into(_token).values(values).returning(_token.c.id)).scalar_one()
    except IntegrityError as error:
        raise NameTaken("token", name) from error
    return get(connection, number), secret


def get(connection: Connection, id: int) -> TokenRow:
    """
    Return the token of this number.

    :raises NotInCatalog: when there is none.
    """
    row = connection.execute(select(_token).where(_token.c.id == id)).one_or_none()
    if row is None:
        raise NotInCatalog("token", id)
    return TokenRow(*row)


def named(connection: Connection, name: str) -> TokenRow:
    """
    Return the token of this *name*.

    :raises NotInCatalog: when there is none.
    """
    row = connection.execute(select(_token).where(_token.c.name == name)).one_or_none()
    if row is None:
        raise NotInCatalog("token", name)
    return TokenRow(*row)


def find(connection: Connection, hash: str) -> TokenRow | None:
    """Return the token whose sha256 is *hash*, hexadecimal; None when there is none."""
    row = connection.execute(select(_token).where(_token.c.hash == hash)).one_or_none()
    return None if row is None else TokenRow(*row)


def list(connection: Connection, after: int = 0, limit: int | None = None) -> Sequence[TokenRow]:  # noqa: A001 -- read with its module: tokens.list
    """Return tokens in the order of their numbers: *limit* (default all) whose numbers come after *after*."""
    statement = select(_token).where(_token.c.id > after).order_by(_token.c.id).limit(limit)
    return [TokenRow(*row) for row in connection.execute(statement)]


def note(connection: Connection, id: int, now: float) -> None:
    """Note that a token was used; that one which is gone was, nobody minds."""
    connection.execute(update_of(_token).where(_token.c.id == id).values(used=now))


def delete(connection: Connection, id: int) -> None:
    """
    Revoke a token; its jobs stay.

    :raises NotInCatalog: when there is none of this number.
    """
    if not connection.execute(delete_from(_token).where(_token.c.id == id)).rowcount:
        raise NotInCatalog("token", id)
