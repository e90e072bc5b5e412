"""Digests: their names, their values, and several of them from one pass over the bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from twisted_pulp.errors import SettingsError

__all__ = ["ALGORITHMS", "WEAK", "Hashes", "checked_digests", "digests_of", "digests_of_file", "new_hash"]

_ANY: dict[str, Callable[..., Any]] = {
    "blake2b": hashlib.blake2b,
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
#: Algorithm -> hexadecimal digits of its values.
ALGORITHMS = {name: 2 * make().digest_size for name, make in _ANY.items()}
#: Algorithms that prove nothing against somebody who wants to deceive.
WEAK = frozenset({"md5", "sha1"})

_NEW = hashlib.sha256()
_sha256_only = frozenset({"sha256"})
_SHA256 = re.compile(r"[0-9a-f]{64}").fullmatch
_BLOCK = 1 << 20


def checked_digests(digests: Mapping[str, str]) -> dict[str, str]:
    """
    Return *digests* with names and values in lower case.

    :param digests: algorithm -> value in hex of any case.
    :raises SettingsError: on an algorithm that is not supported or a value that is not one of its values.
    """
    if len(digests) == 1 and _SHA256(digests.get("sha256", "")):  # most have nothing else
        return dict(digests)
    checked = {}
    for name, value in digests.items():
        name, value = name.lower(), value.lower()
        digits = ALGORITHMS.get(name)
        if digits is None:
            raise SettingsError("digests", name, "one of " + ", ".join(ALGORITHMS))
        if len(value) != digits or value.strip("0123456789abcdef"):
            raise SettingsError(f"digests.{name}", value, f"{digits} hexadecimal digits")
        checked[name] = value
    return checked


def new_hash(algorithm: str) -> Any:
    """Return a new hash of *algorithm*, one of `ALGORITHMS`."""
    return _ANY[algorithm]()


class Hashes:
    """
    Several digests, fed together.

    :param algorithms: names out of `ALGORITHMS`; sha256 is always among them.
    """

    __slots__ = ("_all", "_first", "_rest")

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._first = _NEW.copy()  # half the price of a new one
        self._all = {"sha256": self._first}
        if algorithms and _sha256_only != algorithms:
            for name in algorithms:
                if name not in self._all:
                    self._all[name] = _ANY[name]()
        self._rest = tuple(self._all.values())[1:]

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in *data*; frees the interpreter for others while it works on more than 2 KiB."""
        self._first.update(data)
        for each in self._rest:
            each.update(data)

    def copy(self) -> Hashes:
        """Return others that have taken in the same."""
        copied = Hashes()
        copied._all = {name: each.copy() for name, each in self._all.items()}
        copied._first, *rest = copied._all.values()
        copied._rest = tuple(rest)
        return copied

    def values(self) -> dict[str, str]:
        """Return algorithm -> value in lower-case hex."""
        return {name: each.hexdigest() for name, each in self._all.items()}


def digests_of(data: bytes, algorithms: Iterable[str] = ()) -> dict[str, str]:
    """Return algorithm -> value in lower-case hex, of *data*; sha256 is always among them."""
    if algorithms == _sha256_only:
        return {"sha256": hashlib.sha256(data).hexdigest()}
    hashes = Hashes(algorithms)
    hashes.update(data)
    return hashes.values()


def digests_of_file(file: int, algorithms: Iterable[str], length: int | None = None) -> tuple[Hashes, int]:
    """
    Read the file behind descriptor *file* from its start; blocks, so never call it on the reactor's thread.

    :param length: bytes to read at most; None is all.
    :returns: the digests and how many bytes were read.
    """
    import os

    hashes, offset = Hashes(algorithms), 0
    while length is None or offset < length:
        block = os.pread(file, _BLOCK if length is None else min(_BLOCK, length - offset), offset)
        if not block:
            break
        hashes.update(block)
        offset += len(block)
    return hashes, offset
