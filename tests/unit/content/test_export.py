"""Versions of repositories, written to directories."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, fail

from tests.unit.content.test_file import URL, Syncs, manifest, serve
from tests.unit.stages.surroundings import MemoryCatalog
from twisted_pulp.catalog.versions import PublishedFile
from twisted_pulp.content import Exported, export
from twisted_pulp.content.file import FILE
from twisted_pulp.errors import NotInCatalog, PathError, StorageError, StorageFull
from twisted_pulp.manifest import url_of
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.testing import FakeSite


@pytest_twisted.async_yield_fixture
async def storage(reactor: Any, tmp_path: Path) -> AsyncIterator[DirectoryStorage]:
    """A storage in a directory."""
    made = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")
    yield made
    await made.close()


@pytest.fixture
def syncs(catalog: MemoryCatalog, repository: Any, site: FakeSite, fields: dict[str, Any]) -> Syncs:
    """Syncs of a repository that is empty, with a site that has the files."""
    serve(site, FILES)
    return Syncs(catalog, repository, site, fields)


class Exports:
    """Exports to `out`."""

    def __init__(self, syncs: Syncs, catalog: MemoryCatalog, storage: Any, out: Path) -> None:
        self._syncs, self._catalog, self._storage, self.out = syncs, catalog, storage, out

    async def __call__(self, **fields: Any) -> Exported:
        """Export."""
        given = {"catalog": self._catalog, "storage": self._storage, **fields}
        return await export(FILE, self._syncs.repository, str(self.out), **given)

    def files(self) -> dict[str, bytes]:
        """Return what is there: path -> content."""
        found = [path for path in self.out.rglob("*") if path.is_file()]
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def exports(syncs: Syncs, catalog: MemoryCatalog, storage: Any, tmp_path: Path) -> Exports:
    """Exports of the repository."""
    return Exports(syncs, catalog, storage, tmp_path / "new" / "out")


FILES = {"a": b"one", "b/c": b"two", "d": b"three"}
NAMES = {"b/c": b"two", "a": b"one", "Z": b"three", "ä ö,": b"four"}


def serve_names(site: FakeSite) -> bytes:
    """Let *site* have NAMES, and return their manifest, in no order and with a comment."""
    text = b"# of today\n" + manifest(NAMES)
    serve(site, NAMES, text)
    site.files[url_of("http://site/pool/", "ä ö,")] = b"four"
    return text


@ensureDeferred
async def test_export(syncs: Syncs, exports: Exports, site: FakeSite) -> None:
    """A directory has the files and a manifest that names them in the order of the bytes of their paths."""
    serve_names(site)
    await syncs()
    assert Exported(version=1, files=4, bytes=15, missing=()) == await exports()
    ordered = manifest({path: NAMES[path] for path in ["Z", "a", "b/c", "ä ö,"]})
    assert {**NAMES, "PULP_MANIFEST": ordered} == exports.files()
    assert ["out"] == os.listdir(exports.out.parent)


@ensureDeferred
async def test_mirror(syncs: Syncs, exports: Exports, site: FakeSite) -> None:
    """A mirror's export has the upstream's manifest as it was, of each version its own."""
    text = serve_names(site)
    await syncs(mirror=True)
    serve(site, {"a": b"one"})
    await syncs(mirror=True)
    await exports(number=1)
    assert {**NAMES, "PULP_MANIFEST": text} == exports.files()


@ensureDeferred
async def test_synced_again(syncs: Syncs, exports: Exports, site: FakeSite, catalog: MemoryCatalog) -> None:
    """What is exported can be synced, and is the same."""
    await syncs()
    await exports()
    serve(site, {path: data for path, data in exports.files().items() if path != "PULP_MANIFEST"})
    site.files[URL] = exports.files()["PULP_MANIFEST"]
    result = await syncs(force=True)
    assert (None, 3) == (result.version, result.present)


@ensureDeferred
async def test_missing(syncs: Syncs, exports: Exports) -> None:
    """Files that were not downloaded are named, and no manifest promises them, not even a mirror's."""
    await syncs(policy="on_demand", mirror=True)
    assert Exported(version=1, files=0, bytes=0, missing=tuple(FILES)) == await exports()
    assert {"PULP_MANIFEST": b""} == exports.files()


@ensureDeferred
async def test_lost(syncs: Syncs, exports: Exports, storage: DirectoryStorage) -> None:
    """A file that is not stored any more is missing."""
    await syncs()
    await storage.remove([hashlib.sha256(b"one").hexdigest()])
    assert ("a",) == (await exports()).missing
    left = {path: data for path, data in FILES.items() if path != "a"}
    assert {**left, "PULP_MANIFEST": manifest(left)} == exports.files()


@ensureDeferred
async def test_empty_directory(syncs: Syncs, exports: Exports) -> None:
    """A directory that is there and empty is used."""
    exports.out.mkdir(parents=True)
    await syncs()
    await exports()
    assert {*FILES, "PULP_MANIFEST"} == exports.files().keys()


@ensureDeferred
async def test_again(syncs: Syncs, exports: Exports, site: FakeSite) -> None:
    """A later version goes over an earlier one; what else is in the directory stays."""
    await syncs()
    await exports()
    (exports.out / "notes").write_bytes(b"mine")
    serve(site, {"a": b"changed"})
    await syncs(mirror=True)
    assert 2 == (await exports()).version
    assert {**FILES, "a": b"changed", "notes": b"mine", "PULP_MANIFEST": manifest({"a": b"changed"})} == exports.files()
    assert ["out"] == os.listdir(exports.out.parent)


@pytest.mark.parametrize("mode", ["copy", "hardlink", "auto"])
@ensureDeferred
async def test_modes(syncs: Syncs, exports: Exports, mode: Any) -> None:
    """Files are put there as it is asked."""
    await syncs()
    await exports(mode=mode)
    assert (mode == "hardlink") == ((exports.out / "a").stat().st_nlink == 2)


@ensureDeferred
async def test_no_version(exports: Exports, syncs: Syncs) -> None:
    """A repository without versions, and a version that is not there, leave nothing behind."""
    with pytest.raises(NotInCatalog):
        await exports()
    await syncs()
    with pytest.raises(NotInCatalog):
        await exports(number=7)
    assert not exports.out.parent.exists()


@pytest.mark.parametrize(
    "path", ["a\\b", "con", "a?", "%2e%2e", "x/%2e%2e%2fy", "a.", "e\u0301", "x" * 300, "q.pulp-part"]
)
@ensureDeferred
async def test_bad_names(syncs: Syncs, exports: Exports, site: FakeSite, path: str) -> None:
    """A path that is no portable file name, or would be another one's, leaves nothing behind."""
    serve(site, {"a": b"one"}, manifest({"a": b"one", path: b"two"}))
    site.files[url_of("http://site/pool/", path)] = b"two"
    assert 2 == (await syncs()).downloaded
    with pytest.raises(PathError):
        await exports()
    assert [] == os.listdir(exports.out.parent)


@ensureDeferred
async def test_link_inside(syncs: Syncs, exports: Exports, tmp_path: Path) -> None:
    """A link in the directory that leads out of it is not followed."""
    (tmp_path / "elsewhere").mkdir()
    exports.out.mkdir(parents=True)
    (exports.out / "b").symlink_to(tmp_path / "elsewhere")
    await syncs()
    with pytest.raises(PathError, match="through a link"):
        await exports()
    assert [] == os.listdir(tmp_path / "elsewhere")


@ensureDeferred
async def test_no_directory(syncs: Syncs, exports: Exports) -> None:
    """Where no directory can be made, it says so."""
    exports.out.parent.write_bytes(b"a file")
    await syncs()
    with pytest.raises(StorageError, match="out"):
        await exports()


@ensureDeferred
async def test_in_the_way(syncs: Syncs, exports: Exports) -> None:
    """What cannot be replaced is named, and no temporary directory stays."""
    (exports.out / "PULP_MANIFEST" / "x").mkdir(parents=True)
    await syncs()
    with pytest.raises(StorageError, match=r"out: Is a directory"):
        await exports()
    assert ["out"] == os.listdir(exports.out.parent)


@ensureDeferred
async def test_full(syncs: Syncs, exports: Exports, storage: DirectoryStorage) -> None:
    """When a file cannot be written, nothing is there."""
    await syncs()
    with pytest.raises(StorageFull):
        await exports(storage=Full(storage))
    assert [] == os.listdir(exports.out.parent)


class Full:
    """A storage that cannot write the second file any more."""

    def __init__(self, storage: DirectoryStorage) -> None:
        self._storage, self._left = storage, 1

    def export(self, sha256: str, path: str, *, mode: Any) -> Deferred[None]:
        """Write it, or not."""
        self._left -= 1
        return fail(StorageFull(detail="no room")) if self._left < 0 else self._storage.export(sha256, path, mode=mode)


@ensureDeferred
async def test_manifest_lost(syncs: Syncs, exports: Exports, site: FakeSite, storage: DirectoryStorage) -> None:
    """Where the upstream's manifest is not stored any more, one of our own says the same."""
    text = b"#\n" + manifest(FILES)
    serve(site, FILES, text)
    await syncs(mirror=True)
    await storage.remove([hashlib.sha256(text).hexdigest()])
    await exports()
    assert manifest(FILES) == exports.files()["PULP_MANIFEST"]


@pytest.mark.parametrize(("path", "reason"), [("#a", "comment"), ("PULP_MANIFEST", "as the manifest itself")])
def test_unwritable(tmp_path: Path, path: str, reason: str) -> None:
    """A path that no manifest can name is no file of one."""
    with pytest.raises(PathError, match=reason):
        FILE.metadata([PublishedFile(path, "ab" * 32, 1)], str(tmp_path))
