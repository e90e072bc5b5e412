"""Change a repository by a list of additions and removals."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from itertools import islice
from typing import Any, Literal

from attrs import frozen
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import contents, versions
from twisted_pulp.downloader._crowd import Results
from twisted_pulp.errors import NotInCatalog
from twisted_pulp.stages._declarative import Content, DeclarativeContent
from twisted_pulp.stages._pipeline import Pipeline
from twisted_pulp.stages._stage import MINSIZE, Stage
from twisted_pulp.stages._version import DeclarativeVersion

__all__ = ["ChangeReport", "ChangeSet"]


@frozen
class ChangeReport:
    """
    What became of one change.

    :ivar action: "added" or "removed".
    :ivar content: the unit.
    :ivar error: why it failed; None is success, which counts once there is the version.
    """

    action: Literal["added", "removed"]
    content: Content
    error: Exception | None = None


_Give = Callable[[ChangeReport], "Deferred[None]"]


class ChangeSet(DeclarativeVersion):
    """
    Change a repository by units that are added and units that are removed; one that fails does not stop the others.

    :ivar version: the row of the version that was made; None when nothing has changed, and until then.
    """

    kind = "change"
    _give: _Give

    def __init__(
        self,
        repository: Any,
        additions: Iterable[DeclarativeContent] | AsyncIterable[DeclarativeContent] = (),
        removals: Iterable[Content] = (),
        **fields: Any,
    ) -> None:
        """
        :param repository: its row.
        :param additions: units to be added; pulled as they are wanted.
        :param removals: units to be removed, once the others are added; pulled as they are wanted.
        :param fields: those of `Sync`, except `mirror` and `keep_going`.
        """
        super().__init__(_Additions(additions), repository, mirror=False, keep_going=True, **fields)
        self._removals = removals
        self.version: Any = None

    def pipeline(self, draft: Any) -> Pipeline:
        """Return the stages; override it to insert, replace or remove some."""
        stages = super().pipeline(draft).stages
        return Pipeline((*stages, _Reporting(self._give), _Removing(draft, self._removals, self._give)))

    def apply(self) -> AsyncIterator[ChangeReport]:
        """
        Make the changes; once.

        :returns: a report for each. When they end, the version is there; leaving the loop before undoes all of them.
            What is nobody's fault alone, such as a full disk, is raised, and there is no version either.
        """

        def begin(give: _Give) -> Any:
            self._give = give
            return self

        return Results(begin)

    def run(self) -> Deferred[None]:
        """Make the changes; `apply` does it."""
        return self.create().addCallback(self._made_it)

    def _made_it(self, version: Any) -> None:
        self.version = version


class _Additions(Stage):
    """Put what is to be added."""

    patience = None

    def __init__(self, additions: Iterable[DeclarativeContent] | AsyncIterable[DeclarativeContent]) -> None:
        self._additions = additions

    async def run(self) -> None:
        if isinstance(self._additions, AsyncIterable):
            async for unit in self._additions:
                await self.put(unit)
        else:
            for unit in self._additions:
                await self.put(unit)


class _Reporting(Stage):
    """Report what was added, and what could not be."""

    patience = None

    def __init__(self, give: _Give) -> None:
        self._give, self._told = give, 0

    async def run(self) -> None:
        async for unit in self.items():
            await self._give(ChangeReport("added", unit.content))
            await self._tell()
        await self._tell()

    async def _tell(self) -> None:
        failed = self.sync.failed
        while self._told < len(failed):
            each = failed[self._told]
            self._told += 1
            await self._give(ChangeReport("added", each.content, each.error))


class _Removing(Stage):
    """Remove what is to be removed, and report it."""

    patience = None

    def __init__(self, draft: Any, removals: Iterable[Content], give: _Give) -> None:
        self._draft, self._removals, self._give = draft, iter(removals), give

    async def run(self) -> None:
        async for _ in self.items():
            raise AssertionError("nothing is put by the stage before")
        while some := list(islice(self._removals, MINSIZE)):
            removed = await self.sync.catalog.write(_removed, self._draft, some)
            for content, done in zip(some, removed, strict=True):
                error = None if done else NotInCatalog("content", "/".join(content.key))
                await self._give(ChangeReport("removed", content, error))


def _removed(connection: Any, draft: Any, some: list[Content]) -> list[bool]:
    """Remove each of *some*; return of each whether it was there."""
    keys: dict[str, list[str]] = {}
    for content in some:
        keys.setdefault(content.type, []).append(content.key_text)
    found = {kind: contents.find(connection, kind, texts) for kind, texts in keys.items()}
    ids = [found[content.type].get(content.key_text) for content in some]
    return [each is not None and versions.remove(connection, draft, [each]) > 0 for each in ids]
