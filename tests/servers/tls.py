"""Certificates for test servers, from an authority of our own."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme
from attrs import define, field
from OpenSSL.SSL import TLS_SERVER_METHOD, VERIFY_FAIL_IF_NO_PEER_CERT, VERIFY_PEER, Context
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

#: What a certificate is issued for unless told otherwise.
IDENTITIES = ("localhost", "127.0.0.1", "::1")


@implementer(IOpenSSLContextFactory)
@define(eq=False)
class ServerContext:
    """A server's side of TLS with one certificate; the context is made once."""

    _context: Context

    def getContext(self) -> Context:
        return self._context


@define(eq=False)
class Authority:
    """
    A certificate authority for tests.

    :ivar ca_file: PEM file to trust, and the only thing that needs to be trusted.
    """

    _directory: Path
    ca: trustme.CA = field(init=False, factory=trustme.CA)
    ca_file: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.ca_file = self._directory / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)

    def leaf(
        self,
        *identities: str,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        issuer: trustme.CA | None = None,
    ) -> trustme.LeafCert:
        """
        Issue a certificate.

        :param identities: host names and addresses, `IDENTITIES` by default.
        :param issuer: another authority, such as ``trustme.CA()`` for one that nobody trusts.
        """
        names = identities or IDENTITIES
        return (issuer or self.ca).issue_cert(*names, not_before=not_before, not_after=not_after)

    def files(self, leaf: trustme.LeafCert | None = None) -> tuple[Path, Path]:
        """Write the certificate chain and the key of *leaf* to files, for servers that want files."""
        leaf = leaf or self.leaf()
        number = len(list(self._directory.iterdir()))
        chain, key = self._directory / f"chain-{number}.pem", self._directory / f"key-{number}.pem"
        chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return chain, key

    def server(self, leaf: trustme.LeafCert | None = None, client_ca: trustme.CA | None = None) -> ServerContext:
        """
        Make a server's context.

        :param leaf: the certificate to show, by default one for `IDENTITIES`.
        :param client_ca: when given, clients must show a certificate of this authority.
        """
        context = Context(TLS_SERVER_METHOD)
        (leaf or self.leaf()).configure_cert(context)
        if client_ca is not None:
            client_ca.configure_trust(context)
            context.set_verify(VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT)
        return ServerContext(context)
