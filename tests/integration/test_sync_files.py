"""Syncs of files over real connections, into a real storage and both databases."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.defer import Deferred

from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Send, Steps, Until, cut, ok, ranged, status
from twisted_pulp.catalog import Catalog, repositories, versions
from twisted_pulp.content import SyncResult, content_type, export, synchronize
from twisted_pulp.context import Context
from twisted_pulp.errors import DigestMismatch, MetadataError
from twisted_pulp.manifest import Entry, line_of, url_of
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import DirectoryStorage

FILES = {f"dir {number % 3}/file#{number}?.bin": b"body %d" % number * number for number in range(40)}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest that names *files*."""
    return b"".join(line_of(Entry(path, hashlib.sha256(data).hexdigest(), len(data))) for path, data in files.items())


@pytest_twisted.async_yield_fixture
async def storage(reactor: IReactor, tmp_path: Path) -> AsyncIterator[DirectoryStorage]:
    """A storage in a directory."""
    made = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")
    yield made
    await made.close()


class Syncs:
    """Syncs of one repository."""

    def __init__(self, context: Context, catalog: Catalog, storage: DirectoryStorage) -> None:
        self.shared = {"catalog": catalog, "storage": storage}
        self._context, self.type = context, content_type("file")
        self.repository: Any = None
        self.remote = Remote(retry=Retry(base=0.0))

    async def __call__(self, url: str, **fields: Any) -> SyncResult:
        """Sync from *url*."""
        if self.repository is None:
            self.repository = await self.shared["catalog"].write(repositories.create, "files", "file", 1.0)
        remote = evolve(self.remote, url=url)
        return await synchronize(
            self.type, self.repository, context=self._context, remote=remote, **self.shared, **fields
        )

    async def files(self, directory: Path) -> dict[str, bytes]:
        """Export the latest version, and return what that has."""
        await export(self.type, self.repository, str(directory), **self.shared)
        found = [path for path in directory.rglob("*") if path.is_file()]
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}

    async def units(self) -> dict[str, int]:
        """Return how many units of each type the latest version has."""

        def count(connection: Any) -> dict[str, int]:
            latest = versions.latest(connection, self.repository.id)
            return {} if latest is None else versions.counts(connection, self.repository.id, latest.number)

        return await self.shared["catalog"].read(count)  # type: ignore[no-any-return]


@pytest.fixture
def syncs(context: Context, catalog: Catalog, storage: DirectoryStorage) -> Syncs:
    """Syncs of a repository that is empty."""
    return Syncs(context, catalog, storage)


def serve(server: Scripted, files: Mapping[str, bytes], text: bytes | None = None) -> str:
    """Let *server* have *files* and their manifest, or another *text* for it; return the manifest's URL."""
    for path, data in files.items():
        server.on(url_of("/pool/", path).encode(), [ok(data)])
    text = manifest(files) if text is None else text
    server.on(b"/pool/PULP_MANIFEST", [ranged(text, etag=b'"%d"' % len(text))])
    return server.url("/pool/PULP_MANIFEST")


async def test_nginx(syncs: Syncs, nginx: Nginx, corpus: Corpus, tmp_path: Path) -> None:
    """What nginx serves is synced, not synced again, and exported byte for byte; names with anything in them too."""
    names = ["a.bin", "b c/%41.bin", "ä/ö;x.bin", "n,o.bin"]
    bodies = {name: corpus.file(name, size=1000 * number).path.read_bytes() for number, name in enumerate(names)}
    corpus.file("PULP_MANIFEST", body=b"# what there is\n" + manifest(bodies))
    first = await syncs(nginx.url("/PULP_MANIFEST"), mirror=True)
    assert (1, 4, 4) == (first.version, first.added, first.downloaded)
    second = await syncs(nginx.url("/PULP_MANIFEST"), mirror=True)
    assert (None, True, 4) == (second.version, second.skipped, second.present)
    assert {**bodies, "PULP_MANIFEST": b"# what there is\n" + manifest(bodies)} == await syncs.files(tmp_path / "out")


async def test_file(syncs: Syncs, tmp_path: Path) -> None:
    """A directory of this machine is synced by its file:// URL, whatever the names are, and skipped the next time."""
    root = tmp_path / "up stream"
    for path, data in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "PULP_MANIFEST").write_bytes(manifest(FILES))
    syncs.remote = evolve(syncs.remote, file_roots=(str(root),))
    url = "file://" + str(root).replace(" ", "%20") + "/PULP_MANIFEST"
    result = await syncs(url)
    assert (1, 40, sum(map(len, FILES.values()))) == (result.version, result.added, result.bytes)
    assert (await syncs(url)).skipped


async def test_streams(syncs: Syncs, scripted: Scripted) -> None:
    """While the server sends no more of the manifest, the files that it has named are downloaded."""
    url, text = serve(scripted, FILES), manifest(FILES)
    lines = text.splitlines(keepends=True)
    early = len(b"".join(lines[:20]))
    half, rest = Deferred[None](), Deferred[None]()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)
    scripted.on(b"/pool/PULP_MANIFEST", [(Send(head + text[:early]), Until(rest), Send(text[early:]))])
    named = {url_of("/pool/", path).encode() for path in list(FILES)[:20]}

    def served(request: Request) -> Steps:
        asked.add(request.target)
        if named <= asked and not half.called:
            half.callback(None)
        return ok(FILES[paths[request.target]])

    asked: set[bytes] = set()
    paths = {url_of("/pool/", path).encode(): path for path in FILES}
    for target in paths:
        scripted.on(target, [served])
    syncing = Deferred.fromCoroutine(syncs(url))
    await half
    assert (named, False) == (asked, syncing.called)
    rest.callback(None)
    assert 40 == (await syncing).added


async def test_breaks_off(syncs: Syncs, scripted: Scripted) -> None:
    """A manifest that is cut goes on from there; each file is fetched once."""
    url, text = serve(scripted, FILES), manifest(FILES)
    scripted.on(b"/pool/PULP_MANIFEST", [cut(ranged(text), 500), ranged(text)])
    assert 40 == (await syncs(url)).added
    targets = [request.target for request in scripted.requests]
    assert 2 == targets.count(b"/pool/PULP_MANIFEST")
    assert 40 == len([each for each in targets if each != b"/pool/PULP_MANIFEST"])


async def test_redirected(syncs: Syncs, scripted: Scripted) -> None:
    """Files are beside the manifest that was asked for, wherever its bytes come from."""
    url = serve(scripted, FILES)
    scripted.on(b"/pool/PULP_MANIFEST", [status(302, [(b"Location", b"/blobs/1234?signature=x")])])
    scripted.on(b"/blobs/1234", [ok(manifest(FILES))])
    assert 40 == (await syncs(url)).added


async def test_order(syncs: Syncs, scripted: Scripted, tmp_path: Path) -> None:
    """The manifest of an export is in the order of bytes, whatever the database thinks of languages."""
    names = ["b/c", "a", "Z", "\u00e4", "b-", "A", "\uff21", "\U0001f600"]
    url = serve(scripted, {name: name.encode() for name in names})
    assert 8 == (await syncs(url)).added
    ordered = sorted(names, key=str.encode)
    exported = await syncs.files(tmp_path / "out")
    assert manifest({name: name.encode() for name in ordered}) == exported["PULP_MANIFEST"]


async def test_flipped_bits(syncs: Syncs, scripted: Scripted, rng: random.Random) -> None:
    """A file with one bit wrong is not in the version, whichever bit of whichever file; the rest is."""
    bodies = {path: data for path, data in FILES.items() if data}
    url = serve(scripted, bodies)
    for path, data in bodies.items():
        flipped = bytearray(data)
        bit = rng.randrange(8 * len(data))
        flipped[bit // 8] ^= 1 << bit % 8
        scripted.on(url_of("/pool/", path).encode(), [ok(bytes(flipped))])
    good = next(iter(bodies))
    scripted.on(url_of("/pool/", good).encode(), [ok(bodies[good])])
    result = await syncs(url, keep_going=True)
    assert (1, len(bodies) - 1) == (result.added, len(result.failed))
    assert {DigestMismatch} == {type(each.error) for each in result.failed}


async def test_wrong_manifest(syncs: Syncs, scripted: Scripted, storage: DirectoryStorage) -> None:
    """A manifest that leads out of its directory makes no version and leaves nothing in the temporary directory."""
    url = serve(scripted, {}, manifest({"a": b"one"}) + b"../../etc/passwd," + b"ab" * 32 + b",1\n")
    with pytest.raises(MetadataError, match=r"line 2.*'\.\.'"):
        await syncs(url, policy="on_demand")
    assert {} == await syncs.units()
    assert [] == os.listdir(os.path.dirname(storage.temporary("x")))


async def test_two_at_once(syncs: Syncs, scripted: Scripted) -> None:
    """Of two syncs of one repository one waits, and then finds that there is nothing to do."""
    assert (await syncs(serve(scripted, {}))).version is None
    url = serve(scripted, FILES)
    syncing = [Deferred.fromCoroutine(syncs(url)) for _ in range(2)]
    results = [await each for each in syncing]
    assert [(1, False), (None, True)] == [(each.version, each.skipped) for each in results]
    assert 1 + 2 + 40 == len(scripted.requests)
