"""Pins, sessions, key logs, and what a server must show: each for itself."""

from __future__ import annotations

import gc
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL.crypto import X509
from OpenSSL.SSL import TLS_METHOD, Connection, Context
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.leaks import LoggedErrors
from tests.servers.certificates import issue
from tests.servers.tls import Authority
from tests.unit.test_trust import shaken
from twisted_pulp.errors import SettingsError, TLSError
from twisted_pulp.http import _trust
from twisted_pulp.http._key_log import KeyLog
from twisted_pulp.http._pins import _public_key, check_pins, pins_of
from twisted_pulp.http._refusal import handshake_words
from twisted_pulp.http._sessions import Sessions
from twisted_pulp.http._trust import Trust, trust_in
from twisted_pulp.settings import TLS

# Pins


@pytest.mark.parametrize("kind", ["ec", "2048"])
def test_pins(kind: str) -> None:
    """A certificate is known by its key, or by itself; hex may be of either case."""
    certificate, other = (issue(kind=kind).certificate for _ in range(2))
    key, whole = pins_of(certificate)
    for pins in ((key,), (whole,), (whole.upper().replace("CERT-SHA", "cert-sha"),), (*pins_of(other), key)):
        check_pins(certificate, pins)
    with pytest.raises(TLSError, match=re.escape(f"none of the pinned ones: its key is {key}")):
        check_pins(certificate, pins_of(other))


@pytest.mark.parametrize("kind", ["ec", "1024", "2048"])
def test_pin_is_of_the_key_as_it_stands(kind: str) -> None:
    """What is hashed is SubjectPublicKeyInfo, byte for byte (RFC 7469 section 2.4)."""
    certificate = issue(kind=kind).certificate
    expected = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert expected == _public_key(certificate.tbs_certificate_bytes)


def test_pin_of_the_first_version() -> None:
    """Certificates of X.509's first version do not say that they are; their key is found all the same."""
    tbs = issue().certificate.tbs_certificate_bytes
    head = 2 + (tbs[1] & 0x7F)
    assert b"\xa0\x03\x02\x01\x02" == tbs[head : head + 5]
    first = b"\x30\x82" + (len(tbs) - head - 5).to_bytes(2, "big") + tbs[head + 5 :]
    assert _public_key(tbs) == _public_key(first)


# What a server must show


class Bare:
    """A transport whose peer showed *certificate*."""

    def __init__(self, certificate: Any) -> None:
        self.getPeerCertificate = lambda: None if certificate is None else X509.from_cryptography(certificate)


@pytest.mark.parametrize("verify", [True, False])
def test_no_certificate(verify: bool) -> None:
    """Who shows none is nobody, whether or not anything else is checked."""
    with pytest.raises(TLSError, match="showed no certificate"):
        Trust(TLS(verify=verify)).creatorForNetloc(b"a.test", 443).approve(Bare(None))


def test_unchecked_but_pinned() -> None:
    """Pins count even where nothing else does."""
    certificate = issue(None, "other.test").certificate
    pins = pins_of(certificate)
    Trust(TLS(verify=False, pins=pins)).creatorForNetloc(b"a.test", 443).approve(Bare(certificate))
    with pytest.raises(TLSError):
        Trust(TLS(verify=False, pins=pins)).creatorForNetloc(b"a.test", 443).approve(Bare(issue().certificate))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_unchecked(tls: Authority, host: str) -> None:
    """Without checks a certificate of nobody's is taken; an address is not sent as a name."""
    trust = Trust(TLS(verify=False))
    assert b"hello" == shaken(trust, tls.server(tls.leaf("other.test")), host).heard


# Contexts and sessions


def test_one_trust(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal settings have one Trust as long as somebody holds it, unless the environment says otherwise meanwhile."""
    trust = trust_in(TLS(ca_cert=str(tls.ca_file)))
    assert trust is trust_in(TLS(ca_cert=str(tls.ca_file)))
    assert trust is not trust_in(TLS(ca_cert=str(tls.ca_file), platform_trust=False))
    creator, known = trust.creatorForNetloc(b"a.test", 443), id(trust)
    del trust
    gc.collect()
    trust = trust_in(TLS(ca_cert=str(tls.ca_file)))
    assert known == id(trust)
    assert creator is not trust.creatorForNetloc(b"a.test", 443)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
    assert trust is not trust_in(TLS(ca_cert=str(tls.ca_file)))


def test_sessions_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each origin has its sessions, up to a bound."""
    trust = Trust(TLS())
    first = trust.creatorForNetloc(b"a.test", 443).sessions
    assert first is trust.creatorForNetloc(b"a.test", 443).sessions
    assert first is not trust.creatorForNetloc(b"a.test", 444).sessions
    monkeypatch.setattr(_trust, "_MANY", 2)
    assert first is not trust.creatorForNetloc(b"a.test", 443).sessions


class Open:
    """As much of a TLS protocol as sessions look at."""

    def __init__(self, connection: Any, done: bool = True) -> None:
        self._tlsConnection, self._handshakeDone, self.refused = connection, done, False


class Having:
    """A connection with a session."""

    def __init__(self, session: object) -> None:
        self._session, self.resumed = session, None  # type: object, object

    def get_session(self) -> object:
        return self._session

    def set_session(self, session: object) -> None:
        self.resumed = session


def test_sessions_of_open_connections() -> None:
    """The first connection that is open and shaken hands lends its session; one that is over has left its own."""
    sessions, made = Sessions(), [Having(name) for name in "abcd"]
    first, early = Open(made[0], done=False), Open(made[1])
    sessions.resume(first, made[0])
    sessions.resume(early, made[1])
    assert [None, None] == [each.resumed for each in made[:2]]
    first._handshakeDone = True
    first.refused = True
    sessions.resume(Open(made[2]), made[2])
    assert made[2].resumed is None
    first.refused = False
    sessions.resume(Open(made[2]), made[2])
    assert "a" == made[2].resumed
    sessions.keep(made[1])
    first._tlsConnection = None
    sessions.resume(Open(made[3]), made[3])
    assert "b" == made[3].resumed
    sessions.keep(Having(None))
    sessions.resume(first, made[0])
    assert "b" == made[0].resumed


def test_sessions_do_not_hold_connections() -> None:
    """A connection that is gone is forgotten."""
    sessions, later = Sessions(), Having("b")
    sessions.resume(Open(Having("a")), Having("a"))
    sessions.resume(Open(later), later)
    assert later.resumed is None


# Ciphers


@pytest.mark.parametrize(
    "given",
    [{"ciphers": "ALL:aNULL:eNULL"}, {"ciphers": "ALL:@SECLEVEL=0"}, {"min_version": "1.0"}, {}],
)
def test_no_cipher_without_a_certificate(given: dict[str, Any]) -> None:
    """Whatever is asked for: no cipher goes without a certificate, or without encryption."""
    context: Context = Trust(TLS(**given))._options.getContext()
    names = Connection(context).get_cipher_list()
    assert names
    assert not [name for name in names if name.startswith(("ADH", "AECDH", "NULL")) or "NULL" in name]


def test_ciphers_are_those_asked_for() -> None:
    """Up to TLS 1.2, nothing is offered but what was asked for."""
    context: Context = Trust(TLS(ciphers="AES128-GCM-SHA256", max_version="1.2"))._options.getContext()
    assert ["AES128-GCM-SHA256"] == [n for n in Connection(context).get_cipher_list() if not n.startswith("TLS_")]
    assert Context(TLS_METHOD) is not context


# Key logs


def test_key_log(tmp_path: Path) -> None:
    """Lines are appended to a file that only its owner may read."""
    path = tmp_path / "keys"
    log = KeyLog(str(path))
    log(object(), b"CLIENT_RANDOM 1")
    KeyLog(str(path))(object(), b"CLIENT_RANDOM 2")
    assert b"CLIENT_RANDOM 1\nCLIENT_RANDOM 2\n" == path.read_bytes()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_key_log_that_is_no_file(tmp_path: Path) -> None:
    """What is no file keeps its permissions."""
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o640)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        before = stat.S_IMODE(path.stat().st_mode)
        KeyLog(str(path))(object(), b"x")
        assert b"x\n" == os.read(reading, 9)
        assert before == stat.S_IMODE(path.stat().st_mode)
    finally:
        os.close(reading)


def test_key_log_that_fails(tmp_path: Path, logged_errors: LoggedErrors) -> None:
    """What cannot be written later is logged: inside of OpenSSL nobody could catch it."""
    path = tmp_path / "keys"
    log = KeyLog(str(path))
    path.unlink()
    path.mkdir()
    log(object(), b"x")
    assert 1 == len(logged_errors.flush(IsADirectoryError))


# Words


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("tlsv1 alert protocol version", "no version of TLS that both sides speak: "),
        ("ssl/tls alert handshake failure", "no cipher that both sides allow, or"),
        ("tlsv13 alert certificate required", "the server wants a client certificate: "),
        ("tlsv1 alert unknown ca", "the server refused our certificate: "),
        ("something new", "TLS failed: "),
    ],
)
def test_words(said: str, meaning: str) -> None:
    """OpenSSL's words are explained, and kept."""
    assert handshake_words(said).startswith(meaning)
    assert handshake_words(said).endswith(said)


# Ready options, policies, and our own certificate, in memory


def anchors(tls: Authority) -> Any:
    """Return what trusts *tls* alone, as Twisted has it."""
    return trustRootFromCertificates([Certificate.loadPEM(tls.ca_file.read_bytes())])


def test_ready_options(tls: Authority) -> None:
    """Ready options say whom to trust; the protocols offered may be said beside them."""
    settings = TLS(options=CertificateOptions(trustRoot=anchors(tls)), alpn=("a/1", "b/2"))
    server, offered = tls.server(), []

    def choose(connection: Connection, protocols: list[bytes]) -> bytes:
        offered.extend(protocols)
        return b"b/2"

    server.getContext().set_alpn_select_callback(choose)
    greeter: Any = shaken(Trust(settings), server)
    assert ([b"a/1", b"b/2"], b"b/2") == (offered, greeter.transport.negotiatedProtocol)
    assert b"" == shaken(Trust(settings), tls.server(tls.leaf("other.test"))).heard


def test_protocols_offered(tls: Authority) -> None:
    """Without ready options too."""
    server = tls.server()
    server.getContext().set_alpn_select_callback(lambda connection, protocols: protocols[1])
    greeter: Any = shaken(Trust(TLS(ca_cert=str(tls.ca_file), alpn=("a/1", "b/2"))), server)
    assert b"b/2" == greeter.transport.negotiatedProtocol


def test_policy(tls: Authority) -> None:
    """A policy is asked for each host, and for the name that is set."""
    trust = Trust(TLS(options=BrowserLikePolicyForHTTPS(anchors(tls)), server_name="localhost"))
    greeter = shaken(trust, tls.server(tls.leaf("localhost")), "elsewhere.test")
    assert b"hello" == greeter.heard
    trust.creatorForNetloc(b"elsewhere.test", 443).approve(greeter.transport)


def test_client_certificate(tls: Authority) -> None:
    """Our certificate is shown with its chain, and a server that wants none of it says so."""
    clients = trustme.CA()
    mine = clients.create_child_ca().issue_cert("me@example.test")
    chain = "".join(pem.bytes().decode() for pem in mine.cert_chain_pems)
    settings = TLS(ca_cert=str(tls.ca_file), client_cert=chain, client_key=mine.private_key_pem.bytes().decode())
    assert b"hello" == shaken(Trust(settings), tls.server(client_ca=clients)).heard
    assert b"" == shaken(Trust(settings.anonymous()), tls.server(client_ca=clients)).heard
    assert b"" == shaken(Trust(settings), tls.server(client_ca=trustme.CA())).heard


def test_key_log_in_memory(tls: Authority, tmp_path: Path) -> None:
    """Each session leaves its keys."""
    path = tmp_path / "keys"
    shaken(Trust(TLS(ca_cert=str(tls.ca_file), key_log=str(path))), tls.server())
    assert b"CLIENT_TRAFFIC_SECRET_0 " in path.read_bytes()


def test_key_log_that_cannot_be_made(tmp_path: Path) -> None:
    """A file that cannot be written is an error before anybody is connected to."""
    settings = TLS(key_log=str(tmp_path / "keys"))
    (tmp_path / "keys").mkdir()
    with pytest.raises(SettingsError, match=r"tls\.key_log"):
        Trust(settings)
