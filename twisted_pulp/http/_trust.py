"""Whom TLS trusts, and why it does not."""

from __future__ import annotations

import os
from typing import Any

from OpenSSL import SSL
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS

__all__ = ["Trust", "check_name", "refusal"]

# X509_V_ERR_... (openssl/x509_vfy.h) in words.
_REASONS = {
    7: "the certificate's signature is wrong",
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the chain ends in a self-signed certificate that is not trusted",
    20: "the certificate's issuer is not known",
    21: "the certificate's issuer was not sent",
    22: "the chain is too long",
    23: "the certificate was revoked",
    24: "the issuer is no certificate authority",
    26: "the certificate is not for servers",
    66: "the certificate's key is too small",
    67: "an authority's key is too small",
    68: "the certificate's signature algorithm is too weak",
}


def refusal(transport: object) -> str | None:
    """
    Return why the certificate of *transport*'s peer was refused, or None.

    Ask as soon as the handshake has failed. It only looks at what OpenSSL found: the check itself, of the chain and of
    the name, is Twisted's, which a verify callback of ours would replace.
    """
    connection = getattr(transport, "_tlsConnection", None)
    if connection is None:
        return None
    code: int = SSL._lib.SSL_get_verify_result(connection._ssl)  # type: ignore[attr-defined]
    return _REASONS.get(code, f"OpenSSL's reason {code}") if code else None


def check_name(transport: Any, host: str) -> None:
    """
    Check once more that the certificate of *transport*'s peer is for *host*, before anything is sent.

    Twisted 26.10 lets a certificate without subjectAltName pass for every name, and only logs an error.

    :raises service_identity.VerificationError: when it is for another name.
    :raises service_identity.CertificateError: when it names nobody.
    """
    from service_identity.pyopenssl import verify_hostname, verify_ip_address

    verify = verify_ip_address if isIPAddress(host) or isIPv6Address(host) else verify_hostname
    verify(_Peer(transport.getPeerCertificate()), host)  # type: ignore[arg-type]  # it asks for the certificate only


class _Peer:
    def __init__(self, certificate: Any) -> None:
        self.get_peer_certificate = lambda: certificate


@implementer(IPolicyForHTTPS, IOpenSSLTrustRoot)
class Trust:
    """
    The TLS settings at work; chains are checked by OpenSSL, names by service_identity.

    :param settings: of the Remote.
    :raises SettingsError: when there are no authorities where the settings or the environment say.
    """

    def __init__(self, settings: TLS) -> None:
        self._added = _certificates(settings.ca_cert) if settings.ca_cert is not None else []
        self._platform = _platform() if settings.platform_trust else None

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """Return what makes connections to *hostname*."""
        return optionsForClientTLS(hostname.decode("ascii"), trustRoot=self)

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        if self._platform is not None:
            context.load_verify_locations(*self._platform)
        store: Any = context.get_cert_store()
        for certificate in self._added:
            store.add_cert(certificate.original)


def _platform() -> tuple[str | None, str | None]:
    """Return the file and the directory of the platform's authorities."""
    file, directory = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    if file or directory:
        try:  # not in the middle of the first connection
            SSL.Context(SSL.TLS_METHOD).load_verify_locations(file, directory)
        except SSL.Error as error:
            raise SettingsError("SSL_CERT_FILE", file, "a file of PEM certificates") from error
        return file, directory
    from ssl import get_default_verify_paths

    paths = get_default_verify_paths()
    if paths.cafile or (paths.capath and os.path.isdir(paths.capath) and os.listdir(paths.capath)):
        return paths.cafile, paths.capath
    import certifi

    return certifi.where(), None


def _certificates(given: str) -> list[Any]:
    if "-----BEGIN" not in given:
        with open(given, encoding="latin-1") as file:
            given = file.read()
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    found = []
    for block in given.split(begin)[1:]:
        try:
            found.append(Certificate.loadPEM((begin + block.partition(end)[0] + end).encode("latin-1")))
        except Exception as error:  # whatever the library makes of what is no certificate
            raise SettingsError("tls.ca_cert", f"certificate {len(found) + 1}", "valid PEM") from error
    if not found:
        raise SettingsError("tls.ca_cert", "text without a certificate", "PEM with at least one certificate")
    return found
