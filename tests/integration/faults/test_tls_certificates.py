"""Row 45, and L1 of the threats: bad certificates and protocols fail with their reason, good ones pass."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from pytest_twisted import ensureDeferred
from service_identity import CertificateError

from tests.integration.faults.invariants import SECRET, Fetcher, quick
from tests.leaks import LoggedErrors
from tests.servers.certificates import DAY, Issued, issue
from tests.servers.fixtures import StartOpenSSL
from tests.servers.programs import require
from twisted_pulp import TLS, Retry
from twisted_pulp.errors import TLSError
from twisted_pulp.http._pins import pins_of

BODY = b"abc" * 1000
#: What `openssl s_server -WWW` calls the file, query and all.
FILES = {f"file?token={SECRET}": BODY}
WEAK = ("-cipher", "ALL:@SECLEVEL=0")
OLD_TLS = (sys.executable, str(Path(__file__).parents[2] / "servers" / "old_tls.py"))
HERE = ("localhost", "127.0.0.1")


@frozen(kw_only=True)
class Case:
    """
    A server, and what is made of it.

    :ivar shown: the PEM it shows.
    :ivar leaf: whose key it has.
    :ivar arguments: for it.
    :ivar program: another one than `openssl s_server`.
    :ivar tls: further settings of ours.
    """

    shown: str
    leaf: Issued
    arguments: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    tls: Mapping[str, Any] = field(factory=dict)


def served(leaf: Issued, *arguments: str, shown: str | None = None, **tls: Any) -> Case:
    """Give a server that shows *leaf* and its chain, or *shown*."""
    return Case(shown=leaf.chain if shown is None else shown, leaf=leaf, arguments=arguments, tls=tls)


def expired_above(root: Issued) -> Case:
    """Let an authority between have expired."""
    between = issue(root, authority=True, common="between", begin=-3 * DAY, end=-DAY)
    return served(issue(between, *HERE))


def unknown_root(root: Issued) -> Case:
    """Send a root that nobody trusts along."""
    leaf = issue(issue(authority=True, common="other"), *HERE)
    return served(leaf, shown=leaf.pem + leaf.above[0].pem)


def not_all_sent(root: Issued) -> Case:
    """Leave out the authority between."""
    leaf = issue(issue(root, authority=True, common="between"), *HERE)
    return served(leaf, shown=leaf.pem)


def signed_with_sha1(root: Issued) -> Case:
    """Cryptography does not sign so any more."""
    openssl, words = require("openssl"), ["req", "-x509", "-sha1", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    words += ["-subj", "/CN=test"]
    directory = root_files(root)
    (directory / "plain.cnf").write_text("[req]\ndistinguished_name = dn\n[dn]\n")
    words += ["-config", "plain.cnf"]
    words += ["-CA", "root.pem", "-CAkey", "root-key.pem", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    words += ["-keyout", "key.pem", "-out", "leaf.pem"]
    subprocess.run([openssl, *words], cwd=directory, check=True, capture_output=True)
    key: Any = load_pem_private_key((directory / "key.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((directory / "leaf.pem").read_bytes())
    return served(Issued(certificate=certificate, key=key, above=(root,)), *WEAK)


def damaged(root: Issued) -> Case:
    """Give a certificate whose signature has one bit wrong, as if its content had been changed."""
    leaf = issue(root, *HERE, kind="2048")
    der = bytearray(leaf.certificate.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return served(evolve(leaf, certificate=x509.load_der_x509_certificate(bytes(der))))


def old(cipher: str) -> Callable[[Issued], Case]:
    """Speak only *cipher*, which OpenSSL has no more."""

    def made(root: Issued) -> Case:
        return evolve(served(issue(root, *HERE, kind="2048"), cipher), program=OLD_TLS)

    return made


_here: dict[str, Path] = {}


def root_files(root: Issued) -> Path:
    """Write *root* where programs find it, and give the directory."""
    directory = _here["directory"]
    (directory / "root.pem").write_text(root.pem)
    (directory / "root-key.pem").write_text(root.key_pem())
    return directory


NO_CIPHER = "no cipher that both sides allow"
NO_VERSION = "no version of TLS that both sides speak"
TOO_EARLY = datetime.timedelta(hours=1)

BAD: dict[str, tuple[str, Callable[[Issued], Case]]] = {
    "expired": ("the certificate has expired", lambda root: served(issue(root, *HERE, begin=-3 * DAY, end=-DAY))),
    "not yet": ("the certificate is not valid yet", lambda root: served(issue(root, *HERE, begin=TOO_EARLY))),
    "authority expired": ("the certificate has expired", expired_above),
    "other name": ("the certificate is for another name", lambda root: served(issue(root, "other.test"))),
    "other address": ("the certificate is for another name", lambda root: served(issue(root, "127.0.0.2"))),
    "address as name": ("the certificate is for another name", lambda root: served(issue(root, "localhost"))),
    "no names": ("the certificate names nobody", lambda root: served(issue(root, common="127.0.0.1"))),
    "self-signed": ("the certificate is self-signed", lambda root: served(issue(None, *HERE))),
    "unknown root": ("the chain ends in a self-signed certificate that is not trusted", unknown_root),
    "unknown issuer": (
        "the certificate's issuer is not known",
        lambda root: served(issue(issue(authority=True, common="other"), *HERE)),
    ),
    "chain not sent": ("the certificate's issuer is not known", not_all_sent),
    "leaf as authority": (
        "the issuer is no certificate authority",
        lambda root: served(issue(issue(root, "a.test", common="leaf", usage=None), *HERE)),
    ),
    "for clients": (
        "the certificate is not for servers",
        lambda root: served(issue(root, *HERE, usage=ExtendedKeyUsageOID.CLIENT_AUTH)),
    ),
    "name not permitted": (
        "the certificate is for a name that its authority may not sign for",
        lambda root: served(issue(issue(root, authority=True, common="between", permitted="a.test"), *HERE)),
    ),
    "weak key": ("the certificate's key is too small", lambda root: served(issue(root, *HERE, kind="1024"), *WEAK)),
    "SHA-1": ("the certificate's signature algorithm is too weak", signed_with_sha1),
    "bad signature": ("the certificate's signature is wrong", damaged),
    "not the pinned one": (
        "the certificate is none of the pinned ones",
        lambda root: served(issue(root, *HERE), pins=pins_of(issue(root, *HERE).certificate)),
    ),
    "TLS 1.0": (NO_VERSION, lambda root: served(issue(root, *HERE), "-tls1", *WEAK)),
    "TLS 1.1": (NO_VERSION, lambda root: served(issue(root, *HERE), "-tls1_1", *WEAK)),
    "TLS 1.2 where 1.3 is wanted": (NO_VERSION, lambda root: served(issue(root, *HERE), "-tls1_2", min_version="1.3")),
    "other ciphers": (NO_CIPHER, lambda root: served(issue(root, *HERE), "-tls1_2", "-cipher", "CAMELLIA")),
    "RC4": (NO_CIPHER, old("rc4")),
    "3DES": (NO_CIPHER, old("3des")),
    "wants our certificate": (
        "the server wants a client certificate",
        lambda root: served(issue(root, *HERE), "-Verify", "1"),
    ),
    "wants our certificate, TLS 1.2": (
        "or the server wants a client certificate",
        lambda root: served(issue(root, *HERE), "-Verify", "1", "-tls1_2"),
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Issued:
    """The authority that is trusted."""
    _here["directory"] = tmp_path
    return issue(authority=True, common="root", kind="2048")


async def report_of(case: Case, root: Issued, fetcher: Fetcher, start: StartOpenSSL) -> Any:
    """Download a file from *case* and give the report."""
    arguments = case.arguments if case.program else ("-WWW", *case.arguments)
    server = await start(case.shown, case.leaf.key_pem(), *arguments, files=FILES, program=case.program)
    tls = TLS(ca_cert=root.pem, platform_trust=False, **case.tls)
    return await fetcher.fetch(server.url(), BODY, remote=quick(tls=tls, retry=Retry(retries=2)))


@pytest.mark.parametrize("name", BAD)
@ensureDeferred
async def test_row_45_bad(
    name: str, root: Issued, fetcher: Fetcher, start_openssl: StartOpenSSL, logged_errors: LoggedErrors
) -> None:
    """Row 45: what is wrong is said, it is not tried again, and nothing is kept."""
    why, make = BAD[name]
    report = await report_of(make(root), root, fetcher, start_openssl)
    assert isinstance(report.error, TLSError)
    assert why in report.error.reason
    assert not report.error.retryable
    assert 1 == len(report.attempts)
    logged_errors.flush(CertificateError)  # Twisted logs a certificate without names, and goes on


def chain_of_four(root: Issued) -> Case:
    """Put two authorities between root and leaf."""
    between = issue(issue(root, authority=True, common="one"), authority=True, common="two")
    return served(issue(between, *HERE))


def pinned(number: int) -> Callable[[Issued], Case]:
    """Pin the key, or the certificate, beside another one."""

    def made(root: Issued) -> Case:
        leaf = issue(root, *HERE)
        return served(leaf, pins=("sha256/" + "A" * 43 + "=", pins_of(leaf.certificate)[number]))

    return made


def known_client(root: Issued) -> Case:
    """Want a certificate of ours, and give one with an encrypted key."""
    mine = issue(issue(root, authority=True, common="clients"), usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    root_files(root)
    given = {"client_cert": mine.chain, "client_key": mine.key_pem("hush"), "client_key_password": "hush"}
    trust = str(_here["directory"] / "root.pem")
    return served(issue(root, *HERE), "-Verify", "3", "-verify_return_error", "-CAfile", trust, **given)


GOOD: dict[str, Callable[[Issued], Case]] = {
    "wildcard": lambda root: served(issue(root, "*.a.test"), server_name="b.a.test"),
    "address": lambda root: served(issue(root, "127.0.0.1")),
    "ECDSA": lambda root: served(issue(root, *HERE, kind="ec")),
    "chain of four": chain_of_four,
    "RSA under an authority of one's own": lambda root: served(issue(root, *HERE, kind="2048")),
    "client certificate": known_client,
    "pinned key": pinned(0),
    "pinned certificate": pinned(1),
    "only TLS 1.2": lambda root: served(issue(root, *HERE), "-tls1_2"),
    "TLS 1.0, when allowed": lambda root: served(issue(root, *HERE, kind="2048"), "-tls1", *WEAK, min_version="1.0"),
    "TLS 1.1, when allowed": lambda root: served(issue(root, *HERE), "-tls1_1", *WEAK, min_version="1.1"),
    "other ciphers, when allowed": lambda root: served(
        issue(root, *HERE, kind="2048"), "-tls1_2", "-cipher", "AES128-SHA", ciphers="AES128-SHA", max_version="1.2"
    ),
    "weak key, when allowed": lambda root: served(
        issue(root, *HERE, kind="1024"), *WEAK, ciphers="DEFAULT:@SECLEVEL=0"
    ),
    "self-signed, without a check": lambda root: served(issue(None, "other.test"), verify=False),
}


@pytest.mark.parametrize("name", GOOD)
@ensureDeferred
async def test_row_45_good(name: str, root: Issued, fetcher: Fetcher, start_openssl: StartOpenSSL) -> None:
    """Row 45: what is as the settings want it passes."""
    report = await report_of(GOOD[name](root), root, fetcher, start_openssl)
    assert report.error is None
