"""What happens to connections."""

from __future__ import annotations

from twisted_pulp.errors._root import DownloadError

__all__ = [
    "BindError",
    "BlockedAddress",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "ConnectionRefused",
    "DNSError",
    "DownloadTimeout",
    "HeadersTimeout",
    "IdleTimeout",
    "LowSpeed",
    "ProxyError",
    "ProxyNotAuthorized",
    "ProxyTimeout",
    "StreamReset",
    "TLSError",
    "TotalTimeout",
]


class ConnectError(DownloadError):
    """No connection could be made: check the host, the port and the network."""

    retryable = True


class DNSError(ConnectError):
    """
    The host name has no address: check its spelling, or the name servers.

    Final when the name does not exist; retryable when no server answered.
    """

    def __init__(self, url: str = "", detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(url, detail)
        self.retryable = retryable


class BindError(ConnectError):
    """
    Our own end of the connection could not be had: check `Network.bind_address`.

    Final when it is no address of this machine; retryable when all its ports are taken.
    """

    def __init__(self, url: str = "", detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(url, detail)
        self.retryable = retryable


class BlockedAddress(DownloadError):
    """The URL leads where the address policy lets nobody go: ask whoever runs this to allow it."""


class ConnectionRefused(ConnectError):
    """Nothing listens at that address: check the port, or whether the server is up."""


class TLSError(ConnectError):
    """
    The TLS handshake failed: the detail says why.

    Final when a certificate was refused; retryable when the handshake was broken off.
    """

    def __init__(self, url: str = "", detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(url, detail)
        self.retryable = retryable


class ProxyError(ConnectError):
    """
    The proxy on the way made no connection: the detail names it and says why.

    Retryable when it could not be reached, broke off, or answered what passes, as 502, 503 or 504; final when it
    refused.

    :ivar status: what an HTTP proxy answered, or None. It says nothing about the file: it is the proxy's word alone.
    """

    def __init__(self, url: str = "", detail: str = "", *, status: int | None = None, retryable: bool = True) -> None:
        super().__init__(url, detail)
        self.status, self.retryable = status, retryable


class ProxyNotAuthorized(ProxyError):
    """The proxy wants other credentials (407, or SOCKS5's refusal): check the user name and password of the Proxy."""

    def __init__(self, url: str = "", detail: str = "", *, status: int | None = None) -> None:
        super().__init__(url, detail, status=status, retryable=False)


class ConnectionLost(DownloadError):
    """The connection broke before the response was complete: another try may succeed."""

    retryable = True


class StreamReset(ConnectionLost):
    """
    The server broke off this response alone (HTTP/2): another try may succeed.

    :ivar code: the name of the reason it gave (RFC 9113 section 7), as "INTERNAL_ERROR".
    :ivar processed: false when the server has done nothing about the request.
    """

    def __init__(self, url: str = "", code: str = "", processed: bool = True) -> None:
        done = "broke the response off" if processed else "did not take the request"
        super().__init__(url, f"the server {done}: {code}")
        self.code, self.processed = code, processed


class DownloadTimeout(DownloadError):
    """
    A timeout passed.

    :ivar seconds: the setting that passed.
    """

    retryable = True

    def __init__(self, url: str = "", seconds: float = 0.0, detail: str = "") -> None:
        super().__init__(url, detail or f"{(self.__doc__ or '').strip().partition(':')[0]}, after {seconds:g} s")
        self.seconds = seconds


class ConnectTimeout(DownloadTimeout, ConnectError):
    """No connection in time: check the host, or raise `Timeouts.connect`."""


class ProxyTimeout(ConnectTimeout, ProxyError):
    """No connection through the proxy in time: check the proxy, or raise `Timeouts.connect`."""


class HeadersTimeout(DownloadTimeout):
    """The server accepted the request but sent no headers in time: raise `Timeouts.headers` for slow servers."""


class IdleTimeout(DownloadTimeout):
    """No byte came in time: raise `Timeouts.idle` for servers that pause."""


class LowSpeed(DownloadTimeout):
    """The bytes came too slowly: lower `Timeouts.low_speed` for slow servers."""


class TotalTimeout(DownloadTimeout):
    """The whole download took too long: raise `Timeouts.total`, or leave it out."""

    retryable = False
