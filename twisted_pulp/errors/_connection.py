"""What happens to connections."""

from __future__ import annotations

from twisted_pulp.errors._root import DownloadError

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "ConnectionRefused",
    "DNSError",
    "DownloadTimeout",
    "HeadersTimeout",
    "IdleTimeout",
    "LowSpeed",
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


class ConnectionLost(DownloadError):
    """The connection broke before the response was complete: another try may succeed."""

    retryable = True


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


class HeadersTimeout(DownloadTimeout):
    """The server accepted the request but sent no headers in time: raise `Timeouts.headers` for slow servers."""


class IdleTimeout(DownloadTimeout):
    """No byte came in time: raise `Timeouts.idle` for servers that pause."""


class LowSpeed(DownloadTimeout):
    """The bytes came too slowly: lower `Timeouts.low_speed` for slow servers."""


class TotalTimeout(DownloadTimeout):
    """The whole download took too long: raise `Timeouts.total`, or leave it out."""

    retryable = False
