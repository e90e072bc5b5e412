"""The certificate authorities of the platform: where they are."""

from __future__ import annotations

import os

from OpenSSL import SSL

from twisted_pulp.errors import SettingsError

__all__ = ["environment", "platform_authorities"]


def environment() -> tuple[str | None, str | None]:
    """Return what the environment says: SSL_CERT_FILE and SSL_CERT_DIR."""
    return os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None


def platform_authorities() -> tuple[str | None, str | None]:
    """
    Return the file and the directory of the platform's authorities, else certifi's file.

    :raises SettingsError: when there are none where the environment says.
    """
    file, directory = environment()
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
