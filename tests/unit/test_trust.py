"""Whom TLS trusts, and why it does not."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface.verify import verifyObject

from tests.leaks import LoggedErrors
from tests.servers.tls import Authority, ServerContext
from twisted_pulp.errors import SettingsError
from twisted_pulp.http import _refusal
from twisted_pulp.http._authorities import platform_authorities
from twisted_pulp.http._refusal import refusal
from twisted_pulp.http._trust import Trust, check_name
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
        self.end = reason
        self.why = refusal(self.transport) if reason.check(SSL.Error) else None


def shaken(trust: Trust, server_context: Any, host: str = "localhost") -> Greeter:
    """Connect to a server with *server_context* as *host*, and return what became of the client."""
    clock, greeter = Clock(), Greeter()
    client = TLSMemoryBIOFactory(
        trust.creatorForNetloc(host.encode("ascii"), 443), True, Factory.forProtocol(lambda: greeter), clock
    ).buildProtocol(None)
    server = TLSMemoryBIOFactory(server_context, False, Factory.forProtocol(Greeter), clock).buildProtocol(None)
    assert client is not None
    assert server is not None
    ours: Any = FakeTransport(client, False)
    theirs: Any = FakeTransport(server, True)
    server.makeConnection(theirs)
    client.makeConnection(ours)
    IOPump(client, server, ours, theirs, False, clock).flush()
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


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("host", "name"), [("my_host", "my_host"), ("-x.test", "-x.test"), ("localhost.", "localhost")]
)
def test_odd_names(tls: Authority, host: str, name: str, verify: bool) -> None:
    """Names that are no host names by the book are asked for and checked like others; a last dot is not sent."""
    asked: list[Any] = []
    trust = Trust(TLS(ca_cert=str(tls.ca_file), platform_trust=False, verify=verify))
    for issued in (name, "other.test"):
        server = signed(tls, own_key=False, name="x", san=issued)
        server.getContext().set_tlsext_servername_callback(lambda connection: asked.append(connection.get_servername()))
        greeter = shaken(trust, server, host)
        good = issued == name or not verify
        assert (b"hello" if good else b"") == greeter.heard
        assert (greeter.end is None) == good
        if good:
            trust.creatorForNetloc(host.encode(), 443).approve(greeter.transport)
    assert [name.encode()] * 2 == asked


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


def signed(tls: Authority, *, own_key: bool, name: str, san: str | None = None) -> ServerContext:
    """Return a server with a certificate that has no names but a common one and *san*, by *tls* or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = x509.load_pem_x509_certificate(tls.ca.cert_pem.bytes())
    authority_key: Any = load_pem_private_key(tls.ca.private_key_pem.bytes(), None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if own_key else authority.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
    )
    if san is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(san)]), critical=False)
    certificate = builder.sign(key if own_key else authority_key, SHA256())
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    return ServerContext(context)


def test_self_signed(tls: Authority, logged_errors: LoggedErrors) -> None:
    """A certificate that signs itself is refused."""
    assert "the certificate is self-signed" == shaken(own(tls), signed(tls, own_key=True, name="localhost")).why
    logged_errors.flush(CertificateError)


def test_stock_accepts_a_certificate_without_names(tls: Authority, logged_errors: LoggedErrors) -> None:
    """Twisted takes a certificate without subjectAltName for everybody's; when this fails, it has mended that."""
    greeter = shaken(own(tls), signed(tls, own_key=False, name="other.test"))
    assert b"hello" == greeter.heard
    assert 1 == len(logged_errors.flush(CertificateError))


class Peer:
    """A transport with a certificate."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def getPeerCertificate(self) -> X509:
        return X509.from_cryptography(self._certificate)


@pytest.mark.parametrize(
    ("error", "names", "host"),
    [
        (None, ["a.test"], "a.test"),
        (None, ["*.a.test"], "b.a.test"),
        (None, ["192.0.2.1"], "192.0.2.1"),
        (None, ["2001:db8::1"], "2001:db8::1"),
        (VerificationError, ["a.test"], "b.test"),
        (VerificationError, ["*.a.test"], "c.b.a.test"),
        (VerificationError, ["192.0.2.1"], "192.0.2.2"),
        (VerificationError, ["a.test"], "192.0.2.1"),
    ],
)
def test_names(tls: Authority, error: type[Exception] | None, names: list[str], host: str) -> None:
    """A certificate is for the names and addresses in it, and for no others."""
    peer = Peer(x509.load_pem_x509_certificate(tls.leaf(*names).cert_chain_pems[0].bytes()))
    if error is None:
        check_name(peer, host)
    else:
        with pytest.raises(error):
            check_name(peer, host)


def test_no_names(tls: Authority) -> None:
    """A certificate without names is nobody's, whatever its common name (L1)."""
    context = signed(tls, own_key=False, name="a.test").getContext()
    connection = SSL.Connection(context)
    certificate = connection.get_certificate(as_cryptography=True)
    with pytest.raises(CertificateError):
        check_name(Peer(certificate), "a.test")  # type: ignore[arg-type]


def test_other_name(tls: Authority) -> None:
    """A certificate for another name is refused, by service_identity."""
    greeter = shaken(own(tls), tls.server(tls.leaf("other.test")))
    assert greeter.end is not None
    assert greeter.end.check(VerificationError)
    assert greeter.why is None


def test_unknown_reason(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason that has no words here is said in OpenSSL's."""
    monkeypatch.setattr(_refusal, "_REASONS", {})
    why = shaken(own(tls), tls.server(tls.leaf(issuer=trustme.CA()))).why
    assert "OpenSSL's reason 20, unable to get local issuer certificate" == why


def test_no_reason(tls: Authority) -> None:
    """Without TLS, and where TLS was content, there is no reason."""
    assert refusal(object()) is None
    assert refusal(shaken(own(tls), tls.server()).transport) is None


def test_platform(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's authorities are those of SSL_CERT_FILE, where that is set, beside those of the Remote."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
    assert b"hello" == shaken(Trust(TLS()), tls.server()).heard
    other = TLS(ca_cert=trustme.CA().cert_pem.bytes().decode())
    assert b"hello" == shaken(Trust(other), tls.server()).heard


def paths(monkeypatch: pytest.MonkeyPatch, cafile: str | None, capath: str | None) -> None:
    """Let the platform keep its authorities there."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    found = ssl.DefaultVerifyPaths(cafile, capath, "", "", "", "")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: found)


def test_directory_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_DIR counts as SSL_CERT_FILE does."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", "/certs")
    assert (None, "/certs") == platform_authorities()


def test_platform_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that has a file of authorities is asked for that."""
    paths(monkeypatch, "/etc/ssl/cert.pem", None)
    assert ("/etc/ssl/cert.pem", None) == platform_authorities()


@pytest.mark.parametrize("names", [["one.pem"], []])
def test_platform_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: list[str]) -> None:
    """A platform that has a directory of authorities is asked for that, unless there is nothing in it."""
    for name in names:
        (tmp_path / name).touch()
    paths(monkeypatch, None, str(tmp_path))
    assert ((None, str(tmp_path)) if names else (certifi.where(), None)) == platform_authorities()


@pytest.mark.parametrize("capath", [None, "/nowhere"])
def test_platform_without_any(monkeypatch: pytest.MonkeyPatch, capath: str | None) -> None:
    """Where the platform has none, certifi has."""
    paths(monkeypatch, None, capath)
    assert (certifi.where(), None) == platform_authorities()


def test_platform_file_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of authorities that cannot be read is a setting that cannot be honoured, and is not passed over."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(SettingsError, match="SSL_CERT_FILE"):
        Trust(TLS())
