"""
A program: a server of TLS 1.2 with a cipher that OpenSSL has no more.

Called with the cipher, a file of certificates and one of the key; it says where it listens as `openssl s_server` does.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey


def main(cipher: str, chain: str, key: str) -> None:
    """Serve handshakes until killed."""
    certificates = X509CertChain()
    certificates.parsePemList(Path(chain).read_text())
    private = parsePEMKey(Path(key).read_text(), private=True)
    settings = HandshakeSettings()
    settings.cipherNames, settings.maxVersion = [cipher], (3, 3)
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ACCEPT 127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201  its way to say so
    while True:
        peer, _ = listening.accept()
        connection = TLSConnection(peer)
        try:
            connection.handshakeServer(certChain=certificates, privateKey=private, settings=settings)
        except Exception as error:  # whatever the client did not like
            print(repr(error), flush=True)  # noqa: T201
        peer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
