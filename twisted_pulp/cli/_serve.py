"""`pulpdownloader serve`: all distributions of a data directory, over HTTP."""

from __future__ import annotations

import signal
import time
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.errors import SettingsError
from twisted_pulp.threads import outlasting

__all__ = ["serve"]

#: The path below which everything is.
_CONTENT = "content"
#: Seconds that lines of requests may wait to be written.
_LATEST = 0.2
_ASKED_TO_END = {128 + number for number in (signal.SIGTERM, signal.SIGINT)}


def serve(place: Place, endpoints: tuple[str, ...], quiet: bool) -> int:
    """Serve until a signal comes, which is no failure."""

    async def act(desk: Desk) -> None:
        await _Serving(desk, endpoints, quiet).run()

    status = worked(place, act)
    return 0 if status in _ASKED_TO_END else status


@define(eq=False)
class _Serving:
    _desk: Desk
    _endpoints: tuple[str, ...]
    _quiet: bool
    _ports: list[Any] = field(init=False, factory=list)
    _later: Any = field(init=False, default=None)

    async def run(self) -> None:
        """Listen, and go on until cancelled."""
        from twisted_pulp.context import Context
        from twisted_pulp.streamer import Streamer

        desk = self._desk
        desk.parting = "stopped"
        context = Context(desk.reactor)
        streamer = Streamer(context, desk.data.catalog, desk.data.storage)
        try:
            if await self._listen(streamer):
                await Deferred()
        finally:
            for port in self._ports:
                await outlasting(maybeDeferred(port.stopListening))
            await outlasting(streamer.close())
            await outlasting(context.close())
            if self._later is not None:
                self._later.cancel()

    async def _listen(self, streamer: Any) -> bool:
        """Listen everywhere, and return whether that was possible."""
        from twisted.internet.endpoints import serverFromString
        from twisted.web.resource import Resource

        from twisted_pulp.streamer import ContentResource, ContentSite

        root = Resource()
        root.putChild(_CONTENT.encode(), ContentResource(streamer))
        site = ContentSite(root, self._desk.reactor, note=None if self._quiet else self._note)
        for each in self._endpoints:
            try:
                endpoint = serverFromString(self._desk.reactor, each)
            except (ValueError, LookupError, TypeError, OSError) as error:
                raise SettingsError("--listen", each, f"an endpoint, such as tcp:8080 ({error})") from error
            try:
                port = await endpoint.listen(site)
            except CannotListenError as error:
                self._desk.fail(f"cannot listen at {each}: {error.socketError}")
                return False
            self._ports.append(port)
            self._say(f"serving at {_url_of(port, each)}")
        return True

    def _say(self, text: str) -> None:
        self._desk.say(text)
        if self._later is None:
            self._later = self._desk.reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._later = None
        self._desk.flush()

    def _note(self, request: Any) -> None:
        """Write a line for a request that was answered."""
        desk, peer = self._desk, request.getClientAddress()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        who = getattr(peer, "host", None) or "-"
        what = f"{request.method.decode('latin-1')} {request.uri.decode('latin-1')}"
        desk.say(f"{when} {who} {what} {request.code} {request.sentLength}")
        if self._later is None:
            self._later = desk.reactor.callLater(_LATEST, self._flush)


def _url_of(port: Any, endpoint: str) -> str:
    """Return where clients find what is served on *port*."""
    address = port.getHost()
    if not hasattr(address, "port"):
        return str(endpoint)
    scheme = "https" if endpoint.startswith("ssl:") else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}://{host}:{address.port}/{_CONTENT}/"
