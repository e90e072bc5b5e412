"""Which key the secrets of a catalog are sealed with, on both databases."""

from __future__ import annotations

from cryptography.fernet import Fernet
from pytest_twisted import ensureDeferred
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog, Key, nodes, remotes, seals
from twisted_pulp.catalog.nodes import NodeRow
from twisted_pulp.service._seal import live
from twisted_pulp.settings import Remote


@ensureDeferred
async def test_first(catalog: Catalog) -> None:
    """The first that asks says which key it is, and others must have it: as one of theirs, too."""
    assert await catalog.write(seals.agreed, ["one"])
    assert await catalog.write(seals.agreed, ["one"])
    await catalog.write(_kept, Key(Fernet.generate_key()))
    assert not await catalog.write(seals.agreed, ["two"])
    assert await catalog.write(seals.agreed, ["one"])


@ensureDeferred
async def test_renewed(catalog: Catalog) -> None:
    """A new key before the old one is the one from then on, and the old one can go."""
    assert await catalog.write(seals.agreed, ["old"])
    await catalog.write(_kept, Key(Fernet.generate_key()))
    assert await catalog.write(seals.agreed, ["old", "new"])
    assert not await catalog.write(seals.agreed, ["new"])
    assert await catalog.write(seals.agreed, ["new", "old"])
    assert await catalog.write(seals.agreed, ["old", "new"])
    assert await catalog.write(seals.agreed, ["new", "old"])
    assert await catalog.write(seals.agreed, ["new"])


@ensureDeferred
async def test_nothing_sealed(catalog: Catalog) -> None:
    """Where nothing is sealed another key can be taken, by who means to."""
    assert await catalog.write(seals.agreed, ["one"])
    assert not await catalog.write(seals.agreed, ["two"])
    assert await catalog.write(seals.renewed, ["two"])
    assert await catalog.write(seals.agreed, ["two"])
    await catalog.write(_kept, Key(Fernet.generate_key()))
    assert not await catalog.write(seals.renewed, ["one"])
    assert await catalog.write(seals.agreed, ["two"])


@ensureDeferred
async def test_others_live(reactor: IReactor, catalog: Catalog) -> None:
    """Others have agreed upon a key while one of them says that it lives, not when they are known only."""
    row = NodeRow(name="n", host="h", pid=1, version="1", roles=["api"], urls=[], figures={}, started=1.0, seen=1.0)
    await catalog.write(nodes.beat, row)
    for says in (False, True):
        clock = Clock()
        looking = Deferred.fromCoroutine(live(clock, catalog))
        while not looking.called:
            clock.advance(0.5)
            await deferLater(reactor, 0.01)
            if says:
                await catalog.write(nodes.beat, row)
        assert says == await looking


def _kept(connection: Connection, key: Key) -> None:
    remotes.create(connection, "private", Remote(url="http://h/", username="u", password="p"), 1.0, key=key)
