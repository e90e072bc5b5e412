"""PEM is read and checked where it is given, before anybody is connected to (row 46)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from tests.servers.certificates import DAY, Issued, issue
from twisted_pulp import Remote, read_settings
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS

ROOT = issue(authority=True, common="root")
MINE = issue(issue(ROOT, authority=True, common="between"), common="me")
DAMAGED = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
UNENDED = "-----BEGIN CERTIFICATE-----\nAAAA\n"
SECRET = "hunter2"


def refused(**given: Any) -> SettingsError:
    """Return why *given* are no TLS settings; no word holds a key or passphrase."""
    with pytest.raises(SettingsError) as caught:
        TLS(**given)
    shown = str(caught.value) + repr(caught.value)
    assert SECRET not in shown
    assert MINE.key_pem().split("\n")[1] not in shown
    return caught.value


# Authorities


def test_authorities(tmp_path: Path) -> None:
    """Authorities are read from text or a file, with words between them, and lines as elsewhere."""
    text = f"# the first\n{ROOT.pem}\nthe second: {MINE.pem}".replace("\n", "\r\n")
    (tmp_path / "ca.pem").write_text(text, newline="")
    expected = (ROOT.certificate, MINE.certificate)
    assert expected == TLS(ca_cert=text).loaded.authorities
    assert expected == TLS(ca_cert=str(tmp_path / "ca.pem"), platform_trust=False).loaded.authorities


def test_nothing_given() -> None:
    """Where there is no PEM, none is loaded."""
    assert TLS().loaded is None


def test_old_name() -> None:
    """Certificates may be called as they once were."""
    text = ROOT.pem.replace("CERTIFICATE", "X509 CERTIFICATE")
    assert (ROOT.certificate,) == TLS(ca_cert=text).loaded.authorities


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("certificate 1, which is damaged", DAMAGED),
        ("certificate 2, which is damaged", ROOT.pem + DAMAGED + ROOT.pem),
        ("a block that does not end", ROOT.pem + UNENDED),
        ("a block that does not end", UNENDED + ROOT.pem),
        ("a block of 'PRIVATE KEY'", ROOT.pem + ROOT.key_pem()),
        ("a block of 'X509 CRL'", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----"),
        ("text without PEM", "two\nlines"),
        ("/no/such/file", "/no/such/file"),
    ],
)
def test_no_authorities(what: str, text: str) -> None:
    """One bad block in a chain is enough, and the error says which."""
    error = refused(ca_cert=text)
    assert "ca_cert" == error.field
    assert what in error.value  # type: ignore[operator]


def test_file_without_any(tmp_path: Path) -> None:
    """A file without a certificate is named."""
    (tmp_path / "ca.pem").touch()
    error = refused(ca_cert=str(tmp_path / "ca.pem"))
    assert ("ca_cert", str(tmp_path / "ca.pem")) == (error.field, error.value)
    assert "at least one certificate" in error.allowed


def test_parameters_alone() -> None:
    """Nor is there one in a block of something else."""
    text = "-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n"
    assert "text without a certificate" == refused(ca_cert=text).value


@pytest.mark.parametrize("name", ["ca_cert", "client_cert", "client_key"])
@pytest.mark.parametrize("value", ["", b"bytes", 3])
def test_not_text(name: str, value: object) -> None:
    """What is no text is no PEM."""
    assert name == refused(**{name: value}).field


def test_read_once(tmp_path: Path) -> None:
    """What a file held when the settings were made is what counts; settings made later are others."""
    path = tmp_path / "ca.pem"
    path.write_text(ROOT.pem)
    first = TLS(ca_cert=str(path))
    path.write_text(MINE.pem)
    assert (ROOT.certificate,) == first.loaded.authorities
    assert first != evolve(first)
    assert evolve(first) == evolve(first)
    assert hash(evolve(first)) == hash(evolve(first))


# Client certificates


@pytest.mark.parametrize("password", [None, SECRET])
@pytest.mark.parametrize("together", [True, False])
def test_client(tmp_path: Path, password: str | None, together: bool) -> None:
    """Certificate, chain and key stand together or apart, as text or files, the key encrypted or not."""
    chain, key = MINE.chain, MINE.key_pem(password)
    (tmp_path / "chain.pem").write_text(chain + key if together else chain)
    (tmp_path / "key.pem").write_text("Bag Attributes\n" + key)
    for given in (
        {"client_cert": str(tmp_path / "chain.pem"), "client_key": None if together else str(tmp_path / "key.pem")},
        {"client_cert": key + chain if together else chain, "client_key": None if together else key},
    ):
        settings = TLS(**given, client_key_password=password)  # type: ignore[arg-type]
        assert (MINE.certificate, MINE.above[0].certificate) == settings.loaded.chain
        assert MINE.key.private_numbers() == settings.loaded.key.private_numbers()
        assert SECRET not in repr(settings)
        assert "PRIVATE" not in repr(settings)


def test_key_of_its_own_beside_one_with_the_certificate() -> None:
    """A key given for itself goes before the one that stands with the certificate."""
    other = issue(ROOT)
    assert MINE.key.private_numbers() == (
        TLS(client_cert=MINE.chain + other.key_pem(), client_key=MINE.key_pem()).loaded.key.private_numbers()
    )


def test_parameters_before_the_key() -> None:
    """Parameters of curves, which openssl writes before keys, are passed over."""
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert TLS(client_cert=MINE.chain, client_key=parameters + MINE.key_pem()).loaded.key is not None


EXPIRED, EARLY = issue(ROOT, begin=-3 * DAY, end=-DAY), issue(ROOT, begin=DAY, end=2 * DAY)
LEGACY = """-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,00000000000000000000000000000000

AAAA
-----END RSA PRIVATE KEY-----
"""
NO_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("field", "what", "given"),
    [
        # Row 46: missing, expired, of another key, encrypted.
        ("client_key", "no keys in client_cert", {"client_cert": MINE.chain}),
        ("client_cert", "/no/such/file", {"client_cert": "/no/such/file", "client_key": MINE.key_pem()}),
        ("client_cert", "expired 2", {"client_cert": EXPIRED.pem, "client_key": EXPIRED.key_pem()}),
        ("client_cert", "not valid before 2", {"client_cert": EARLY.pem, "client_key": EARLY.key_pem()}),
        (
            "client_key",
            "the key of another certificate",
            {"client_cert": MINE.chain, "client_key": issue(ROOT).key_pem()},
        ),
        ("client_key_password", "None", {"client_cert": MINE.chain, "client_key": MINE.key_pem(SECRET)}),
        (
            "client_key_password",
            "***",
            {"client_cert": MINE.chain, "client_key": MINE.key_pem(SECRET), "client_key_password": SECRET + "3"},
        ),
        ("client_key_password", "None", {"client_cert": MINE.chain, "client_key": LEGACY}),
        # And the rest.
        (
            "client_key_password",
            "***",
            {"client_cert": MINE.chain, "client_key": MINE.key_pem(), "client_key_password": SECRET},
        ),
        ("client_key", "no such file", {"client_cert": MINE.chain, "client_key": "/no/such/file"}),
        ("client_key", "no keys in client_key", {"client_cert": MINE.chain, "client_key": MINE.pem}),
        ("client_key", "2 keys in client_cert", {"client_cert": MINE.chain + 2 * MINE.key_pem()}),
        ("client_key", "damaged", {"client_cert": MINE.chain, "client_key": NO_KEY}),
        ("client_key", "a block that does not end", {"client_cert": MINE.chain, "client_key": MINE.key_pem()[:-9]}),
        ("client_cert", "text without a certificate", {"client_cert": MINE.key_pem()}),
        ("client_cert", "certificate 2, which is damaged", {"client_cert": MINE.pem + DAMAGED + MINE.key_pem()}),
        ("client_key", "***", {"client_key": MINE.key_pem()}),
        ("client_key_password", "***", {"client_key_password": SECRET}),
        (
            "client_key_password",
            "***",
            {"client_cert": MINE.chain, "client_key": MINE.key_pem(), "client_key_password": 3},
        ),
    ],
)
def test_row_46(field: str, what: str, given: dict[str, Any]) -> None:
    """Row 46: a client certificate that cannot be used is refused when the settings are made."""
    error = refused(**given)
    assert field == error.field
    assert what in str(error.value)
    assert error.allowed


def test_in_a_file(tmp_path: Path) -> None:
    """In a file of settings, the error names the field in full."""
    (tmp_path / "mine.pem").write_text(MINE.chain)
    with pytest.raises(SettingsError) as caught:
        read_settings(Remote, f'[tls]\nclient_cert = "{tmp_path / "mine.pem"}"')
    assert "tls.client_key" == caught.value.field


def test_anonymous() -> None:
    """The same settings without a client certificate are other settings."""
    trust = TLS(ca_cert=ROOT.pem, server_name="a.test")
    mine = evolve(trust, client_cert=MINE.chain, client_key=MINE.key_pem(SECRET), client_key_password=SECRET)
    assert mine.identifies
    assert trust == mine.anonymous()
    assert mine != trust
    assert not trust.identifies
    assert trust is trust.anonymous()


def test_anonymous_reads_no_file(tmp_path: Path) -> None:
    """Without the client certificate, what a file held when the settings were made still counts."""
    path = tmp_path / "ca.pem"
    path.write_text(ROOT.pem)
    trust = TLS(ca_cert=str(path))
    mine = TLS(ca_cert=str(path), client_cert=MINE.chain, client_key=MINE.key_pem())
    path.unlink()
    assert trust == mine.anonymous()
    assert (None, (ROOT.certificate,)) == (mine.anonymous().client_key, mine.anonymous().loaded.authorities)
    assert TLS() == TLS(client_cert=MINE.chain, client_key=MINE.key_pem()).anonymous()


def test_key_of_an_unknown_kind() -> None:
    """A certificate whose key nobody can read is no certificate of ours."""
    der = MINE.certificate.public_bytes(Encoding.DER)
    kind = bytes.fromhex("06072a8648ce3d0201")
    assert kind in der
    odd = load_der_x509_certificate(der.replace(kind, kind[:-1] + b"\x7f"))
    error = refused(client_cert=odd.public_bytes(Encoding.PEM).decode(), client_key=MINE.key_pem())
    assert ("client_cert", "a certificate with a key of an unknown kind") == (error.field, error.value)


def issued_to(name: str) -> Issued:
    """Return a certificate of the root's."""
    return issue(ROOT, common=name)


def test_two_clients() -> None:
    """Settings with different client certificates are different."""
    one, two = (TLS(client_cert=each.pem + each.key_pem()) for each in (issued_to("one"), issued_to("two")))
    assert one != two
