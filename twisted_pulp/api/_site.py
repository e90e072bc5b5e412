"""A site whose clients may send something, and not more than is wanted."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
from twisted.internet.interfaces import IReactorTime, ISSLTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from twisted_pulp.api._call import SAFE
from twisted_pulp.api._problems import Refused
from twisted_pulp.streamer import ContentSite
from twisted_pulp.streamer._channel import BODY, ContentChannel, ContentRequest, path_of
from twisted_pulp.unseen import escaped

__all__ = ["APISite"]

# A client that was refused gets its answer only if what it still sends is read meanwhile: so many seconds and bytes.
_LINGER, _LINGERED = 2.0, 16 << 20


class APIRequest(ContentRequest):
    """
    A request whose body goes where it is wanted: the API's own is taken in as it arrives, a form is kept.

    :ivar intake: what takes in the body; None: nothing does.
    :ivar admitted: who asks, for the API; None: it was not asked yet.
    """

    intake: Any = None
    admitted: Any = None

    def gotLength(self, length: int | None) -> None:
        """Decide who takes in the body, before it comes."""
        self.content = BytesIO()
        channel: Any = self.channel
        if length != 0 and channel.for_api:
            channel.site.api.take(self, channel._command, path_of(channel._path))

    def handleContentChunk(self, data: bytes) -> None:
        """Take in some of the body."""
        if self.intake is not None:
            self.intake.write(data)
            return
        super().handleContentChunk(data)
        if self._dropped <= BODY and self.content is not None:
            self.content.write(data)

    def hold(self) -> None:
        """Let nothing more of the body come for now."""
        channel: Any = self.channel
        channel.hold()

    def release(self) -> None:
        """Let more of it come."""
        channel: Any = getattr(self, "channel", None)
        if channel is not None:
            channel.release()

    def refuse(self, refused: Refused) -> None:
        """Answer before the whole body is there, and end the connection."""
        channel: Any = getattr(self, "channel", None)
        if channel is not None:
            channel.send_refusal(refused)

    def connectionLost(self, reason: Failure) -> None:
        """Tell whoever takes in the body that the rest will not come."""
        if self.intake is not None:
            self.intake.lost()
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class APIChannel(ContentChannel):
    """A connection on which the API's requests may have bodies."""

    site: Any
    _held = _invite = False
    _lingered = 0

    @property
    def for_api(self) -> bool:
        """Whether the request that arrives is the API's."""
        return path_of(self._path).startswith(self.site.prefix)

    def room(self) -> int:
        """Return how many bytes of a body may come."""
        return int(self.site.api.room(self.requests[-1])) if self.for_api else BODY

    # The reading of a client's request stops while nobody can take more of it, whatever the client takes of answers.
    def hold(self) -> None:
        """Read no more for now; what takes its time then is not the client's fault."""
        if not self._held:
            self._held = self.paused = True
            self._networkProducer.pauseProducing()
            self.setTimeout(None)  # type: ignore[no-untyped-call]

    def release(self) -> None:
        """Read on."""
        if not self._held:
            return
        self._held = self.paused = False
        if not self._handlingRequest:  # the rest of the body is to come
            self.setTimeout(self.body_time)  # type: ignore[no-untyped-call]
        if self._invite and not self._refused:
            self._send100Continue()
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """Go on, unless something else wants no more."""
        if self._held:
            self._waitingForTransport = False
        else:
            super().resumeProducing()

    def _send100Continue(self) -> None:
        self._invite = self._held
        if not self._held and not self._refused:
            super()._send100Continue()  # type: ignore[no-untyped-call]

    def refuse(self, status: int) -> None:
        """Say in the API's way what is wrong, where the API was asked."""
        path = getattr(self, "_path", b"")
        if path and self.for_api:
            self.send_refusal(Refused(status=status, detail=_WORDS.get(status, "The request is refused.")))
        else:
            super().refuse(status)

    def send_refusal(self, refused: Refused) -> None:
        """Answer, and read nothing more of what the client sends."""
        body = escaped(msgspec.json.encode(refused.problem(path_of(self._path).decode("utf-8", "replace"))))
        headers = {"Content-Type": "application/problem+json", **SAFE, "Cache-Control": "no-store", **refused.headers}
        self.send_and_end(refused.status, headers, body)

    def loseConnection(self) -> None:
        """Let the answer of one that was refused be read, although it still sends."""
        transport: Any = self.transport
        if not self._refused or ISSLTransport.providedBy(transport) or not hasattr(transport, "loseWriteConnection"):
            super().loseConnection()  # type: ignore[no-untyped-call]
            return
        self._held = False
        producer: Any = self._networkProducer
        producer.unregisterProducer()
        transport.loseWriteConnection()
        producer.resumeProducing()
        self.setTimeout(_LINGER)  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """Read; of one that was refused, for a while, to throw it away."""
        if self._refused:
            self._lingered += len(data)
            if self._lingered > _LINGERED:
                self.forceAbortClient()  # type: ignore[no-untyped-call]
            return
        super().dataReceived(data)


_WORDS = {400: "The request makes no sense.", 413: "The body is larger than is taken."}


class APISite(ContentSite):
    """
    A `ContentSite` that takes bodies where they are wanted: below a path the API's, of any length that it allows;
    elsewhere forms up to 64 KiB.

    :param resource: the root.
    :param reactor: its timers.
    :param api: what answers below *prefix*.
    :param prefix: where the API's resource is; default "/api/v1/".
    :param options: those of `ContentSite`.
    """

    protocol = APIChannel

    def __init__(
        self, resource: IResource, reactor: IReactorTime, api: Any, *, prefix: bytes = b"/api/v1/", **options: Any
    ) -> None:
        super().__init__(resource, reactor, **options)
        self.requestFactory = APIRequest
        self.api, self.prefix = api, prefix
