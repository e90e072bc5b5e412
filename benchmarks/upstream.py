"""An upstream to sync with: a PULP_MANIFEST, its files, and the same as a list."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

#: Bytes of each file.
SIZE = 1 << 10


@frozen
class Upstream:
    """
    Files to sync, all of `SIZE`.

    :ivar units: how many there are.
    :ivar url: of the PULP_MANIFEST.
    :ivar listing: the same files as JSON lines, for those who cannot sync; without files it is not there.
    """

    units: int
    url: str
    listing: Path


@contextmanager
def upstream(root: Path, base: str, units: int, *, files: bool = True) -> Iterator[Upstream]:
    """
    Write random files and their PULP_MANIFEST below *root* for as long as the block runs.

    :param base: URL of *root*, without a slash at its end.
    :param files: whether there are any files besides the manifest; who takes none of them does not miss them.
    """
    name = f"units-{units}"
    directory = root / name
    directory.mkdir()
    made = Upstream(units, f"{base}/{name}/PULP_MANIFEST", root.with_name(f"{name}.jsonl"))
    try:
        with (directory / "PULP_MANIFEST").open("w") as manifest, made.listing.open("w") as listing:
            for number in range(units):
                path, data = f"{number}.bin", os.urandom(SIZE)
                sha256 = hashlib.sha256(data).hexdigest()
                manifest.write(f"{path},{sha256},{SIZE}\n")
                if files:
                    (directory / path).write_bytes(data)
                    item = {"url": f"{base}/{name}/{path}", "path": path, "size": SIZE, "digests": {"sha256": sha256}}
                    listing.write(f"{json.dumps(item)}\n")
        yield made
    finally:
        made.listing.unlink(missing_ok=True)
        shutil.rmtree(directory)
