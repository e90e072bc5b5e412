"""Verification: are the stored bytes still those that were stored?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import artifacts
from twisted_pulp.upkeep._crew import cores, each

if TYPE_CHECKING:
    from twisted_pulp.catalog import Catalog
    from twisted_pulp.interfaces import IStorage
    from twisted_pulp.upkeep._repair import Repair

__all__ = ["Damage", "Unrepairable", "Verification", "Verified"]

#: Artifacts that are asked for at once; as many are known at a time.
_PAGE = 1000


@frozen(kw_only=True)
class Damage:
    """
    An artifact that is not what it was.

    :ivar id: of the artifact in the catalog.
    :ivar sha256: what its bytes should have.
    :ivar size: how many there should be.
    :ivar kind: "missing", "truncated" (another size) or "flipped" (other bytes).
    """

    id: int
    sha256: str
    size: int
    kind: Literal["missing", "truncated", "flipped"]


@frozen(kw_only=True)
class Unrepairable:
    """
    A damaged artifact that could not be had again.

    :ivar damage: what it is.
    :ivar paths: what the artifact is called where it is used; some of them.
    :ivar reason: why it could not be repaired.
    """

    damage: Damage
    paths: tuple[str, ...]
    reason: str


@define(kw_only=True)
class Verified:
    """
    What a verification has found.

    :ivar checked: artifacts that were read.
    :ivar bytes: that they should have.
    :ivar damaged: artifacts that are not what they were.
    :ivar repaired: how many of these are it again.
    :ivar unrepairable: the others, where repair was wanted.
    """

    checked: int = 0
    bytes: int = 0
    damaged: int = 0
    repaired: int = 0
    unrepairable: list[Unrepairable] = field(factory=list)


class Verification:
    """
    Read every artifact of a catalog again, as many at once as there are processors, and compare.

    What is in the storage and not in the catalog is no damage; `Cleanup` removes it.
    Artifacts that a repository knows, but that were never downloaded, are none either.

    :ivar found: what was found so far.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: IStorage,
        *,
        repair: Repair | None = None,
        jobs: int | None = None,
        damaged: Callable[[Damage], object] = lambda damage: None,
    ) -> None:
        """
        :param repair: downloads again what is damaged; default None: nothing is changed.
        :param jobs: artifacts that are read at once; default None: as many as there are processors.
        :param damaged: called with each damage, when it is found.
        """
        self._catalog, self._storage, self._repair = catalog, storage, repair
        self._jobs = jobs or cores()
        self._damaged = damaged
        self.found = Verified()

    def run(self) -> Deferred[Verified]:
        """
        Verify everything.

        :returns: a Deferred of what was found; to cancel it ends the work.
        """
        return Deferred.fromCoroutine(self._run())

    async def _run(self) -> Verified:
        async for page in self._pages():
            damages: list[Damage] = []
            await each(page, lambda stored: self._check(stored, damages), self._jobs)  # noqa: B023 -- awaited here
            if damages:
                await self._take(damages)
        return self.found

    async def _pages(self) -> AsyncIterator[list[artifacts.Stored]]:
        after = 0
        while page := await self._catalog.read(artifacts.each, after, _PAGE):
            yield page
            after = page[-1].id

    async def _check(self, stored: artifacts.Stored, damages: list[Damage]) -> None:
        kind: Any = await self._storage.check(stored.sha256, stored.size)
        self.found.checked += 1
        self.found.bytes += stored.size
        if kind is not None:
            damages.append(Damage(id=stored.id, sha256=stored.sha256, size=stored.size, kind=kind))

    async def _take(self, damages: list[Damage]) -> None:
        # A cleanup may have removed one since the catalog was asked.
        wanted = [("sha256", damage.sha256) for damage in damages]
        known = await self._catalog.read(artifacts.find, wanted)
        damages = [damage for damage in damages if ("sha256", damage.sha256) in known]
        self.found.damaged += len(damages)
        for damage in damages:
            self._damaged(damage)
        if self._repair is not None:
            await self._mend(damages, self._repair)

    async def _mend(self, damages: list[Damage], repair: Repair) -> None:
        async def mend(damage: Damage) -> None:
            failed = await repair.mend(damage)
            if failed is None:
                self.found.repaired += 1
            else:
                self.found.unrepairable.append(failed)

        await each(damages, mend, repair.jobs)
