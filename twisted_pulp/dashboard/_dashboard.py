"""The pages, together."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource

from twisted_pulp.dashboard._leaf import Leaf
from twisted_pulp.dashboard._sessions import Sessions
from twisted_pulp.live import EventStreams, Running

__all__ = ["Dashboard"]


class Dashboard:
    """
    Pages that show what a daemon does, and let it do more.

    They are for those who have a token of the API, and show and do what that allows.

    :param running: the parts of the daemon.
    :ivar sessions: of those who are logged in.
    :ivar streams: of those to whom changes are told as they happen; they end with the feed.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.sessions = Sessions(running.data.catalog, running.context.now, running.reactor.seconds)
        self.streams = EventStreams(running.feed, running.reactor)

    def resource(self) -> Resource:
        """Return what is to be the root of a site; other faces are its children."""
        return _Root(Leaf(self))


class _Root(Resource):
    """Everything that is not a child's is the dashboard's."""

    def __init__(self, leaf: Leaf) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._leaf = leaf

    def getChild(self, path: bytes, request: Any) -> Any:
        """Return what answers for the dashboard."""
        return self._leaf

    def render(self, request: Any) -> Any:
        """Answer a request that has no path."""
        return self._leaf.render(request)
