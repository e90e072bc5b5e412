"""A repository of files that changes, and what a sync should make of it."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from attrs import define, field

from tests.servers.scripted import Request, Scripted, Steps, ok, ranged, status
from twisted_pulp.manifest import Entry, line_of

__all__ = ["Units", "Upstream", "sha256"]

#: Path and sha256 of each unit of a version.
Units = frozenset[tuple[str, str]]


def sha256(body: bytes) -> str:
    """Return the digest of *body*."""
    return hashlib.sha256(body).hexdigest()


@define(eq=False)
class Upstream:
    """
    Files that a scripted server has, and their manifest.

    :ivar files: path -> bytes.
    :ivar broken: path -> what is answered instead.
    """

    server: Scripted
    _rng: random.Random
    _delay: float = 0.004
    files: dict[str, bytes] = field(init=False, factory=dict)
    broken: dict[str, Steps] = field(init=False, factory=dict)
    _number: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.server.default = self._answer

    @property
    def url(self) -> str:
        """The URL of the manifest."""
        return self.server.url("/pool/PULP_MANIFEST")

    def add(self, count: int, size: int = 1000) -> None:
        """Add *count* files of *size* bytes."""
        for _ in range(count):
            self._number += 1
            self.files[f"{self._number % 7}/file {self._number}"] = self._rng.randbytes(size)

    def change(self, added: int = 60) -> None:
        """Add some files, one of them large; remove some, and let some be others."""
        paths = sorted(self.files)
        for path in self._rng.sample(paths, min(len(paths), added // 3)):
            del self.files[path]
        for path in self._rng.sample(sorted(self.files), min(len(self.files), added // 6)):
            self.files[path] = self._rng.randbytes(1000)
        self.add(added)
        self.add(1, self._rng.choice([100_000, 700_000]))

    @property
    def units(self) -> Units:
        """What there is."""
        return frozenset((path, sha256(body)) for path, body in self.files.items())

    def expected(self, before: Units, mirror: bool) -> Units:
        """Return what a version has after a sync of a repository whose latest version had *before*."""
        if mirror:
            return self.units
        return self.units | {unit for unit in before if unit[0] not in self.files}

    def manifest(self) -> bytes:
        """Return the manifest."""
        return b"".join(line_of(Entry(path, sha256(body), len(body))) for path, body in self.files.items())

    def _answer(self, request: Request) -> Any:
        path = request.path.removeprefix(b"/pool/").replace(b"%20", b" ").decode()
        if path == "PULP_MANIFEST":
            text = self.manifest()
            return ranged(text, etag=b'"%s"' % sha256(text).encode())(request)
        if path in self.broken:
            return self.broken[path]
        body = self.files.get(path)
        if body is None:
            return status(404)
        return ok(body) if len(body) < 10_000 else ranged(body, delay=self._delay)(request)
