"""TLS settings beside PEM: what may be said, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.ssl import CertificateOptions, trustRootFromCertificates
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.servers.certificates import issue
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS, read_settings, write_settings

PIN, CERTIFICATE_PIN = f"sha256/{'A' * 43}=", f"cert-sha256/{'0' * 64}"


def trusting(**more: Any) -> CertificateOptions:
    """Return ready options that check who answers."""
    return CertificateOptions(trustRoot=trustRootFromCertificates([]), **more)


@pytest.mark.parametrize(
    "given",
    [
        {"pins": (PIN, CERTIFICATE_PIN)},
        {"pins": CERTIFICATE_PIN.upper().replace("CERT-SHA", "cert-sha")},
        {"alpn": ("h2", "http/1.1")},
        {"server_name": "a-b.test"},
        {"server_name": "192.0.2.1"},
        {"server_name": "2001:db8::1"},
        {"min_version": "1.0", "max_version": "1.1"},
        {"min_version": "1.3", "max_version": "1.3"},
        {"ciphers": "ECDHE+AESGCM:@SECLEVEL=1"},
        {"key_log": "keys"},
        {"verify": False},
        {"options": BrowserLikePolicyForHTTPS()},
        {"options": trusting(), "server_name": "a.test", "pins": PIN, "alpn": "h2"},
        {"options": trusting(), "verify": False},
        {"options": CertificateOptions(), "verify": False},
    ],
)
def test_good(given: dict[str, Any]) -> None:
    """What can be honoured is taken, and equals itself."""
    settings = TLS(**given)
    assert settings == evolve(settings)
    assert hash(settings) == hash(evolve(settings))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("pins", {"pins": "sha256/short="}),
        ("pins", {"pins": "md5/" + "0" * 32}),
        ("pins", {"pins": (3,)}),
        ("alpn", {"alpn": ("",)}),
        ("alpn", {"alpn": ("h" * 256,)}),
        ("alpn", {"alpn": ("é",)}),
        ("alpn", {"alpn": (2,)}),
        ("server_name", {"server_name": "bücher.test"}),
        ("server_name", {"server_name": "a.test/x"}),
        ("server_name", {"server_name": ""}),
        ("min_version", {"min_version": "1.4"}),
        ("max_version", {"min_version": "1.3", "max_version": "1.2"}),
        ("max_version", {"max_version": "1.1"}),
        ("ciphers", {"ciphers": "NO-SUCH-CIPHER"}),
        ("ciphers", {"ciphers": ""}),
        ("ciphers", {"ciphers": "eNULL"}),
        ("ciphers", {"ciphers": "aNULL:NULL"}),
        ("key_log", {"key_log": "/no/such/directory/keys"}),
        ("key_log", {"key_log": "/tmp"}),
        ("verify", {"verify": None}),
        ("options", {"options": object()}),
        ("options", {"options": CertificateOptions()}),
        ("ca_cert", {"options": trusting(), "ca_cert": issue().pem}),
        ("min_version", {"options": trusting(), "min_version": "1.3"}),
        ("key_log", {"options": BrowserLikePolicyForHTTPS(), "key_log": "keys"}),
    ],
)
def test_bad(field: str, given: dict[str, Any]) -> None:
    """What cannot be honoured is refused by its name when the settings are made."""
    with pytest.raises(SettingsError) as caught:
        TLS(**given)
    assert field == caught.value.field
    assert caught.value.allowed


def test_options_are_compared_as_they_are() -> None:
    """Settings with other ready options are other settings, whatever these say of themselves (C5)."""

    class Alike(BrowserLikePolicyForHTTPS):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    one, two = Alike(), Alike()
    assert TLS(options=one) != TLS(options=two)
    assert TLS(options=one) == TLS(options=one)
    assert TLS(options=one) != TLS()
    assert isinstance(hash(TLS(options=one)), int)


def test_ready_options_without_their_certificate() -> None:
    """Ready options lose their client certificate where nobody may see it, and keep everything else."""
    mine = issue()
    options = trusting(privateKey=mine.key, certificate=mine.certificate, extraCertChain=[mine.certificate])
    options.getContext()
    settings = TLS(options=options, server_name="a.test")
    bare = settings.anonymous()
    assert settings.identifies
    assert not bare.identifies
    assert (None, None, []) == (bare.options.certificate, bare.options.privateKey, bare.options.extraCertChain)
    assert bare.options.getContext() is not options.getContext()
    assert (options.trustRoot, "a.test") == (bare.options.trustRoot, bare.server_name)
    assert options.certificate is mine.certificate


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read as the same settings; keys, passphrases and what is in code only are not written."""
    settings = TLS(pins=PIN, alpn="h2", ciphers="HIGH", key_log=str(tmp_path / "keys"), max_version="1.3")  # type: ignore[arg-type]
    assert settings == read_settings(TLS, write_settings(settings))
    mine = issue()
    text = write_settings(TLS(client_cert=mine.pem, client_key=mine.key_pem("hush"), client_key_password="hush"))
    assert b"hush" not in text
    assert b"PRIVATE" not in text
    assert b"options" not in write_settings(TLS(options=trusting()))
