"""Whether all that share a catalog have one key."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_pulp.catalog import seals
from twisted_pulp.catalog._key import marks_of
from twisted_pulp.errors import KeyRefused
from twisted_pulp.upkeep import DataDirectory

__all__ = ["check_key"]


async def check_key(reactor: Any, data: DataDirectory, key: str | None) -> None:
    """
    Make sure that we can read the secrets of a catalog that others share.

    :param key: path of the key's file; None: in the data directory.
    :raises KeyRefused: they were sealed with another key, or ours cannot be read.
    """
    if data.catalog.dialect == "sqlite":
        return
    path = key or os.path.join(data.path, "key")
    marks = await deferToThreadPool(reactor, reactor.getThreadPool(), marks_of, path)
    if not await data.catalog.write(seals.agreed, marks):
        raise KeyRefused(
            f"the catalog's secrets were sealed with another key than that in {path}: "
            "give all daemons that share a catalog the same key file, by the setting `key`"
        )
