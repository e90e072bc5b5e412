"""What hosts bear is kept."""

from __future__ import annotations

from pytest_twisted import ensureDeferred

from twisted_pulp.catalog import Catalog, paces
from twisted_pulp.catalog.paces import PaceRow

OLD, NEW = PaceRow("a.example", 80, 3, 100.0), PaceRow("a.example", 80, 5, 200.0)
OTHER = PaceRow("a.example", 443, 1, 150.0)


@ensureDeferred
async def test_kept(catalog: Catalog) -> None:
    """The newest is kept of each host and port; the one heard of last comes first."""
    await catalog.write(paces.keep, [OLD, OTHER])
    await catalog.write(paces.keep, [NEW])
    assert [NEW, OTHER] == await catalog.read(paces.list)


@ensureDeferred
async def test_forgotten(catalog: Catalog) -> None:
    """Those that are named are forgotten, and those that are old."""
    old = PaceRow("b.example", 80, 2, 10.0)
    await catalog.write(paces.keep, [OLD, OTHER, old])
    await catalog.write(paces.forget, [("a.example", 80)], 11.0)
    assert [OTHER] == await catalog.read(paces.list)


@ensureDeferred
async def test_long(catalog: Catalog) -> None:
    """What is no name of a host is not kept, on any database."""
    await catalog.write(paces.keep, [PaceRow("x" * 254, 80, 2, 1.0), OTHER])
    assert [OTHER] == await catalog.read(paces.list)
