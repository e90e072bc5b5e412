"""Paces: how many requests at once hosts bear, as far as they bear less than others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen
from sqlalchemy import Connection, bindparam, select
from sqlalchemy import delete as delete_from

from twisted_pulp.catalog._bulk import insert
from twisted_pulp.catalog._host_tables import pace

__all__ = ["PaceRow", "forget", "keep", "list"]

#: Characters of the longest name of a host (RFC 1035 3.1): a longer one is none.
_LONGEST = 253


@frozen(order=True)
class PaceRow:
    """
    What a host bears.

    :ivar allowed: requests at once.
    :ivar heard: when it answered last, in seconds since the epoch.
    """

    host: str
    port: int
    allowed: int
    heard: float


def list(connection: Connection) -> Sequence[PaceRow]:  # noqa: A001 -- read with its module: paces.list
    """Return all, the one heard of last first."""
    return [PaceRow(*row) for row in connection.execute(select(pace).order_by(pace.c.heard.desc()))]


def keep(connection: Connection, rows: Collection[PaceRow]) -> None:
    """Keep *rows*, in the place of those of the same hosts and ports."""
    given = sorted((row.host, row.port, row.allowed, row.heard) for row in rows if len(row.host) <= _LONGEST)
    columns = "host", "port", "allowed", "heard"
    insert(connection, pace, columns, given, unique=("host", "port"), change=("allowed", "heard"))


def forget(connection: Connection, hosts: Collection[tuple[str, int]], before: float) -> None:
    """
    Forget these hosts and ports, and all that were not heard of since *before*.

    :param before: seconds since the epoch.
    """
    for host, port in hosts:
        connection.execute(_ONE, {"at": host, "there": port})
    connection.execute(_OLD, {"before": before})


_ONE = delete_from(pace).where(pace.c.host == bindparam("at"), pace.c.port == bindparam("there"))
_OLD = delete_from(pace).where(pace.c.heard < bindparam("before"))
