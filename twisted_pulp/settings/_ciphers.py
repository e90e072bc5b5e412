"""Lists of ciphers, as OpenSSL reads them."""

from __future__ import annotations

from OpenSSL import SSL

from twisted_pulp.errors import SettingsError

__all__ = ["NEVER", "check_ciphers"]

#: Whatever is asked for: a server without a certificate could be anybody, and OpenSSL would not mind.
NEVER = ":!aNULL:!eNULL"


def check_ciphers(ciphers: str) -> None:
    """
    Check that OpenSSL knows a cipher in *ciphers* that may be used.

    :raises SettingsError: when it does not.
    """
    try:
        SSL.Context(SSL.TLS_METHOD).set_cipher_list((ciphers + NEVER).encode())
    except SSL.Error as error:
        raise SettingsError("ciphers", ciphers, "a list of ciphers that OpenSSL knows and that protect") from error
