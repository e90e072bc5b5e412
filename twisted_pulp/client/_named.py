"""What a server has under names, such as remotes and distributions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

from attrs import define

from twisted_pulp.client._wire import Wire, path_of

__all__ = ["Named"]

T = TypeVar("T")


@define(eq=False)
class Named(Generic[T]):
    """
    Everything of one kind, each with a name.

    Documents are those of `twisted_pulp.documents`: `Remote`, `NewRemote` and `RemoteChange`, for example. Every method
    raises `ServerError` for what the server refuses, and `ServerUnreachable` when none answers.
    """

    _wire: Wire
    _noun: str
    _kind: type[T]

    def list(self) -> AsyncIterator[T]:
        """Return all, by name; no more than a page of them is held."""
        return self._wire.pages(self._kind, f"/{self._noun}", limit=1000)

    async def get(self, name: str) -> T:
        """Return the one that is called *name*."""
        return await self._wire.get(self._kind, path_of(self._noun, name))

    async def create(self, new: Any) -> T:
        """Make one as *new* says."""
        return await self._wire.send("POST", f"/{self._noun}", self._kind, new)  # type: ignore[no-any-return]

    async def update(self, name: str, change: Any) -> T:
        """Change what *change* says; everything else stays."""
        return await self._wire.send("PATCH", path_of(self._noun, name), self._kind, change)  # type: ignore[no-any-return]

    async def delete(self, name: str) -> None:
        """Delete the one that is called *name*."""
        await self._wire.send("DELETE", path_of(self._noun, name))
