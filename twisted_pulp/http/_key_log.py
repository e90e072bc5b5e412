"""The keys of TLS sessions, written where a debugger of the wire finds them."""

from __future__ import annotations

import os
import stat

from twisted.logger import Logger

from twisted_pulp.errors import SettingsError

__all__ = ["KeyLog"]


class KeyLog:
    """
    Append to a file in NSS's format, which only its owner may read.

    :param path: of the file; made when it is not there.
    :raises SettingsError: when it cannot be written.
    """

    _log = Logger()

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._append(b"")
        except OSError as error:
            raise SettingsError("tls.key_log", path, "the path of a file that can be written") from error
        self._log.warn("the keys of TLS sessions are written to {path}", path=path)

    def __call__(self, connection: object, line: bytes) -> None:
        """Write *line*."""
        try:
            self._append(line + b"\n")
        except OSError:  # inside of OpenSSL nobody could catch it
            self._log.failure("the keys of a TLS session could not be written")

    def _append(self, data: bytes) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                os.fchmod(fd, 0o600)
            os.write(fd, data)
        finally:
            os.close(fd)
