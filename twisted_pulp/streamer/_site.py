"""A site for clients that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from twisted_pulp.streamer._channel import ContentChannel, ContentRequest

__all__ = ["ContentSite"]


class ContentSite(Site):
    """
    A `twisted.web.server.Site` for clients that nobody knows: slow ones are cut off, and odd requests refused.

    It speaks HTTP/1.1 and takes no bodies: what a client sends is read up to 64 KiB and thrown away.

    :param resource: the root.
    :param reactor: its timers.
    :param headers_time: seconds in which the headers of a request must be complete; default 30.
    :param body_time: seconds in which its body must; default 60.
    :param idle_time: seconds that a connection may wait for its next request; default 60.
    :param note: called with each request that was answered; default None: nothing is logged.
    """

    displayTracebacks = False

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        *,
        headers_time: float = 30.0,
        body_time: float = 60.0,
        idle_time: float = 60.0,
        note: Callable[[Request], object] | None = None,
        **options: Any,
    ) -> None:
        options |= {"requestFactory": ContentRequest, "timeout": idle_time, "reactor": reactor}
        super().__init__(resource, **options)  # type: ignore[no-untyped-call]
        self._times = headers_time, body_time, idle_time
        self._note = note

    protocol = ContentChannel  # type: ignore[assignment]

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return what reads a client's requests."""
        channel: Any = super().buildProtocol(addr)  # type: ignore[no-untyped-call]
        channel.headers_time, channel.body_time, channel.idle_time = self._times
        return channel

    def log(self, request: Any) -> None:
        """Let it be noted, by nobody else: to write the usual line for nobody costs more than some answers."""
        if self._note is not None:
            self._note(request)

    def acceptableProtocols(self) -> list[bytes]:
        """Return what may be agreed on by ALPN."""
        return [b"http/1.1"]
