"""
Who fetches what, of all processes on one catalog.

A claim is a row that only one can insert. Its holder makes its beat grow; whoever waits watches that by a clock of its
own, and takes over what says nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen
from sqlalchemy import Connection, bindparam, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among, chunks, insert
from twisted_pulp.catalog._claim_tables import claim

__all__ = ["Claim", "beat", "forget", "give", "look", "take"]


@frozen
class Claim:
    """
    That somebody fetches something.

    :ivar name: what: a sha256, or what else tells it.
    :ivar holder: who.
    :ivar fence: grows when it changes hands; *beat* grows while the holder lives.
    """

    name: str
    holder: str
    fence: int
    beat: int


def take(connection: Connection, holder: str, names: Collection[str], stale: Sequence[Claim] = ()) -> dict[str, int]:
    """
    Claim what nobody has; return the names that *holder* has now, with their fences.

    :param stale: claims whose holders are dead; one that is still as it is here changes hands.
    """
    for each in sorted(stale, key=lambda one: one.name):
        same = claim.c.name == each.name, claim.c.fence == each.fence, claim.c.holder == each.holder
        values = {"holder": holder, "fence": each.fence + 1, "beat": 0}
        connection.execute(update_of(claim).where(*same, claim.c.beat == each.beat).values(values))
    insert(connection, claim, ("name", "holder"), [(name, holder) for name in sorted(names)], unique=("name",))
    return {each.name: each.fence for each in look(connection, names).values() if each.holder == holder}


def look(connection: Connection, names: Collection[str]) -> dict[str, Claim]:
    """Return the claims on *names*, by name."""
    found = {}
    for some in chunks(sorted(names)):
        for row in connection.execute(_NAMED, {"names": some}):
            found[row.name] = Claim(*row)
    return found


_NAMED = select(claim.c.name, claim.c.holder, claim.c.fence, claim.c.beat).where(among(claim.c.name, "names"))


def give(connection: Connection, holder: str, names: Collection[str]) -> None:
    """Give back what *holder* has of *names*."""
    for some in chunks(sorted(names)):
        connection.execute(_GIVEN, {"names": some, "who": holder})


_GIVEN = delete_from(claim).where(among(claim.c.name, "names"), claim.c.holder == bindparam("who"))


def beat(connection: Connection, holder: str) -> set[str]:
    """Say that *holder* lives; return the names that it still has."""
    mine = update_of(claim).where(claim.c.holder == holder).values(beat=claim.c.beat + 1)
    return set(connection.scalars(mine.returning(claim.c.name)))


def forget(connection: Connection, holder: str) -> int:
    """Give back everything that *holder*, which is dead, has; return how many that were."""
    return connection.execute(delete_from(claim).where(claim.c.holder == holder)).rowcount
