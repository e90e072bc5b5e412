"""Repositories of a server, their versions, and what these have."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twisted_pulp.client._named import Named
from twisted_pulp.client._wire import path_of
from twisted_pulp.documents import Repository, Unit, Version

__all__ = ["Repositories"]


class Repositories(Named[Repository]):
    """All repositories."""

    def versions(self, name: str) -> AsyncIterator[Version]:
        """Return the versions of the repository *name*, the oldest first."""
        return self._wire.pages(Version, path_of("repositories", name, "versions"), limit=1000)

    async def version(self, name: str, number: int) -> Version:
        """Return version *number* of the repository *name*."""
        return await self._wire.get(Version, path_of("repositories", name, "versions", number))

    def content(self, name: str, number: int, type: str | None = None) -> AsyncIterator[Unit]:
        """Return what version *number* of the repository *name* has, of *type* or (None, the default) of any."""
        path = path_of("repositories", name, "versions", number, "content")
        return self._wire.pages(Unit, path, limit=1000, type=type)

    async def delete_version(self, name: str, number: int) -> None:
        """Delete version *number* of the repository *name*."""
        await self._wire.send("DELETE", path_of("repositories", name, "versions", number))
