"""The processes that share a catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import asdict, frozen
from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog._cluster_tables import node

__all__ = ["NodeRow", "beat", "forget", "leave", "list"]


@frozen(kw_only=True)
class NodeRow:
    """
    A process that shares the catalog. Times are seconds since the epoch, by its own clock.

    :ivar name: no other's.
    :ivar urls: where clients find it.
    :ivar figures: numbers by name.
    :ivar seen: when it said last that it lives.
    :ivar beat: how often it has.
    """

    name: str
    host: str
    pid: int
    version: str
    roles: Sequence[str]
    urls: Sequence[str]
    figures: Mapping[str, float]
    started: float
    seen: float
    beat: int = 0


def beat(connection: Connection, row: NodeRow) -> None:
    """Say that the node *row* lives, and what is known of it; its count grows by one."""
    values = asdict(row, recurse=False) | {"beat": node.c.beat + 1}
    lists = {"roles": [*row.roles], "urls": [*row.urls], "figures": dict(row.figures)}
    again = update_of(node).where(node.c.name == row.name).values(values | lists)
    if connection.execute(again).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert_into(node).values(values | lists | {"beat": 1}))
    except IntegrityError:  # it was somebody else of this name, who began at the same moment
        connection.execute(again)


def list(connection: Connection) -> Sequence[NodeRow]:  # noqa: A001 -- read with its module: nodes.list
    """Return all nodes, also those that are dead, by their names."""
    return [NodeRow(**row) for row in connection.execute(select(node).order_by(node.c.name)).mappings()]


def forget(connection: Connection, row: NodeRow) -> None:
    """Forget the node *row*, unless it has said since that it lives."""
    connection.execute(delete(node).where(node.c.name == row.name, node.c.beat == row.beat))


def leave(connection: Connection, name: str, pid: int) -> None:
    """Forget the node *name*, if it is the process *pid*."""
    connection.execute(delete(node).where(node.c.name == name, node.c.pid == pid))
