"""What there is at a path."""

from __future__ import annotations

from attrs import frozen

from twisted_pulp.catalog.paths import Name
from twisted_pulp.streamer._caching import DEFAULT, Caching
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._upstream import Place
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["Cold", "Directory", "Found", "Kept", "Moved", "Through"]


@frozen
class Kept:
    """
    A file that is stored.

    :ivar entity: with its sha256 and size.
    """

    entity: Entity


@frozen
class Cold:
    """
    A file of a version that was not downloaded yet.

    :ivar entity: as far as it is known.
    :ivar wanted: how it is fetched.
    """

    entity: Entity
    wanted: Wanted


@frozen
class Through:
    """
    A path below a Remote: only the upstream knows what is there.

    :ivar remote_id: the Remote's number in the catalog.
    :ivar place: where it is upstream.
    :ivar path: relative to the Remote's URL, decoded.
    :ivar below: what the client asked for, below the distribution, quoted.
    :ivar immutable: whether what is there never changes.
    :ivar wanted: how it is fetched, unless the cache has it.
    :ivar streamed: whether nothing of it is ever kept.
    :ivar caching: how long it is kept, if it may change.
    """

    remote_id: int
    place: Place
    path: str
    below: str
    immutable: bool
    wanted: Wanted
    streamed: bool = False
    caching: Caching = DEFAULT


@frozen
class Directory:
    """
    A directory of a version.

    :ivar path: decoded; "" is the top.
    :ivar names: what it has, or one page of it.
    :ivar last: the last one of the page, if there are more.
    """

    path: str
    names: tuple[Name, ...]
    last: Name | None = None


@frozen
class Moved:
    """A directory that was asked for without the slash at its end."""


Found = Kept | Cold | Through | Directory | Moved
