"""Let those who wait for a unit go on, and make units part of the new version."""

from __future__ import annotations

from typing import Any

from twisted_pulp.catalog import contents, versions
from twisted_pulp.stages._declarative import Content
from twisted_pulp.stages._stage import Stage

__all__ = ["ContentAssociation", "ResolveContents"]


class ResolveContents(Stage):
    """Let those who wait for the `resolution` of a unit go on."""

    patience = None

    async def run(self) -> None:
        """Pass on each unit."""
        async for batch in self.batches(1):
            for unit in batch:
                unit.resolve()
                await self.put(unit)


class ContentAssociation(Stage):
    """
    Add units to a version; when a mirror is made, remove in the end what the upstream has no more.

    :param draft: the version that is being made.
    """

    patience = None

    def __init__(self, draft: Any) -> None:
        self._draft = draft

    async def run(self) -> None:
        """Pass on each unit when it is in the version."""
        sync, draft = self.sync, self._draft
        with sync.progress("associating.content", "Associating Content") as report:
            async for batch in self.batches():
                ids = list(dict.fromkeys(unit.content_id for unit in batch))
                report.advance(await sync.catalog.write(_add, draft, ids, sync.mirror))
                await self.put_all(batch)
        if sync.mirror and not sync.skipped:
            with sync.progress("unassociating.content", "Un-Associating Content") as report:
                report.advance(await sync.catalog.write(_remove, draft, self._failed()))

    def _failed(self) -> dict[str, list[Content]]:
        """
        Return what the upstream has and could not be had, by type.

        What is known of it is not removed; nor what it would replace: an old file that is good is better than none.
        """
        failed: dict[str, list[Content]] = {}
        for each in self.sync.failed:
            failed.setdefault(each.content.type, []).append(each.content)
        return failed


def _add(connection: Any, draft: Any, ids: list[int], seen: bool) -> int:
    if seen:
        versions.seen(connection, draft, ids)
    return versions.add(connection, draft, ids)


def _remove(connection: Any, draft: Any, failed: dict[str, list[Content]]) -> int:
    for kind, units in failed.items():
        known = contents.find(connection, kind, {unit.key_text for unit in units}).values()
        before = contents.placed(connection, kind, {unit.place for unit in units if unit.place is not None})
        versions.seen(connection, draft, [*{*known, *before}])
    return versions.remove_unseen(connection, draft)
