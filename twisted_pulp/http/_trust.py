"""Whom TLS trusts, and why it does not."""

from __future__ import annotations

import os
from typing import Any

from OpenSSL import SSL
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import TLS

__all__ = ["Trust", "refusal"]

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
    """Return why the certificate of *transport*'s peer was refused, or None."""
    code: int | None = getattr(transport, "pulp_refused", None)
    return None if code is None else _REASONS.get(code, f"OpenSSL's reason {code}")


@implementer(IPolicyForHTTPS, IOpenSSLTrustRoot)
class Trust:
    """
    The TLS settings at work; names are checked by service_identity.

    :param settings: of the Remote.
    """

    def __init__(self, settings: TLS) -> None:
        self._settings = settings
        self._added = _certificates(settings.ca_cert) if settings.ca_cert is not None else []

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """Return what makes connections to *hostname*."""
        return _Noting(optionsForClientTLS(hostname.decode("ascii"), trustRoot=self))

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        if self._settings.platform_trust:
            _trust_platform(context)
        store = context.get_cert_store()
        for certificate in self._added:
            if store is not None:
                store.add_cert(certificate.original)


def _trust_platform(context: SSL.Context) -> None:
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not directory:
        from ssl import get_default_verify_paths

        paths = get_default_verify_paths()
        file, directory = paths.cafile, paths.capath
        if not file and not (directory and os.path.isdir(directory) and os.listdir(directory)):
            import certifi

            file, directory = certifi.where(), None
    try:
        context.load_verify_locations(file or None, directory or None)
    except SSL.Error as error:
        raise SettingsError("SSL_CERT_FILE", file, "a file of PEM certificates") from error


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


@implementer(IOpenSSLClientConnectionCreator)
class _Noting:
    """Make connections that remember why they refused a certificate."""

    def __init__(self, creator: Any) -> None:
        self._creator = creator

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = self._creator.clientConnectionForTLS(tlsProtocol)

        def verified(_: object, __: object, code: int, ___: int, right: int) -> bool:
            if not right:
                tlsProtocol.pulp_refused = code
            return bool(right)

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verified)
        return connection  # type: ignore[no-any-return]
