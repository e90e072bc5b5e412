"""A site that serves stored artifacts by name, as the tests of the streamer and its measurements want it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from twisted_pulp.errors import StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.streamer._body import Stored
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._errors import Refusal, refusal_of


@implementer(IResource)
@define(eq=False)
class StoredResource:
    """
    Serve what is stored.

    :ivar entities: of paths, as they are written in requests.
    :ivar asked: requests so far.
    :ivar ended: those that are over, however.
    :ivar transports: of the requests.
    """

    stored: Stored
    entities: dict[bytes, Entity] = field(factory=dict)
    isLeaf: bool = field(init=False, default=True)
    asked: int = field(init=False, default=0)
    ended: int = field(init=False, default=0)
    transports: list[Any] = field(init=False, factory=list)

    def render(self, request: Any) -> Any:
        """Answer *request*."""
        self.asked += 1
        self.transports.append(request.transport)
        request.notifyFinish().addBoth(self._count)
        if request.method not in (b"GET", b"HEAD"):
            Refusal(405, "GET and HEAD only.", allow="GET, HEAD").send(request)
            return NOT_DONE_YET
        entity = self.entities.get(request.path)
        if entity is None:
            Refusal(404, "There is no such file.").send(request)
            return NOT_DONE_YET
        d = self.stored.send(request, entity)
        if d is not None:
            d.addErrback(self._refuse, request)
        return NOT_DONE_YET

    def _count(self, _: object) -> None:
        self.ended += 1

    def _refuse(self, failure: Any, request: Any) -> None:
        failure.trap(StorageError)
        refusal_of(failure.value).send(request)

    def getChildWithDefault(self, name: bytes, request: Any) -> StoredResource:
        """Be the child of itself."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """Refuse: it has none."""
        raise NotImplementedError


async def keep(resource: StoredResource, path: bytes, data: bytes, **known: Any) -> Entity:
    """Store *data* and serve it at *path*."""
    storage, digest = resource.stored.storage, sha256(data).hexdigest()
    temporary = Path(storage.temporary(digest))
    temporary.write_bytes(data)
    assert [None] == await storage.adopt([Adoption(str(temporary), digest, len(data))])
    resource.entities[path] = entity = Entity(size=len(data), sha256=digest, **known)
    return entity
