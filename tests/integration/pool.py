"""An upstream with a PULP_MANIFEST, and the command that syncs it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.integration.process import Process, Start


@define(eq=False)
class Pool:
    """
    A directory of files that a server gives out, and their manifest.

    :ivar files: name -> bytes of those that the manifest names.
    """

    root: Path
    files: dict[str, bytes] = field(init=False, factory=dict)

    @classmethod
    def of(cls, root: Path, count: int = 5) -> Pool:
        """Make one of *count* files of a kilobyte or so."""
        root.mkdir(exist_ok=True)
        pool = cls(root)
        for number in range(count):
            pool.put(f"{number}.bin", b"%d " % number * 500)
        pool.write()
        return pool

    def put(self, name: str, data: bytes) -> None:
        """Add or change a file, and name it."""
        self.files[name] = data
        (self.root / name).write_bytes(data)

    def write(self) -> None:
        """Write the manifest."""
        (self.root / "PULP_MANIFEST").write_bytes(self.manifest())

    def manifest(self) -> bytes:
        """Return the manifest."""
        return "".join(f"{name},{self.sha256(name)},{len(data)}\n" for name, data in self.files.items()).encode()

    def sha256(self, name: str) -> str:
        """Return a file's digest."""
        return hashlib.sha256(self.files[name]).hexdigest()


@define(eq=False)
class Command:
    """
    `pulpdownloader` with one data directory.

    :ivar data: that directory.
    """

    _start: Start
    data: Path

    def start(self, *arguments: object, **given: Any) -> Process:
        """Start it."""
        return self._start("--data", self.data, *arguments, **given)

    async def run(self, *arguments: object, **given: Any) -> Process:
        """Run it to its end."""
        process = self.start(*arguments, **given)
        await process.ended()
        return process

    async def json(self, *arguments: object, status: int = 0) -> Any:
        """Run it to its end, which is with *status*, and return its document; nothing else is on standard output."""
        done = await self.run("--json", *arguments)
        assert status == done.popen.returncode, done.out + done.err
        return json.loads(done.out)

    def artifact(self, sha256: str) -> Path:
        """Return the path of a stored file."""
        return self.data / "storage" / "artifact" / sha256[:2] / sha256[2:4] / sha256
