"""
Everything this package raises on purpose::

    PulpError
     +- SettingsError (a ValueError)
     +- StorageError
     |   +- StorageFull (also a WriterError)
     +- DownloadError
         +- HTTPStatusError
         |   +- NotFound
         |   +- NotAuthorized
         |   +- ProxyError
         +- ConnectError
         |   +- DNSError
         |   +- ConnectionRefused
         |   +- TLSError
         +- ConnectionLost
         +- DownloadTimeout
         |   +- ConnectTimeout (also a ConnectError)
         |   +- HeadersTimeout
         |   +- IdleTimeout
         |   +- LowSpeed
         |   +- TotalTimeout
         +- Truncated
         +- SizeMismatch
         +- DigestMismatch
         +- Unproven
         +- TooLarge
         +- RedirectError
         +- ProtocolError
         +- ResumeRefused
         +- RetryLater
         +- WriterError
         +- HookError
         +- InvalidContent
         +- PathError
         +- Cancelled (also a CancelledError)

A download's error names the URL without its secrets and says in `retryable` whether trying again can help.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from twisted.internet.defer import CancelledError

__all__ = [
    "Cancelled",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "ConnectionRefused",
    "DNSError",
    "DigestMismatch",
    "DownloadError",
    "DownloadTimeout",
    "HTTPStatusError",
    "HeadersTimeout",
    "HookError",
    "IdleTimeout",
    "InvalidContent",
    "LowSpeed",
    "NotAuthorized",
    "NotFound",
    "PathError",
    "ProtocolError",
    "ProxyError",
    "PulpError",
    "RedirectError",
    "ResumeRefused",
    "RetryLater",
    "SettingsError",
    "SizeMismatch",
    "StorageError",
    "StorageFull",
    "TLSError",
    "TooLarge",
    "TotalTimeout",
    "Truncated",
    "Unproven",
    "WriterError",
    "shown",
]

_USERINFO = re.compile(r"(\A\s*[A-Za-z][A-Za-z0-9+.-]*:/*)[^/?#]*@")
_VALUES = re.compile(r"([?&;][^=&;#]*=)[^&;#]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def shown(url: str) -> str:
    """Return *url* fit for a person's eyes: no user name, password, query value, fragment or control character."""
    url = _CONTROL.sub(lambda match: f"%{ord(match[0]):02X}", url.partition("#")[0])
    head, mark, query = _USERINFO.sub(r"\1***@", url).partition("?")
    if not mark:
        return head
    hidden = _VALUES.sub(r"\1***", mark + query)
    return head + (hidden if "=" in hidden else "?***")


class PulpError(Exception):
    """The parent of every error below."""


class SettingsError(PulpError, ValueError):
    """
    A setting cannot be honoured; nothing was asked for yet.

    :ivar field: the setting's name.
    :ivar value: what it was, without secrets.
    :ivar allowed: what it may be.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        return f"{self.field} is {self.value!r}, but it must be {self.allowed}"


class DownloadError(PulpError):
    """
    A download failed, and nothing was kept under its final name.

    :ivar url: the URL that was being fetched, without secrets.
    :ivar detail: what was expected and what came.
    :ivar retryable: whether trying again may help.
    """

    retryable = False
    url: str
    detail: str

    def __init__(self, url: str = "", detail: str = "") -> None:
        super().__init__(url, detail)
        self.url, self.detail = shown(url), detail

    @property
    def reason(self) -> str:
        """What went wrong, in a few words and without the URL."""
        return self.detail or (type(self).__doc__ or "").strip().partition("\n")[0].rstrip(".")

    def __str__(self) -> str:
        return f"{self.reason} ({self.url})" if self.url else self.reason

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class HTTPStatusError(DownloadError):
    """
    The server answered, but not with the file: look at the status.

    :ivar status: the code, 400 and above.
    :ivar retry_after: the value of Retry-After, or None.
    :ivar headers: the response's headers, names in lower case.
    """

    def __init__(self, url: str, status: int, headers: dict[str, str] | None = None) -> None:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        super().__init__(url, f"{status} {phrase}".rstrip())
        self.status, self.headers = status, headers or {}
        self.retry_after = self.headers.get("retry-after")
        # settled by the table in docs/reference.md; 413 only when the server says when to come back.
        self.retryable = status in RETRYABLE_STATUS or (status == 413 and self.retry_after is not None)

    @classmethod
    def of(cls, url: str, status: int, headers: dict[str, str] | None = None) -> HTTPStatusError:
        """Return the error of the class that *status* has."""
        return _STATUS_CLASSES.get(status, HTTPStatusError)(url, status, headers)


#: The statuses after which another try may succeed.
RETRYABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 522, 524})


class NotFound(HTTPStatusError):
    """The server does not have the file (404, 410): check the URL, or sync the metadata again."""


class NotAuthorized(HTTPStatusError):
    """The server wants other credentials (401, 403): check the user name, password and headers of the Remote."""


class ProxyError(HTTPStatusError):
    """A proxy on the way refused (407): check its credentials."""


_STATUS_CLASSES: dict[int, type[HTTPStatusError]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    407: ProxyError,
    410: NotFound,
}


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


class Truncated(DownloadError):
    """
    The body ended before its length: another try resumes it.

    :ivar received: bytes that came.
    :ivar expected: bytes that were announced, or None in a chunked body.
    """

    retryable = True

    def __init__(self, url: str = "", received: int = 0, expected: int | None = None) -> None:
        of = "a body with no end" if expected is None else f"{expected} bytes"
        super().__init__(url, f"the body was cut short: {received} of {of} came")
        self.received, self.expected = received, expected


class SizeMismatch(DownloadError):
    """
    The file has another size than expected: the metadata is stale, or the server sent something else.

    :ivar expected: bytes expected.
    :ivar actual: bytes that came.
    """

    retryable = True

    def __init__(self, url: str = "", expected: int = 0, actual: int = 0) -> None:
        super().__init__(url, f"wrong size: expected {expected} bytes, got {actual}")
        self.expected, self.actual = expected, actual


class DigestMismatch(DownloadError):
    """
    The file is not the one expected: damaged on the way, replaced on the server, or the metadata is stale.

    :ivar algorithm: the digest that disagrees.
    :ivar expected: its expected value in lower-case hex.
    :ivar actual: its actual value in lower-case hex.
    """

    retryable = True

    def __init__(self, url: str = "", algorithm: str = "", expected: str = "", actual: str = "") -> None:
        super().__init__(url, f"wrong {algorithm}: expected {expected}, got {actual}")
        self.algorithm, self.expected, self.actual = algorithm, expected, actual


class Unproven(DownloadError):
    """The body ended with the connection and nothing says it is whole: give a size or digest, or set `allow_unproven`."""


class TooLarge(DownloadError):
    """
    The file is larger than allowed: raise `Limits.max_size`.

    :ivar limit: bytes allowed.
    """

    def __init__(self, url: str = "", limit: int = 0, detail: str = "") -> None:
        super().__init__(url, detail or f"larger than the {limit} bytes allowed")
        self.limit = limit


class RedirectError(DownloadError):
    """The server redirected to where we do not go: the detail says why."""


class ProtocolError(DownloadError):
    """The server does not speak HTTP as it must: the detail says how."""


class ResumeRefused(DownloadError):
    """The rest of the file cannot be fetched alone: it is fetched again from the start."""

    retryable = True


class RetryLater(DownloadError):
    """
    The server asks to come back later than we wait: try again after `seconds`.

    :ivar seconds: how long the server asked to wait.
    """

    def __init__(self, url: str = "", seconds: float = 0.0, limit: float = 0.0) -> None:
        super().__init__(url, f"the server asked to wait {seconds:g} s, more than the {limit:g} s allowed")
        self.seconds, self.limit = seconds, limit


class WriterError(DownloadError):
    """The bytes could not be written: the detail says why."""


class HookError(DownloadError):
    """A hook failed or did not finish in time: see its traceback in the log."""


class InvalidContent(DownloadError):
    """A validator refused the file: the detail says why."""


class PathError(DownloadError):
    """The file may not be written there: the path leaves its directory, is not a file name, or is wanted twice."""


class Cancelled(DownloadError, CancelledError):
    """The download was cancelled; what can be resumed was kept."""


class StorageError(PulpError):
    """Bytes at rest could not be kept or read."""


class StorageFull(StorageError, WriterError):
    """The disk is full: free some space and go on, resumable parts were kept."""
