"""The downloaders by which transfers for clients reach their Remotes."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve
from twisted.internet.defer import Deferred, DeferredList

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import PulpError
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Hooks

__all__ = ["Roads"]

# Seconds of Retry-After that a client is kept waiting for; a longer one it is told itself.
_PATIENCE = 5.0
# Remotes, of those that nobody uses at the moment, for which a downloader is kept.
_MANY = 256


@define(eq=False)
class _Road:
    remote: Remote  # by whose place in memory it is known
    downloader: Any
    users: int = 0


class Roads:
    """
    One downloader for each Remote, however many transfers go over it.

    :param context: what all downloads share.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._roads: dict[int, _Road] = {}

    def take(self, remote: Remote) -> Any:
        """Return the downloader for *remote*, which is kept until as many have left it."""
        road = self._roads.get(id(remote))
        if road is None:
            self._clear()
            road = self._roads[id(remote)] = self._made(remote)
        road.users += 1
        return road.downloader

    def _made(self, remote: Remote) -> _Road:
        # Nobody lets clients wait for hours.
        retry = evolve(remote.retry, retry_after=min(remote.retry.retry_after, _PATIENCE))
        downloader = self._context.downloader(evolve(remote, retry=retry), hooks=Hooks(attempt_failed=_failed))
        downloader.agent = self._context.agent(remote)  # not one for each of its likes
        return _Road(remote, downloader)

    def leave(self, remote: Remote) -> None:
        """One who took it does not need it any more."""
        self._roads[id(remote)].users -= 1

    def _clear(self) -> None:
        if len(self._roads) >= _MANY:
            for key in [key for key, road in self._roads.items() if not road.users]:
                self._roads.pop(key).downloader.close()

    def close(self) -> Deferred[None]:
        """Give all of them back."""
        roads, self._roads = self._roads, {}
        return DeferredList([road.downloader.close() for road in roads.values()]).addCallback(lambda _: None)


def _failed(download: Download, source: Source, error: PulpError) -> Any:
    return download.attachment.attempt_failed(download, source, error)
