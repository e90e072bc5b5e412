"""Twisted's failures become ours: once, with the URL, and without its secrets."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet import error as failing
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web import _newclient
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss, _DataLoss
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import ok
from twisted_pulp import errors
from twisted_pulp.http import ErrorAgent, translated

URL = "http://user:S3CR3T@a.test/b?key=S3CR3T"
SHOWN = "http://***@a.test/b?key=***"


def wrapped(*reasons: Exception) -> Exception:
    """Return what Twisted makes of *reasons*."""
    return _newclient.ResponseFailed([Failure(reason) for reason in reasons])


def of(error: Exception) -> errors.PulpError:
    """Return our error for *error*."""
    return translated(Failure(error), URL)


@pytest.mark.parametrize(
    ("expected", "retryable", "error"),
    [
        (errors.Cancelled, False, CancelledError()),
        (errors.Cancelled, False, failing.ConnectingCancelledError(None)),
        (errors.ProtocolError, False, _newclient.ParseError("no status", b"garbage")),
        (errors.TLSError, False, VerificationError([])),
        (errors.TLSError, False, CertificateError("no names")),
        (errors.TLSError, False, SSL.Error([("SSL routines", "", "certificate verify failed")])),
        (errors.TLSError, True, SSL.Error([("SSL routines", "", "unexpected eof while reading")])),
        (errors.TLSError, True, SSL.Error()),
        (errors.TLSError, True, SSL.SysCallError(-1, "Unexpected EOF")),
        (errors.DNSError, False, failing.DNSLookupError("no such host")),
        (errors.DNSError, False, failing.DNSLookupError()),
        (errors.ConnectionRefused, True, failing.ConnectionRefusedError()),
        (errors.ConnectTimeout, True, failing.TCPTimedOutError()),
        (errors.ConnectTimeout, True, failing.TimeoutError()),
        (errors.ConnectError, True, failing.NoRouteError()),
        (errors.ConnectError, True, failing.ConnectError(osError=113, string="No route to host")),
        (errors.ConnectionLost, True, failing.ConnectionLost()),
        (errors.ConnectionLost, True, failing.ConnectionDone()),
        (errors.ConnectionLost, True, failing.ConnectionAborted()),
        (errors.ConnectionLost, True, _newclient.ConnectionAborted()),
        (errors.SettingsError, False, SchemeNotSupported("gopher")),
        (errors.ProtocolError, False, PotentialDataLoss()),
        (errors.ProtocolError, False, ZeroDivisionError("odd")),
    ],
)
def test_translated(expected: type[errors.PulpError], retryable: bool, error: Exception) -> None:
    """Each failure has its error, alone or wrapped, which says whether another try can help, and hides secrets."""
    for each in (error, wrapped(error), wrapped(wrapped(error))):
        made = of(each)
        assert expected is type(made)
        assert "S3CR3T" not in str(made) + repr(made)
        if isinstance(made, errors.DownloadError):
            assert (retryable, SHOWN) == (made.retryable, made.url)
            assert made.reason


def test_ours_stay() -> None:
    """An error of ours is not made again, but gets the URL it lacks."""
    timeout = errors.IdleTimeout(seconds=60)
    assert timeout is of(wrapped(failing.ConnectionAborted(), timeout))
    assert SHOWN == timeout.url
    known = errors.IdleTimeout("http://b.test/", seconds=60)
    assert "http://b.test/" == getattr(of(known), "url", None)
    full = errors.SettingsError("a", "b", "c")
    assert full is of(full)


@pytest.mark.parametrize(
    ("expected", "reasons"),
    [
        (errors.Truncated, [failing.ConnectionDone(), _DataLoss()]),
        (errors.ConnectionLost, [failing.ConnectionLost(), _DataLoss()]),
        (errors.ConnectionLost, [failing.ConnectionDone()]),
    ],
)
def test_cut_short(expected: type[errors.PulpError], reasons: list[Exception]) -> None:
    """A clean end in the middle of a body is told from a connection that broke."""
    assert expected is type(of(wrapped(*reasons)))


def test_interface() -> None:
    """It is an agent."""
    assert verifyObject(IAgent, ErrorAgent(Answering()))


def ask(*answers: bytes | Exception, uri: bytes = URL.encode()) -> Any:
    """Ask with *answers*, and return what it came to."""
    return outcome(ErrorAgent(Answering(*answers)).request(b"GET", uri))


def test_response() -> None:
    """A response is handed on."""
    assert 200 == ask(ok(b"hi")).code


def test_failure() -> None:
    """A failure is translated, and what it was is not forgotten."""
    cause = failing.ConnectionRefusedError()
    error = ask(cause)
    assert isinstance(error, errors.ConnectionRefused)
    assert cause is error.__cause__
    assert SHOWN == error.url


def test_failure_of_ours() -> None:
    """One of ours is handed on as it is."""
    error = errors.NotFound("http://a.test/", 404)
    assert error is ask(error)


class Raising(Answering):
    """Raises where it is called, as agents do."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def request(self, *args: object) -> Deferred[Any]:
        raise self._error


@pytest.mark.parametrize("error", [ValueError("http://user:S3CR3T@a.test/ is none"), TypeError("S3CR3T")])
def test_raised(error: Exception) -> None:
    """What an agent raises is in the Deferred, without the words that may hold a secret (wire, trap 8; C4)."""
    made = outcome(ErrorAgent(Raising(error)).request(b"GET", URL.encode()))
    assert isinstance(made, errors.SettingsError)
    assert "url" == made.field
    assert "S3CR3T" not in str(made)
    assert made.__cause__ is made.__context__ is None


def test_raised_by_ours() -> None:
    """A setting that cannot be honoured keeps its own name."""
    error = errors.SettingsError("SSL_CERT_FILE", "/nowhere", "a file of PEM certificates")
    assert error is outcome(ErrorAgent(Raising(error)).request(b"GET", URL.encode()))


def test_bugs_are_raised() -> None:
    """What nobody expects is nobody's to hide."""
    with pytest.raises(ZeroDivisionError):
        ErrorAgent(Raising(ZeroDivisionError())).request(b"GET", URL.encode())
