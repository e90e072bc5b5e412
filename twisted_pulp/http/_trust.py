"""TLS settings at work: whom we trust, who we are, and what a connection must show before anything is sent over it."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet._sslverify import ClientTLSOptions, IOpenSSLTrustRoot
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from twisted_pulp.errors import TLSError
from twisted_pulp.http._authorities import environment, platform_authorities
from twisted_pulp.http._sessions import Sessions
from twisted_pulp.settings import TLS
from twisted_pulp.settings._ciphers import NEVER

__all__ = ["Trust", "check_name", "trust_in"]

_VERSIONS = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}
# OpenSSL 3 speaks the old versions at no other level.
_OLD = ":@SECLEVEL=0"
_MANY = 1000
_known: WeakValueDictionary[Any, Trust] = WeakValueDictionary()


def trust_in(settings: TLS) -> Trust:
    """
    Return the `Trust` for *settings*, the same as long as somebody holds it: to load authorities takes 10 ms.

    :raises SettingsError: when there are no authorities where the environment says.
    """
    key = (settings, environment())
    trust = _known.get(key)
    if trust is None:
        trust = _known[key] = Trust(settings)
    return trust


@implementer(IPolicyForHTTPS)
class Trust:
    """
    TLS settings at work; chains are checked by OpenSSL, names by service_identity.

    Connections of one Trust may stand in for each other, and all are made from one OpenSSL context.

    :param settings: of the Remote, or of the proxy.
    :ivar verifies: whether the server's certificate is checked.
    :raises SettingsError: when there are no authorities where the settings or the environment say.
    """

    def __init__(self, settings: TLS) -> None:
        self._settings, self.verifies = settings, settings.verify
        self._policy: Any = None
        self._options: Any = None
        if settings.options is None:
            self._options = _options(settings)
        elif isinstance(settings.options, CertificateOptions):
            self._options = settings.options
        else:
            self._policy = settings.options
        self._sessions: dict[tuple[bytes, int], Sessions] = {}

    def creatorForNetloc(self, hostname: bytes, port: int) -> Creator:
        """Return what makes connections to *hostname*."""
        if len(self._sessions) >= _MANY:
            self._sessions.clear()
        sessions = self._sessions.setdefault((hostname, port), Sessions())
        # The dot of a name that is whole is for DNS only (RFC 6066 section 3).
        name = (self._settings.server_name or hostname.decode("ascii")).rstrip(".")
        return Creator(self, self._inner(name, port), name, self._settings, sessions)

    def _inner(self, name: str, port: int) -> IOpenSSLClientConnectionCreator:
        if self._policy is not None:
            made: IOpenSSLClientConnectionCreator = self._policy.creatorForNetloc(name.encode("ascii"), port)
            return made
        make = self._options.clientConnectionForTLS
        if self.verifies:
            return _believing(make, name)
        return _Credulous(make, name)


@implementer(IOpenSSLClientConnectionCreator)
class Creator:
    """
    Make TLS connections to one origin.

    :param trust: that this is of, and that lives as long as this.
    :ivar sessions: that they go on with.
    """

    def __init__(
        self,
        trust: Trust,
        inner: IOpenSSLClientConnectionCreator,
        name: str,
        settings: TLS,
        sessions: Sessions,
    ) -> None:
        self._trust = trust
        self._inner, self._name, self._settings, self.sessions = inner, name, settings, sessions
        self._alpn = [each.encode("ascii") for each in settings.alpn] if settings.options is not None else []
        self._checks_name = settings.verify and not IPolicyForHTTPS.providedBy(settings.options)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Return a connection for *tlsProtocol*, which resumes a session if there is one."""
        connection: SSL.Connection = self._inner.clientConnectionForTLS(tlsProtocol)
        if self._alpn:
            connection.set_alpn_protos(self._alpn)
        self.sessions.resume(tlsProtocol, connection)
        return connection

    def approve(self, transport: Any) -> None:
        """
        Check the certificate of *transport*'s peer after the handshake, before anything is sent.

        :raises TLSError: when it is not as the settings want it; other errors are those of `check_name`.
        """
        transport.refused = True  # its session is not for others
        self._check(transport)
        transport.refused = False

    def _check(self, transport: Any) -> None:
        certificate = transport.getPeerCertificate()
        if certificate is None:
            raise TLSError(detail="the server showed no certificate")
        if self._checks_name:
            check_name(transport, self._name)
        if self._settings.pins:
            from twisted_pulp.http._pins import check_pins

            check_pins(certificate.to_cryptography(), self._settings.pins)


def _believing(make: Any, name: str) -> ClientTLSOptions:
    """Return Twisted's way to check the chain and the name."""
    try:
        return ClientTLSOptions(make, name)
    except UnicodeError:  # no IDNA, but names as my_host have addresses and certificates
        options = ClientTLSOptions(make, "name.invalid")
        vars(options).update(_hostname=name, _hostnameASCII=name, _hostnameBytes=name.encode("ascii"))
        return options


@implementer(IOpenSSLClientConnectionCreator)
class _Credulous:
    """Make connections that believe anybody."""

    def __init__(self, make: Any, name: str) -> None:
        self._make = make
        self._name = None if _is_address(name) else name.encode("ascii")

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._make(tlsProtocol)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        connection.set_verify(SSL.VERIFY_NONE)
        return connection


def _options(settings: TLS) -> CertificateOptions:
    loaded, given = settings.loaded, {}  # type: Any, dict[str, Any]
    if settings.client_cert is not None:
        given = {"privateKey": loaded.key, "certificate": loaded.chain[0], "extraCertChain": list(loaded.chain[1:])}
    if settings.verify:
        given["trustRoot"] = _Authorities(settings)
    options = CertificateOptions(
        insecurelyLowerMinimumTo=_VERSIONS[settings.min_version],
        lowerMaximumSecurityTo=_VERSIONS[settings.max_version] if settings.max_version else None,
        acceptableProtocols=[each.encode("ascii") for each in settings.alpn] or None,
        enableSessionTickets=True,
        **given,
    )
    context = options.getContext()  # now, not in the middle of the first connection
    ciphers = _ciphers(settings)
    if ciphers is not None:
        context.set_cipher_list(ciphers.encode())
    if settings.key_log is not None:
        from twisted_pulp.http._key_log import KeyLog

        context.set_keylog_callback(KeyLog(settings.key_log))
    return options


def _ciphers(settings: TLS) -> str | None:
    old = settings.min_version < "1.2"
    if settings.ciphers is None:
        return f"DEFAULT{NEVER}{_OLD}" if old else None
    return settings.ciphers + NEVER + (_OLD if old and "@SECLEVEL" not in settings.ciphers else "")


@implementer(IOpenSSLTrustRoot)
class _Authorities:
    def __init__(self, settings: TLS) -> None:
        self._added = () if settings.loaded is None else settings.loaded.authorities
        self._platform = platform_authorities() if settings.platform_trust else None

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        if self._platform is not None:
            context.load_verify_locations(*self._platform)
        store: Any = context.get_cert_store()
        for certificate in self._added:
            store.add_cert(X509.from_cryptography(certificate))


def check_name(transport: Any, host: str) -> None:
    """
    Check once more that the certificate of *transport*'s peer is for *host*, before anything is sent.

    Twisted 26.10 lets a certificate without subjectAltName pass for every name, and only logs an error.

    :raises service_identity.VerificationError: when it is for another name.
    :raises service_identity.CertificateError: when it names nobody.
    """
    from service_identity.pyopenssl import verify_hostname, verify_ip_address

    verify = verify_ip_address if _is_address(host) else verify_hostname
    verify(_Peer(transport.getPeerCertificate()), host)  # type: ignore[arg-type]  # it asks for the certificate only


def _is_address(host: str) -> bool:
    return isIPAddress(host) or isIPv6Address(host)


class _Peer:
    def __init__(self, certificate: Any) -> None:
        self.get_peer_certificate = lambda: certificate
