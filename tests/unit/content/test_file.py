"""Syncs of files that a PULP_MANIFEST names, in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from tests.unit.stages.surroundings import MemoryCatalog, World
from twisted_pulp.catalog import repositories, versions
from twisted_pulp.catalog._tables import artifact, source
from twisted_pulp.content import SyncResult, content_type, synchronize
from twisted_pulp.content.file import FILE, ManifestStage
from twisted_pulp.content.file._stage import _line_before
from twisted_pulp.errors import ConnectionLost as Disconnected
from twisted_pulp.errors import MetadataError, NotFound, SettingsError
from twisted_pulp.manifest import Entry, Suspect, line_of
from twisted_pulp.settings import Limits, Remote, Retry
from twisted_pulp.stages import ProgressReport
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeResponse, FakeSite, SpyAgent

URL = "http://site/pool/PULP_MANIFEST"
FILES = {"a": b"one", "b/c": b"two", "d e?": b"three"}
LOST = ResponseFailed([Failure(ConnectionLost())])
QUOTED = {"a": "a", "b/c": "b/c", "d e?": "d%20e%3F"}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest that names *files*."""
    return b"".join(line_of(Entry(path, hashlib.sha256(data).hexdigest(), len(data))) for path, data in files.items())


def serve(site: FakeSite, files: Mapping[str, bytes] = FILES, text: bytes | None = None) -> None:
    """Let *site* have *files* and their manifest, or another *text* for it."""
    site.files = {f"http://site/pool/{QUOTED.get(path, path)}": data for path, data in files.items()}
    site.files[URL] = manifest(files) if text is None else text


class Syncs:
    """Syncs of one repository; each asks only what is new since the one before."""

    def __init__(self, catalog: MemoryCatalog, repository: Any, site: FakeSite, fields: dict[str, Any]) -> None:
        self._catalog, self.repository, self._site, self._fields = catalog, repository, site, fields
        self.remote = Remote(url=URL, retry=Retry(retries=1, base=0.0))
        self.asked: list[str] = []
        self.reports: dict[str, ProgressReport] = {}

    async def __call__(self, force: bool = False, **fields: Any) -> SyncResult:
        """Sync."""
        given = {"remote": self.remote, **self._fields, **fields}
        before = len(self._site.requests)
        try:
            return await synchronize(FILE, self.repository, force=force, observe=self._observe, **given)
        finally:
            self.asked = [each.url.removeprefix("http://site/pool/") for each in self._site.requests[before:]]

    def _observe(self, reports: tuple[ProgressReport, ...]) -> None:
        self.reports.update((each.code, each) for each in reports)

    def paths(self) -> list[str | None]:
        """Return the paths that the latest version has."""
        latest = self._catalog.now(versions.latest, self.repository.id)
        return self._catalog.now(_paths, self.repository.id, latest.number)  # type: ignore[no-any-return]

    def synced(self) -> Any:
        """Return what the last sync saw."""
        return self._catalog.now(repositories.by_id, self.repository.id).synced


def _paths(connection: Any, *version: int) -> list[str]:
    return [each.path for each in versions.published(connection, *version)]


@pytest.fixture
def syncs(catalog: MemoryCatalog, repository: Any, site: FakeSite, fields: dict[str, Any]) -> Syncs:
    """Syncs of a repository that is empty, with a site that has the files."""
    serve(site)
    return Syncs(catalog, repository, site, fields)


@ensureDeferred
async def test_sync(syncs: Syncs, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """Files are downloaded from beside the manifest, stored, and part of version 1, with where they came from."""
    result = await syncs()
    assert SyncResult(version=1, added=3, present=3, downloaded=3, bytes=11) == evolve(result, seconds=0.0)
    assert sorted(["PULP_MANIFEST", *QUOTED.values()]) == sorted(syncs.asked)
    assert ["a", "b/c", "d e?"] == syncs.paths()
    assert {b"one", b"two", b"three"} == {await storage.read(row[0]) for row in catalog.rows(artifact, "sha256")}
    assert {f"http://site/pool/{each}" for each in QUOTED.values()} == {row[0] for row in catalog.rows(source, "url")}


@ensureDeferred
async def test_progress(syncs: Syncs) -> None:
    """Metadata and units are counted, and known by their codes."""
    await syncs()
    reports = {code: (each.state, each.total, each.done, each.bytes) for code, each in syncs.reports.items()}
    size = len(manifest(FILES))
    assert ("completed", 1, 1, size) == reports["sync.downloading.metadata"]
    assert ("completed", 3, 3, 0) == reports["sync.parsing.metadata"]
    assert ("completed", 3, 3, 11) == reports["sync.downloading.artifacts"]
    assert 3 == reports["associating.content"][2]


@ensureDeferred
async def test_not_modified(syncs: Syncs) -> None:
    """A second sync asks one conditional question, and is skipped."""
    await syncs()
    result = await syncs()
    assert SyncResult(version=None, present=3, skipped=True) == evolve(result, seconds=0.0)
    assert ["PULP_MANIFEST"] == syncs.asked
    assert "skipped" == syncs.reports["sync.downloading.metadata"].state
    assert "skipped" == syncs.reports["sync.parsing.metadata"].state


@ensureDeferred
async def test_changed(syncs: Syncs, site: FakeSite) -> None:
    """A manifest that has changed gives a new version; what has the same path is replaced, the rest is left."""
    await syncs()
    serve(site, {"a": b"another", "f": b"new"})
    result = await syncs()
    assert (2, 2, 1, 4, 2) == (result.version, result.added, result.removed, result.present, result.downloaded)
    assert ["a", "b/c", "d e?", "f"] == syncs.paths()


@ensureDeferred
async def test_mirror(syncs: Syncs, site: FakeSite) -> None:
    """A mirror has what the upstream has, and no more."""
    await syncs()
    serve(site, {"a": b"one", "f": b"new"})
    result = await syncs(mirror=True)
    assert (2, 1, 2, 2) == (result.version, result.added, result.removed, result.present)
    assert ["a", "f"] == syncs.paths()


@ensureDeferred
async def test_forced(syncs: Syncs) -> None:
    """A sync that is forced reads everything, downloads nothing again, and makes no version."""
    await syncs()
    result = await syncs(force=True)
    assert (None, 0, 3, False, 0) == (result.version, result.added, result.present, result.skipped, result.downloaded)
    assert ["PULP_MANIFEST"] == syncs.asked


@pytest.mark.parametrize(
    ("first", "second", "skipped"),
    [
        pytest.param({}, {}, True, id="nothing changed"),
        pytest.param({}, {"remote_id": 7}, False, id="another remote"),
        pytest.param({"policy": "on_demand"}, {}, False, id="on_demand to immediate"),
        pytest.param({}, {"policy": "on_demand"}, True, id="immediate to on_demand"),
        pytest.param({}, {"mirror": True}, False, id="mirror turned on"),
        pytest.param({"mirror": True}, {}, True, id="mirror turned off"),
        pytest.param({"policy": "on_demand"}, {"policy": "on_demand"}, True, id="on_demand with missing files"),
        pytest.param({}, {"force": True}, False, id="force"),
    ],
)
@ensureDeferred
async def test_skips(
    syncs: Syncs, catalog: MemoryCatalog, first: dict[str, Any], second: dict[str, Any], skipped: bool
) -> None:
    """Whether a sync is skipped whose manifest is the same."""
    catalog.now(lambda connection: connection.exec_driver_sql("PRAGMA foreign_keys=OFF"))  # there is no remote 7
    await syncs(**first)
    assert skipped == (await syncs(**second)).skipped


@ensureDeferred
async def test_missing_files(syncs: Syncs, catalog: MemoryCatalog) -> None:
    """Where files of the version are not there any more, a sync that wants them is not skipped, and brings them."""
    await syncs()
    catalog.now(lambda connection: connection.execute(artifact.delete()))
    result = await syncs()
    assert (False, 3, 3) == (result.skipped, result.downloaded, len(catalog.rows(artifact, "id")))


@ensureDeferred
async def test_other_url(syncs: Syncs, site: FakeSite) -> None:
    """The same manifest at another URL is another one."""
    await syncs()
    site.files |= {url.replace("/pool/", "/copy/"): data for url, data in site.files.items()}
    syncs.remote = evolve(syncs.remote, url="http://site/copy/PULP_MANIFEST")
    assert not (await syncs()).skipped


@ensureDeferred
async def test_version_by_other_means(syncs: Syncs, catalog: MemoryCatalog) -> None:
    """When somebody else has changed the repository, the next sync looks at everything."""
    await syncs()
    draft = catalog.now(versions.begin, syncs.repository.id, 1.0)
    (unit, *_) = catalog.now(versions.contents, syncs.repository.id, 1)
    catalog.now(versions.remove, draft, [unit.id])
    catalog.now(versions.finish, draft, 1.0, None)
    result = await syncs()
    assert (False, 3, 1) == (result.skipped, result.version, result.added)


class Plain:
    """A site without validators; *length*: whether it says how long a manifest is."""

    def __init__(self, site: FakeSite, length: bool) -> None:
        self.site, self.length, self.requests = site, length, site.requests

    def request(self, *args: Any, **fields: Any) -> Deferred[Any]:
        """Answer as the site does, but for that."""
        return self.site.request(*args, **fields).addCallback(self._stripped)

    def _stripped(self, response: FakeResponse) -> FakeResponse:
        response.headers.removeHeader("ETag")
        if not self.length:
            response.headers.removeHeader("Content-Length")
            response.length = "*"
        return response


@ensureDeferred
async def test_same_digest(syncs: Syncs, world: World, site: FakeSite) -> None:
    """Without validators the digest of the manifest says that nothing has changed."""
    world.sites[None] = Plain(site, length=True)  # type: ignore[assignment]
    await syncs()
    assert syncs.synced()["etag"] is None
    result = await syncs()
    assert (True, ["PULP_MANIFEST"]) == (result.skipped, syncs.asked)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a," + b"ab" * 32 + b",1\n../b," + b"ab" * 32 + b",1\n", "line 2: the path has a part that is"),
        (b"a," + b"ab" * 32 + b",1\n\nb," + b"ab" * 32 + b",1\na," + b"cd" * 32 + b",2\n", "line 4: .*in line 1"),
        (b"<html>\n", "line 1: not of the form"),
        (b"\xff\xfe,", "line 1"),
    ],
)
@ensureDeferred
async def test_bad(syncs: Syncs, site: FakeSite, text: bytes, reason: str) -> None:
    """A manifest that is none ends the sync, with the line; the repository stays as it is, and the next sync works."""
    serve(site, text=text)
    with pytest.raises(MetadataError, match=reason):
        await syncs()
    assert syncs.synced() is None
    serve(site)
    assert 1 == (await syncs()).version


@ensureDeferred
async def test_not_found(syncs: Syncs, site: FakeSite) -> None:
    """Without a manifest there is no version, and a mirror loses nothing."""
    await syncs()
    site.files = {}
    with pytest.raises(NotFound):
        await syncs(mirror=True)
    assert ["a", "b/c", "d e?"] == syncs.paths()


@ensureDeferred
async def test_keep_going(syncs: Syncs, site: FakeSite) -> None:
    """A file that fails is named, and the next sync asks for it again although the manifest is the same."""
    del site.files["http://site/pool/a"]
    result = await syncs(keep_going=True)
    assert (1, 2, ["a"]) == (result.version, result.added, [each.path for each in result.failed])
    serve(site)
    result = await syncs(keep_going=True)
    assert (2, 1, ()) == (result.version, result.added, result.failed)
    assert (await syncs(keep_going=True)).skipped


@ensureDeferred
async def test_no_url(syncs: Syncs) -> None:
    """A Remote without a URL cannot be synced."""
    syncs.remote = Remote()
    with pytest.raises(SettingsError, match="url"):
        await syncs()


@ensureDeferred
async def test_duplicate_far_away(syncs: Syncs, site: FakeSite, storage: MemoryStorage) -> None:
    """A path that was there long before is found in what went to a file meanwhile; the file is removed."""
    lines = [b"pool/%07d," % number + b"ab" * 32 + b",1\n" for number in range(20_000)]
    serve(site, text=b"".join([*lines, lines[3]]))
    with pytest.raises(MetadataError, match=r"line 20001: .*in line 4"):
        await syncs(policy="on_demand")
    assert [] == os.listdir(os.path.dirname(storage.temporary("x")))


@ensureDeferred
async def test_too_large(syncs: Syncs) -> None:
    """A manifest has the limit of metadata."""
    syncs.remote = evolve(syncs.remote, limits=Limits(max_metadata_size=10))
    with pytest.raises(Exception, match="10 allowed"):
        await syncs()


# While it arrives


class Held(SpyAgent):
    """Answers the manifest's requests when the test does, and lets the site answer all others."""

    def __init__(self, site: FakeSite) -> None:
        super().__init__()
        self._site = site

    def request(self, method: bytes, uri: bytes, *args: Any, **fields: Any) -> Any:
        """Note the request."""
        if uri == URL.encode():
            return super().request(method, uri, *args, **fields)
        return self._site.request(method, uri, *args, **fields)

    def answer(self, number: int, **fields: Any) -> FakeResponse:
        """Answer request *number* with a body that is to come, and return it."""
        response = FakeResponse(url=URL, **fields)
        self.requests[number].answer.callback(response)
        return response


@pytest.fixture
def held(world: World, site: FakeSite) -> Held:
    """An agent that the test lets answer."""
    made = Held(site)
    world.sites[None] = made  # type: ignore[assignment]
    return made


async def turns(reactor: Any, done: Any) -> None:
    """Let the reactor turn until *done* says so; a test that waits for ever is ended by its time."""
    while not done():
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.001, turn.callback, None)
        await turn


@ensureDeferred
async def test_streams(syncs: Syncs, held: Held, site: FakeSite, reactor: Any) -> None:
    """The first file is downloaded while the rest of the manifest has yet to come."""
    syncing = Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    lines = manifest(FILES).splitlines(keepends=True)
    response = held.answer(0)
    response.send(lines[0] + lines[1][:10])
    await turns(reactor, lambda: site.requests)
    assert ["http://site/pool/a"] == [each.url for each in site.requests]
    assert not syncing.called
    response.send(lines[1][10:] + lines[2])
    response.end()
    assert (1, 3) == ((result := await syncing).version, result.added)


@ensureDeferred
async def test_waits(syncs: Syncs, world: World, held: Held, site: FakeSite, reactor: Any) -> None:
    """A manifest as long as the one before is awaited, and if it is another one, read then."""
    world.sites[None] = Plain(site, length=True)  # type: ignore[assignment]
    await syncs()
    world.sites[None] = held  # type: ignore[assignment]
    serve(site, {"a": b"uno", "b/c": b"two", "d e?": b"three"})
    before, syncing = len(site.requests), Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    text = site.files[URL]
    assert isinstance(text, bytes)
    response = held.answer(0, length=len(text), headers={"Content-Length": str(len(text))})
    response.send(text[:-5])
    await turns(reactor, lambda: response.transport is not None)
    assert before == len(site.requests)
    response.send(text[-5:])
    response.end()
    assert (2, 1, 1) == ((result := await syncing).version, result.added, result.removed)


@ensureDeferred
async def test_begins_again(syncs: Syncs, held: Held, site: FakeSite, reactor: Any) -> None:
    """A manifest that breaks off is fetched again; units that were read are not read twice."""
    syncing = Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    text = manifest(FILES)
    response = held.answer(0, length=len(text))
    response.send(text[:100])
    await turns(reactor, lambda: site.requests)
    response.end(LOST)
    await turns(reactor, lambda: len(held.requests) == 2)
    response = held.answer(1, length=len(text))
    response.send(text[:50])
    response.send(text[50:])
    response.end()
    assert (1, 3, 3) == ((result := await syncing).version, result.added, result.downloaded)


@pytest.mark.parametrize("cut", [None, 20])
@ensureDeferred
async def test_changes_meanwhile(syncs: Syncs, held: Held, site: FakeSite, reactor: Any, cut: int | None) -> None:
    """A manifest that is another one, or shorter, when it is fetched again ends the sync: two are never mixed."""
    syncing = Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    text = manifest(FILES)
    response = held.answer(0, length=len(text))
    response.send(text[:100])
    await turns(reactor, lambda: site.requests)
    response.end(LOST)
    await turns(reactor, lambda: len(held.requests) == 2)
    other = (b"b" + text[1:])[:cut]
    response = held.answer(1, length=len(other))
    response.send(other)
    response.end()
    with pytest.raises(MetadataError, match="it changed while it was read"):
        await syncing


@ensureDeferred
async def test_breaks_off(syncs: Syncs, held: Held, site: FakeSite, reactor: Any) -> None:
    """A manifest of which the rest never comes makes no version."""
    syncs.remote = evolve(syncs.remote, retry=Retry(retries=0))
    syncing = Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    response = held.answer(0, length=1000)
    response.send(manifest(FILES))
    await turns(reactor, lambda: len(site.requests) == 3)
    response.end(LOST)
    with pytest.raises(Disconnected):
        await syncing
    assert syncs.synced() is None


@ensureDeferred
async def test_cancelled(syncs: Syncs, held: Held, catalog: MemoryCatalog, site: FakeSite, reactor: Any) -> None:
    """A sync that is cancelled gives everything back, its lock too."""
    syncing = Deferred.fromCoroutine(syncs())
    await turns(reactor, lambda: held.requests)
    response = held.answer(0)
    response.send(manifest(FILES))
    await turns(reactor, lambda: site.requests)
    syncing.cancel()
    with pytest.raises(CancelledError):
        await syncing
    assert "stop" in response.transport.told
    assert [] == catalog.locked


# The type


def test_type() -> None:
    """The type is found by its name, and gives a stage."""
    assert FILE is content_type("file")
    assert isinstance(FILE.first_stage(True), ManifestStage)


class Again:
    """Metadata of which *lines* have come, some together."""

    def __init__(self, *lines: list[bytes]) -> None:
        self._lines = lines

    async def before(self) -> AsyncGenerator[list[bytes]]:
        """Give them."""
        for each in self._lines:
            yield each


@pytest.mark.parametrize(("path", "line"), [("a", 1), ("b", 3), ("c", None), ("d", None), ("#x", None)])
@ensureDeferred
async def test_line_before(path: str, line: int | None) -> None:
    """Only a line that is before, and names the very path, makes a duplicate of one with the same hash."""
    lines = [b"%b,%b,1" % (name, b"ab" * 32) for name in (b"\xef\xbb\xbfa", b"#x", b"b", b"cc", b"c", b"d")]
    suspect: Any = Suspect(Entry(path, "ab" * 32, 1), 5)
    for cut in range(len(lines)):
        metadata: Any = Again(lines[:cut], lines[cut:])
        assert line == await _line_before(suspect, metadata)
