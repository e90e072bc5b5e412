"""What was downloaded, as a repository: a PULP_MANIFEST beside the files, a sync of it, and a verification."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from twisted_pulp import Context
from twisted_pulp.catalog import remotes, repositories
from twisted_pulp.content import SyncResult, content_type, synchronize
from twisted_pulp.errors import NotInCatalog
from twisted_pulp.manifest import Entry, line_of
from twisted_pulp.settings import Remote
from twisted_pulp.upkeep import DataDirectory, Verification, Verified

from .index import InThread

__all__ = ["Kept", "keep"]

_NAME = "newest"


@frozen
class Kept:
    """
    What came of the repository.

    :ivar synced: of its sync.
    :ivar verified: of the verification afterwards.
    """

    synced: SyncResult
    verified: Verified

    def words(self) -> list[str]:
        """Return a line about each."""
        synced, verified = self.synced, self.verified
        changes = f"version {synced.version}: {synced.added} added, {synced.removed} removed"
        what = "nothing has changed" if synced.version is None else changes
        return [
            f"Repository {_NAME}: {what}; {synced.present} present",
            f"Verified: {verified.checked} stored files, {verified.damaged} damaged",
        ]


async def keep(reactor: Any, context: Context, in_thread: InThread, paths: Sequence[Path], directory: Path) -> Kept:
    """Write a manifest of *paths*, files in *directory*, sync it into a data directory beside them, and verify that."""
    manifest = await in_thread(_written, sorted(paths), directory)
    data = await DataDirectory.open(reactor, directory / ".data", write=True, fsync="none")
    try:
        repository, remote_id, remote = await data.catalog.write(_prepared, manifest, time.time())
        synced = await synchronize(
            content_type("file"),
            repository,
            context=context,
            catalog=data.catalog,
            storage=data.storage,
            remote=remote,
            remote_id=remote_id,
            mirror=True,
        )
        return Kept(synced, await Verification(data.catalog, data.storage).run())
    finally:
        await data.close()


def _written(paths: Sequence[Path], directory: Path) -> Path:
    lines = [line_of(Entry(path.name, _sha256(path), path.stat().st_size)) for path in paths]
    manifest = directory.resolve() / "PULP_MANIFEST"
    if not manifest.exists() or manifest.read_bytes() != b"".join(lines):
        manifest.write_bytes(b"".join(lines))
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepared(connection: Any, manifest: Path, now: float) -> tuple[Any, int, Remote]:
    """Return the repository, and the remote by which it is reached; both are made if need be."""
    remote = Remote(url=manifest.as_uri(), file_roots=(str(manifest.parent),))
    try:
        repository = repositories.get(connection, _NAME)
        row = remotes.get(connection, _NAME)
        if remotes.reach(connection, _NAME) != remote:  # the directory was moved
            row = remotes.update(connection, _NAME, now, {"url": remote.url, "file_roots": [*remote.file_roots]})
    except NotInCatalog:
        row = remotes.create(connection, _NAME, remote, now)
        repository = repositories.create(connection, _NAME, "file", now, remote_id=row.id)
    return repository, row.id, remote
