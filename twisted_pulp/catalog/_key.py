"""The key that secrets are sealed with, in a file of its own."""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping

import msgspec

from twisted_pulp.errors import KeyRefused

__all__ = ["Key", "marks_of"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LONGEST = 4096


class Key:
    """
    Seals secrets, so that the database and its copies do not show them: Fernet, AES and HMAC.

    Whoever has the file can read the secrets. Without it they are lost, and nothing else is.

    :param keys: what `Fernet.generate_key` makes; the first seals, all of them open.
    :raises KeyRefused: there is none, or one is no key.
    """

    def __init__(self, *keys: bytes) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        try:
            self._fernet = MultiFernet([Fernet(each) for each in keys])
        except ValueError as error:
            raise KeyRefused("what should be a key is none: 32 bytes in URL-safe base64") from error

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Key:
        """
        Read the key at *path*; make one, which only its owner may read, where nothing is. Blocks for a moment.

        The file may have further lines, with keys that were used before.

        :raises KeyRefused: it is no key, no file, or others may read it.
        """
        return cls(*_lines(os.fspath(path)))

    def seal(self, secrets: Mapping[str, object]) -> bytes:
        """Return *secrets*, plain data, sealed."""
        return self._fernet.encrypt(msgspec.json.encode(secrets))

    def unseal(self, sealed: bytes) -> dict[str, object]:
        """
        Return what was sealed.

        :raises KeyRefused: it was sealed with another key, or has changed since.
        """
        from cryptography.fernet import InvalidToken

        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=dict[str, object])
        except InvalidToken as error:
            raise KeyRefused(
                "the secrets were sealed with another key; give the key file of then, or set them again"
            ) from error


def marks_of(path: str) -> list[str]:
    """
    Return for each key in the file at *path*, which is made if missing, what tells it from others, and no more.

    :raises KeyRefused: see `Key.open`.
    """
    lines = _lines(path)
    if not lines:
        raise KeyRefused(f"the key file {path} has no key")
    try:
        Key(*lines)
    except KeyRefused as error:
        raise KeyRefused(f"{path}: {error}") from error
    return [hmac.new(each, b"twisted_pulp catalog", "sha256").hexdigest() for each in lines]


def _lines(name: str) -> list[bytes]:
    for _ in range(2):
        try:
            return _read(name).split()
        except FileNotFoundError:
            _make(name)
    return _read(name).split()


def _read(name: str) -> bytes:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyRefused(f"the key file {name} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise KeyRefused(f"{name} is no file")
        if status.st_mode & _OTHERS:
            raise KeyRefused(f"others may read the key file {name}: chmod 600 {name}")
        return os.read(fd, _LONGEST)
    finally:
        os.close(fd)


def _make(name: str) -> None:
    """Make a key file; it shows up whole, and the first of several who make it at once wins."""
    from cryptography.fernet import Fernet

    temporary = f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(fd)
            os.link(temporary, name)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise KeyRefused(f"the key file {name} cannot be made: {error.strerror}") from error
