"""Files with known contents and digests."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path

from attrs import field, frozen


@frozen(kw_only=True)
class CorpusFile:
    """A file of a corpus, with its *name* relative to the corpus."""

    name: str
    path: Path
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.body)

    @property
    def sha256(self) -> str:
        return self.digest("sha256")

    def digest(self, algorithm: str) -> str:
        """Give the digest in lower-case hex."""
        return hashlib.new(algorithm, self.body).hexdigest()


@frozen
class Corpus:
    """
    Makes files under *root*, the same ones for the same *seed*.

    :ivar root: an existing directory, which a server may serve.
    """

    root: Path
    seed: int = 0

    def file(self, name: str = "file", size: int = 4096, body: bytes | None = None) -> CorpusFile:
        """Make the file *name*, with *body* or else *size* random bytes; missing directories are made."""
        if body is None:
            body = random.Random(f"{self.seed}:{name}").randbytes(size)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return CorpusFile(name=name, path=path, body=body)

    def files(self, sizes: Iterable[int], prefix: str = "file") -> list[CorpusFile]:
        """Make a file of each size, named by *prefix* and a number."""
        return [self.file(f"{prefix}-{number}", size) for number, size in enumerate(sizes)]
