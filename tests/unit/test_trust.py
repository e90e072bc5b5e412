"""Whom TLS trusts, and why it does not."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.servers.tls import Authority
from twisted_pulp.errors import SettingsError
from twisted_pulp.http._trust import Trust, refusal
from twisted_pulp.settings import TLS

NOW = datetime.datetime.now(datetime.UTC)
YEAR = datetime.timedelta(days=365)


class Greeter(Protocol):
    """Says hello as soon as it may, and remembers how it ended."""

    def __init__(self) -> None:
        self.heard, self.end = b"", None  # type: tuple[bytes, Failure | None]
        self.why: str | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end, self.why = reason, refusal(self.transport)


def shaken(trust: Trust, server_context: Any, host: str = "localhost") -> Greeter:
    """Connect to a server with *server_context* as *host*, and return what became of the client."""
    clock, greeter = Clock(), Greeter()
    client = TLSMemoryBIOFactory(
        trust.creatorForNetloc(host.encode("ascii"), 443), True, Factory.forProtocol(lambda: greeter), clock
    ).buildProtocol(None)
    server = TLSMemoryBIOFactory(server_context, False, Factory.forProtocol(Greeter), clock).buildProtocol(None)
    assert client is not None
    assert server is not None
    transports: list[Any] = [FakeTransport(client, False), FakeTransport(server, True)]
    server.makeConnection(transports[1])
    client.makeConnection(transports[0])
    IOPump(client, server, *transports, False, clock).flush()  # type: ignore[no-untyped-call]
    return greeter


def own(tls: Authority) -> Trust:
    """Trust nobody but *tls*."""
    return Trust(TLS(ca_cert=str(tls.ca_file), platform_trust=False))


def test_interface(tls: Authority) -> None:
    """It is a policy as Twisted's agent takes it."""
    assert verifyObject(IPolicyForHTTPS, own(tls))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_trusted(tls: Authority, host: str) -> None:
    """A certificate of an authority that is trusted, for that name or address, is accepted."""
    greeter = shaken(own(tls), tls.server(), host)
    assert b"hello" == greeter.heard
    assert refusal(greeter.transport) is None


def test_authority_as_text(tls: Authority) -> None:
    """The authorities may be given as text, more than one of them, and words between."""
    text = "# first\n" + trustme.CA().cert_pem.bytes().decode() + "\n# second\n" + tls.ca_file.read_text()
    assert b"hello" == shaken(Trust(TLS(ca_cert=text, platform_trust=False)), tls.server()).heard


@pytest.mark.parametrize(
    ("why", "leaf"),
    [
        ("the certificate has expired", {"not_before": NOW - 2 * YEAR, "not_after": NOW - YEAR}),
        ("the certificate is not valid yet", {"not_before": NOW + YEAR, "not_after": NOW + 2 * YEAR}),
        ("the certificate's issuer is not known", {"issuer": trustme.CA()}),
    ],
)
def test_refused(tls: Authority, why: str, leaf: Any) -> None:
    """A certificate that is not good is refused, and the reason is known (L1)."""
    greeter = shaken(own(tls), tls.server(tls.leaf(**leaf)))
    assert b"" == greeter.heard
    assert greeter.end is not None
    assert greeter.end.check(SSL.Error)
    assert why == greeter.why


def test_self_signed(tls: Authority, tmp_path: Path) -> None:
    """A certificate that signs itself is refused."""
    other = trustme.CA()
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    pem = tmp_path / "ca.pem"
    pem.write_bytes(other.cert_pem.bytes() + other.private_key_pem.bytes())
    context.use_certificate_file(str(pem))
    context.use_privatekey_file(str(pem))

    class Factory_:
        def getContext(self) -> SSL.Context:
            return context

    from twisted.internet.interfaces import IOpenSSLContextFactory
    from zope.interface import directlyProvides

    factory = Factory_()
    directlyProvides(factory, IOpenSSLContextFactory)
    assert "the certificate is self-signed" == shaken(own(tls), factory).why


def test_other_name(tls: Authority) -> None:
    """A certificate for another name is refused, by service_identity."""
    greeter = shaken(own(tls), tls.server(tls.leaf("other.test")))
    assert greeter.end is not None
    assert greeter.end.check(VerificationError)
    assert greeter.why is None


def test_unknown_reason() -> None:
    """A reason of OpenSSL's that has no words here is a number."""

    class Transport:
        pulp_refused = 12345

    assert "OpenSSL's reason 12345" == refusal(Transport())
    assert refusal(object()) is None


def test_platform(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's authorities are those of SSL_CERT_FILE, where that is set, beside those of the Remote."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
    assert b"hello" == shaken(Trust(TLS()), tls.server()).heard
    other = Authority(tls.ca_file.parent / "other")  # writes nothing until it is asked to
    assert other is not None


def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Return a list that gets what is loaded into contexts."""
    calls: list[tuple[Any, Any]] = []
    monkeypatch.setattr(SSL.Context, "load_verify_locations", lambda self, *paths: calls.append(paths))
    return calls


def paths(monkeypatch: pytest.MonkeyPatch, cafile: str | None, capath: str | None) -> None:
    """Let the platform keep its authorities there."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    found = ssl.DefaultVerifyPaths(cafile, capath, "", "", "", "")  # type: ignore[call-arg,arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: found)


def test_directory_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_DIR counts as SSL_CERT_FILE does."""
    calls = loaded(monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", "/certs")
    Trust(TLS()).creatorForNetloc(b"localhost", 443)
    assert [(None, "/certs")] == calls


def test_platform_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that has a file of authorities is asked for that."""
    calls = loaded(monkeypatch)
    paths(monkeypatch, "/etc/ssl/cert.pem", None)
    Trust(TLS()).creatorForNetloc(b"localhost", 443)
    assert [("/etc/ssl/cert.pem", None)] == calls


@pytest.mark.parametrize("names", [["one.pem"], []])
def test_platform_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: list[str]) -> None:
    """A platform that has a directory of authorities is asked for that, unless there is nothing in it."""
    for name in names:
        (tmp_path / name).touch()
    calls = loaded(monkeypatch)
    paths(monkeypatch, None, str(tmp_path))
    Trust(TLS()).creatorForNetloc(b"localhost", 443)
    assert [(None, str(tmp_path)) if names else (certifi.where(), None)] == calls


@pytest.mark.parametrize("capath", [None, "/nowhere"])
def test_platform_without_any(monkeypatch: pytest.MonkeyPatch, capath: str | None) -> None:
    """Where the platform has none, certifi has."""
    calls = loaded(monkeypatch)
    paths(monkeypatch, None, capath)
    Trust(TLS()).creatorForNetloc(b"localhost", 443)
    assert [(certifi.where(), None)] == calls


def test_platform_file_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of authorities that cannot be read is a setting that cannot be honoured, and is not passed over."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(SettingsError, match="SSL_CERT_FILE"):
        Trust(TLS()).creatorForNetloc(b"localhost", 443)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nno base64!\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_authorities_that_are_none(text: str) -> None:
    """What is no certificate is refused, before anything is asked for."""
    with pytest.raises(SettingsError, match=r"tls\.ca_cert"):
        Trust(TLS(ca_cert=text, platform_trust=False))


def test_file_of_authorities_that_is_empty(tmp_path: Path) -> None:
    """So is a file without any."""
    (tmp_path / "ca.pem").touch()
    with pytest.raises(SettingsError, match="at least one certificate"):
        Trust(TLS(ca_cert=str(tmp_path / "ca.pem"), platform_trust=False))
