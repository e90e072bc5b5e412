"""Whether all that share a catalog have one key."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from twisted_pulp.catalog import Catalog, nodes, seals
from twisted_pulp.catalog._key import marks_of
from twisted_pulp.errors import KeyRefused
from twisted_pulp.upkeep import DataDirectory

__all__ = ["check_key", "live"]

#: Seconds in which a node that lives says so two times at least, and from one look to the next.
_WHILE, _TICK = 12.0, 0.5


async def check_key(reactor: Any, data: DataDirectory, key: str | None) -> None:
    """
    Make sure that we can read the secrets of a catalog that others share, and they ours.

    :param key: path of the key's file; None: in the data directory.
    :raises KeyRefused: they were sealed with another key, others that live have another, or ours cannot be read.
    """
    if data.catalog.dialect == "sqlite":
        return
    path = key or os.path.join(data.path, "key")
    marks = await deferToThreadPool(reactor, reactor.getThreadPool(), marks_of, path)
    if await data.catalog.write(seals.agreed, marks):
        return
    told = f"the catalog's secrets were sealed with another key than that in {path}"
    if not await data.catalog.read(seals.sealed):
        if await live(reactor, data.catalog):
            told = f"others that share the catalog have another key than that in {path}"
        elif await data.catalog.write(seals.renewed, marks):
            return
    raise KeyRefused(f"{told}: give all daemons that share a catalog the same key file, by the setting `key`")


async def live(reactor: Any, catalog: Catalog) -> bool:
    """Return whether others share *catalog* now: whether one says so within a while."""
    known = {row.name: row.beat for row in await catalog.read(nodes.list)}
    until = reactor.seconds() + _WHILE
    while reactor.seconds() < until:
        await deferLater(reactor, _TICK)
        if any(row.beat > known.get(row.name, 0) for row in await catalog.read(nodes.list)):
            return True
    return False
