"""What a client wants of an upstream, as far as it may say."""

from __future__ import annotations

from collections.abc import Hashable

from attrs import frozen

from twisted_pulp.settings import Remote
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.urls import origin_of

__all__ = ["Page"]


@frozen
class Page:
    """
    A file that may change, in one of the forms that are known.

    :ivar remote_id: the Remote's number in the catalog.
    :ivar name: what it is known by: its URL, or that without secrets.
    :ivar kind: the form that was negotiated, or "".
    :ivar remote: reaches it.
    :ivar url: that is asked for.
    :ivar caching: how long it is kept.
    """

    remote_id: int
    name: str
    kind: str
    remote: Remote
    url: str
    caching: Caching

    @property
    def key(self) -> tuple[int, str, str]:
        """What it is kept under."""
        return self.remote_id, self.name, self.kind

    @property
    def flight(self) -> Hashable:
        """What is equal for clients whom one request upstream can serve."""
        return (*self.key, self.caching.store_private)

    @property
    def host(self) -> Hashable:
        """What is equal for those that fail together."""
        return self.remote_id, origin_of(self.url)
