"""Who is logged in to the dashboard: known to all processes that share the catalog."""

from __future__ import annotations

from attrs import field, frozen
from sqlalchemy import Connection, func, or_, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of

from twisted_pulp.catalog._cluster_tables import session
from twisted_pulp.catalog._job_tables import token

__all__ = ["SessionRow", "begin", "end", "find", "heard", "note", "say"]


@frozen
class SessionRow:
    """
    A session of the catalog, and the token that it was begun with. Times are seconds since the epoch.

    :ivar hash: sha256 of what its cookie says, hexadecimal.
    :ivar expires: when the token does, or None.
    :ivar notice: to be shown on the next page, or None; *good*: whether it is good news.
    """

    hash: str = field(repr=False)
    token: int
    name: str
    scope: str
    expires: float | None
    created: float
    used: float
    notice: str | None
    good: bool


def begin(connection: Connection, hash: str, token_id: int, now: float, idle: float, longest: float, most: int) -> None:
    """
    Begin a session of who has a token, and forget those that are over.

    :param idle: seconds for which one that is not used stays; *longest*: for which any does.
    :param most: sessions at once: those that were not used for longest end first.
    """
    over = or_(session.c.used < now - idle, session.c.created < now - longest)
    connection.execute(delete_from(session).where(over))
    count = connection.scalar(select(func.count()).select_from(session)) or 0
    if count >= most:
        oldest = select(session.c.hash).order_by(session.c.used, session.c.created).limit(count - most + 1)
        connection.execute(delete_from(session).where(session.c.hash.in_(oldest)))
    connection.execute(insert_into(session).values(hash=hash, token_id=token_id, created=now, used=now))


_FOUND = select(
    session.c.hash,
    token.c.id,
    token.c.name,
    token.c.scopes,
    token.c.expires,
    session.c.created,
    session.c.used,
    session.c.notice,
    session.c.good,
).join_from(session, token, session.c.token_id == token.c.id)


def find(connection: Connection, hash: str) -> SessionRow | None:
    """Return the session whose cookie has this *hash*, also one that is over; None when there is none."""
    row = connection.execute(_FOUND.where(session.c.hash == hash)).one_or_none()
    return None if row is None else SessionRow(*row)


def note(connection: Connection, hash: str, now: float) -> None:
    """Note that a session was used; that one which is gone was, nobody minds."""
    connection.execute(update_of(session).where(session.c.hash == hash, session.c.used < now).values(used=now))


def say(connection: Connection, hash: str, notice: str, good: bool) -> None:
    """Keep what is to be shown on the next page."""
    connection.execute(update_of(session).where(session.c.hash == hash).values(notice=notice, good=good))


def heard(connection: Connection, hash: str, notice: str) -> None:
    """Forget what was shown, unless it is something else by now."""
    shown = session.c.hash == hash, session.c.notice == notice
    connection.execute(update_of(session).where(*shown).values(notice=None))


def end(connection: Connection, hash: str) -> None:
    """End a session, wherever it is used."""
    connection.execute(delete_from(session).where(session.c.hash == hash))
