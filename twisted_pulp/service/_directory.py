"""The data directory of a daemon, and by which name others know who writes there."""

from __future__ import annotations

import os
import secrets

from twisted_pulp.errors import StorageError

__all__ = ["make_directory", "name_in"]


def make_directory(path: str) -> None:
    """Make the data directory, its owner's alone; one that is there is left as it is."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


def name_in(path: str) -> str:
    """Return by which name this data directory's worker is known: the same each time, and no other's."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+", encoding="ascii") as file:
            name = file.read(64).strip()
            if not name:
                name = secrets.token_hex(8)
                file.write(f"{name}\n")
            return name
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
