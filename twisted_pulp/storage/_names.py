"""Names in a storage's directory."""

from __future__ import annotations

import re
from itertools import count
from secrets import token_hex

from twisted_pulp.names import PARTIAL

__all__ = ["checked", "is_sha256", "new_temporary", "parts", "span", "temporary_name"]

_SHA256 = re.compile(r"[0-9a-f]{64}").fullmatch
# Marks are put before and behind it; a name may have 255 bytes.
_TEMPORARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}").fullmatch
_numbers = count(1)
_OURS = token_hex(6)  # no other process makes the same names


def checked(sha256: str) -> str:
    """
    Return *sha256*.

    :raises ValueError: when it is none: nothing else becomes a path.
    """
    if not _SHA256(sha256):
        raise ValueError(f"{sha256!r} is no sha256 in lower-case hex")
    return sha256


def is_sha256(name: str) -> bool:
    """Return whether *name* is an artifact's."""
    return _SHA256(name) is not None


def parts(sha256: str) -> tuple[str, str]:
    """Return the two folders in which the artifact is."""
    return sha256[:2], sha256[2:4]


def span(offset: int, length: int | None) -> None:
    """
    Look at what part of an artifact is wanted.

    :raises ValueError: when it is none.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"no artifact has {length} bytes at {offset}")


def temporary_name(name: str) -> str:
    """
    Return *name*.

    :raises ValueError: when it cannot be a temporary file's.
    """
    if not _TEMPORARY(name) or name.endswith(PARTIAL):
        raise ValueError(f"{name!r} is no name for a temporary file")
    return name


def new_temporary() -> str:
    """Return a name that nothing else has."""
    return f".{_OURS}-{next(_numbers):x}{PARTIAL}"
