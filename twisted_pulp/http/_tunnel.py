"""Connections that lead through a proxy: dialed as any others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.python.failure import Failure

from twisted_pulp.errors import BlockedAddress, Cancelled, ConnectTimeout, DownloadError, ProxyError, ProxyTimeout
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
    :param dialer: judges the hosts that the proxy is told of later; default None: they were judged.
    """

    def __init__(self, endpoint: Any, proxy: str, dialer: Dialer | None = None) -> None:
        self._endpoint, self._proxy, self._dialer = endpoint, proxy, dialer

    async def dial(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        """Return the protocol that *factory* makes for a connection to the proxy; fails with `ProxyError`."""
        if self._dialer is not None:
            await self._dialer.known(host, port, here=False)
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
    :param dialer: knows what the proxy may be told of a host.
    :param here: whether names are looked up here, and not by the proxy.
    """

    def __init__(self, to_proxy: ToProxy, proxy: str, exchange: Exchange, dialer: Dialer, here: bool) -> None:
        self._to_proxy, self._proxy, self._exchange = to_proxy, proxy, exchange
        self._dialer, self._here = dialer, here

    async def dial(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        """Return the protocol that *factory* makes for a connection to *host*; fails with `ProxyError`."""
        *others, last = await self._dialer.known(host, port, here=self._here)
        for name in others:
            talk = await self._to_proxy.dial(name, port, Talks())
            try:
                return await self._through(talk, name, port, factory)
            except ProxyError as error:
                if type(error) is not ProxyError:
                    raise
        return await self._through(await self._to_proxy.dial(last, port, Talks()), last, port, factory)

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
    if isinstance(ours, Cancelled | BlockedAddress) or not isinstance(ours, DownloadError):
        return None
    words = f"{what}: {ours.reason}"
    if isinstance(ours, ConnectTimeout):
        return ProxyTimeout(seconds=ours.seconds, detail=words)
    return ProxyError(detail=words, retryable=ours.retryable)
