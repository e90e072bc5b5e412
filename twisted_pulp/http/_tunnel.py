"""Connections that lead through a proxy: dialed as any others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from twisted_pulp.errors import Cancelled, ConnectTimeout, DownloadError, ProxyError, ProxyTimeout
from twisted_pulp.http._dial import Dialer
from twisted_pulp.http._errors import translated
from twisted_pulp.http._talk import Talk, Talks

__all__ = ["ToProxy", "Tunnel"]

#: Has a proxy connect to a host and port.
Exchange = Callable[[Talk, str, int], Coroutine[Any, Any, None]]


class ToProxy:
    """
    Connect to the proxy, whichever host is asked for.

    :param endpoint: of the proxy.
    :param proxy: its URL, for errors.
    """

    def __init__(self, endpoint: Any, proxy: str) -> None:
        self._endpoint, self._proxy = endpoint, proxy

    async def dial(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        """Return the protocol that *factory* makes for a connection to the proxy; fails with `ProxyError`."""
        try:
            made: IProtocol = await self._endpoint.connect(factory)
        except Exception as error:
            told = _told(error, f"the proxy {self._proxy} cannot be reached")
            if told is None:
                raise
            raise told from error
        return made


class Tunnel:
    """
    Connect to hosts through the proxy.

    :param to_proxy: connects to the proxy.
    :param proxy: its URL, for errors.
    :param exchange: what is said to it.
    :param dialer: looks names up; None: the proxy does.
    """

    def __init__(self, to_proxy: ToProxy, proxy: str, exchange: Exchange, dialer: Dialer | None = None) -> None:
        self._to_proxy, self._proxy, self._exchange, self._dialer = to_proxy, proxy, exchange, dialer

    async def dial(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        """Return the protocol that *factory* makes for a connection to *host*; fails with `ProxyError`."""
        *others, last = await self._names(host, port)
        for name in others:
            talk = await self._to_proxy.dial(name, port, Talks())
            try:
                return await self._through(talk, name, port, factory)
            except ProxyError as error:
                if type(error) is not ProxyError:
                    raise
        return await self._through(await self._to_proxy.dial(last, port, Talks()), last, port, factory)

    async def _names(self, host: str, port: int) -> list[str]:
        if self._dialer is None:
            return [host]
        return [address.host for address in await self._dialer.addresses(host, port)]

    async def _through(self, talk: Any, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        try:
            await self._exchange(talk, host, port)
            made: IProtocol = talk.hand_over(factory)
        except Exception as error:
            await talk.abort()  # no socket stays open that nobody counts
            told = _told(error, f"the proxy {self._proxy} made no connection to {host}:{port}")
            if told is None:
                raise
            raise told from error.__cause__ if told is error else error
        return made


def _told(error: Exception, what: str) -> Exception | None:
    """Return an error that says that it was the proxy; None: *error* is for others."""
    if isinstance(error, ProxyError):
        error.detail = f"{what}: {error.detail}"
        return error
    ours = translated(Failure(error), "")
    if isinstance(ours, Cancelled) or not isinstance(ours, DownloadError):
        return None
    words = f"{what}: {ours.reason}"
    if isinstance(ours, ConnectTimeout):
        return ProxyTimeout(seconds=ours.seconds, detail=words)
    return ProxyError(detail=words, retryable=ours.retryable)
