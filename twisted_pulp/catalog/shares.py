"""
How many connections to a host each process may have, of those that all together may.

A process writes its own row only, in turn with the others, and gives itself no more than nobody else has: so the sum is
never above the cap, whatever anybody wants. What each should have is counted the same way by all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from attrs import frozen
from sqlalchemy import Connection, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among, insert
from twisted_pulp.catalog._claim_tables import share

__all__ = ["Share", "beat", "due", "give", "look", "settle"]


@frozen
class Share:
    """
    What a process has of a host.

    :ivar slots: connections that it may have.
    :ivar wanted: that it has use for.
    :ivar beat: grows while it lives.
    """

    host: str
    holder: str
    slots: int
    wanted: int
    beat: int


_COLUMNS = share.c.host, share.c.holder, share.c.slots, share.c.wanted, share.c.beat
_OF = select(*_COLUMNS).where(among(share.c.host, "hosts"))


def look(connection: Connection, hosts: Collection[str]) -> dict[str, list[Share]]:
    """Return the shares of these hosts, by host."""
    found: dict[str, list[Share]] = {host: [] for host in hosts}
    for row in connection.execute(_OF, {"hosts": sorted(hosts)}):
        found[row.host].append(Share(*row))
    return found


def due(holder: str, wanted: int, slots: int, others: Sequence[Share], limit: int, turn: int) -> int:
    """
    Return how many slots *holder* should have now.

    :param wanted: that it has use for.
    :param slots: that it has.
    :param others: what the others have and want.
    :param limit: that all together may have.
    :param turn: where there are more of them than slots, each has one in its turn.
    """
    free = max(0, limit - slots - sum(each.slots for each in others))
    fair = _fair({holder: wanted, **{each.holder: each.wanted for each in others}}, limit, turn)
    if any(each.slots < min(each.wanted, fair[each.holder]) for each in others):
        return min(slots, fair[holder]) if slots > fair[holder] else min(fair[holder], slots + free)
    return max(slots, min(wanted, slots + free)) if wanted > slots else slots


def _fair(wanted: Mapping[str, int], limit: int, turn: int) -> dict[str, int]:
    """Give one slot after the other to those that want more, beginning with another one in each turn."""
    given = dict.fromkeys(wanted, 0)
    names = sorted(wanted)
    names = names[turn % len(names) :] + names[: turn % len(names)]
    left = limit
    while left and (hungry := [name for name in names if given[name] < wanted[name]]):
        for name in hungry[:left]:
            given[name] += 1
        left -= len(hungry[:left])
    return given


def settle(
    connection: Connection,
    host: str,
    holder: str,
    *,
    wanted: int,
    had: int,
    open: int,
    limit: int,
    dead: Sequence[Share],
    turn: int,
) -> int:
    """
    Note what *holder* wants of *host*, and return the slots that it has from now on.

    :param had: slots that it takes itself to have: more than the catalog says, they were taken from it.
    :param open: connections that it has: until they are closed, nobody else has their slots.
    :param dead: shares of those that say nothing any more; what is still as it is here is given back.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_number(host))))
    for each in dead:
        same = share.c.host == host, share.c.holder == each.holder, share.c.beat == each.beat
        connection.execute(delete_from(share).where(*same))
    rows = look(connection, [host])[host]
    slots = next((each.slots for each in rows if each.holder == holder), 0)
    become = due(holder, wanted, min(slots, had), [each for each in rows if each.holder != holder], limit, turn)
    row = (host, holder, max(become, open), wanted)
    columns = "host", "holder", "slots", "wanted"
    insert(connection, share, columns, [row], unique=("host", "holder"), change=("slots", "wanted"))
    return become


def _number(host: str) -> int:
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:8], signed=True)


def beat(connection: Connection, holder: str) -> None:
    """Say that *holder* lives."""
    connection.execute(update_of(share).where(share.c.holder == holder).values(beat=share.c.beat + 1))


def give(connection: Connection, holder: str, hosts: Collection[str] | None = None) -> None:
    """Give back what *holder* has of *hosts*; default: of all."""
    mine = delete_from(share).where(share.c.holder == holder)
    if hosts is None:
        connection.execute(mine)
    else:
        connection.execute(mine.where(among(share.c.host, "hosts")), {"hosts": sorted(hosts)})
