"""Files that appear whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted_pulp.storage._names import new_temporary
from twisted_pulp.storage._system import storage_error

__all__ = ["placed"]


def placed(path: str, write: Callable[[str], object]) -> None:
    """
    Make a file beside *path*, whose directory is made too, and then give it that name.

    :param write: makes it: called with the path it is to have until then.
    :raises StorageError: when that cannot be done.
    """
    directory = os.path.dirname(path) or "."
    temporary = os.path.join(directory, new_temporary())
    try:
        os.makedirs(directory, exist_ok=True)
        try:
            write(temporary)
            os.rename(temporary, path)
        finally:
            _forget(temporary)  # two names of one file are both left by a rename (rename(2))
    except OSError as error:
        raise storage_error(error, path) from error


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
