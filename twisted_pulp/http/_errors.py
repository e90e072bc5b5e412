"""Twisted's failures become ours: once, here."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet import error as failing
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure
from twisted.web._newclient import ConnectionAborted, ParseError
from twisted.web.error import SchemeNotSupported
from twisted.web.http import _DataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DNSError,
    DownloadError,
    ProtocolError,
    PulpError,
    SettingsError,
    TLSError,
    Truncated,
    shown,
)

__all__ = ["ErrorAgent", "Observer", "translated"]


class Observer(Protocol):
    """Sees how requests end."""

    def answered(self, response: Any, uri: bytes) -> Any:
        """Return *response*, or another in its place."""

    def failed(self, error: PulpError, uri: bytes) -> None:
        """Take note of *error*."""


@implementer(IAgent)
class ErrorAgent:
    """
    Fail only with this package's errors, each with its URL.

    :param agent: that makes the requests.
    :param observer: sees every response and error; default None.
    """

    def __init__(self, agent: IAgent, observer: Observer | None = None) -> None:
        self._agent, self._observer = agent, observer

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; what goes wrong is always in the Deferred."""
        try:
            d = self._agent.request(method, uri, headers, bodyProducer)
        except PulpError:
            return fail()
        except (ValueError, TypeError):  # their words may hold a password
            return fail(SettingsError("url", shown(uri.decode("latin-1")), "a URL that can be asked for"))
        observer = self._observer
        if observer is None:
            return d.addErrback(_raised, uri)
        return d.addCallbacks(observer.answered, _raised, (uri,), {}, (uri, observer))


def _raised(failure: Failure, uri: bytes, observer: Observer | None = None) -> Any:
    error = translated(failure, uri.decode("latin-1"))
    if observer is not None:
        observer.failed(error, uri)
    if error is failure.value:
        return failure
    raise error from failure.value


def translated(failure: Failure, url: str) -> PulpError:
    """
    Return our error for *failure*, with *url* in it.

    What failed in the middle of a body counts too: a clean end that comes too early is `Truncated`.
    """
    value = failure.value
    reasons = _leaves(value)
    for reason in reasons:
        if isinstance(reason, PulpError):
            if isinstance(reason, DownloadError) and not reason.url:
                reason.url = shown(url)
            return reason
    for reason in reasons:
        made = _of(reason, url)
        if made is not None:
            return Truncated(url) if type(made) is ConnectionLost and _cut(reasons) else made
    return ProtocolError(url, f"{type(value).__name__}: {value}")


def _leaves(error: Any) -> list[BaseException]:
    """The errors inside *error*: Twisted wraps them in lists of reasons."""
    inner = getattr(error, "reasons", None)
    if not inner:
        return [error]
    return [leaf for each in inner for leaf in _leaves(each.value)]


def _cut(reasons: list[BaseException]) -> bool:
    """Whether a body ended early, but in good order."""
    return any(isinstance(each, _DataLoss) for each in reasons) and any(
        isinstance(each, failing.ConnectionDone) for each in reasons
    )


def _of(error: BaseException, url: str) -> PulpError | None:
    # Not before something failed: they are slow to import.
    from OpenSSL import SSL
    from service_identity import CertificateError, VerificationError

    if isinstance(error, (CancelledError, failing.ConnectingCancelledError)):
        return Cancelled(url, "cancelled")
    if isinstance(error, ParseError):
        return ProtocolError(url, str(error.args[0]))
    if isinstance(error, VerificationError):
        return TLSError(url, "the certificate is for another name")
    if isinstance(error, CertificateError):
        return TLSError(url, f"the certificate names nobody: {error}")
    if isinstance(error, SSL.Error):
        return _tls(error, url)
    if isinstance(error, failing.DNSLookupError):
        return DNSError(url, str(error.args[0] if error.args else error))
    if isinstance(error, failing.ConnectionRefusedError):
        return ConnectionRefused(url, "connection refused")
    if isinstance(error, (failing.TCPTimedOutError, failing.TimeoutError)):
        return ConnectTimeout(url, detail="no answer to the attempt to connect")
    if isinstance(error, failing.ConnectError):
        return ConnectError(url, str(error).partition(": ")[2] or str(error))
    if isinstance(error, (failing.ConnectionClosed, ConnectionAborted)):
        return ConnectionLost(url, "the connection was closed before the response was complete")
    if isinstance(error, SchemeNotSupported):
        return SettingsError("url", shown(url), "a URL of a scheme that can be fetched")
    return None


def _tls(error: Exception, url: str) -> TLSError:
    from twisted_pulp.http._refusal import handshake_words

    parts = error.args[0] if error.args else None
    if not isinstance(parts, list) or not parts:  # the peer went away in the middle
        return TLSError(url, "the TLS handshake was broken off", retryable=True)
    words = "; ".join(str(part[-1]) for part in parts)
    broken = any("unexpected eof" in str(part[-1]) for part in parts)
    return TLSError(url, handshake_words(words), retryable=broken)
