"""What a path stands for: asked of the catalog as seldom as possible, and never wrong for longer than a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.test.requesthelper import DummyRequest

from tests.fakes import result_of
from tests.unit.streamer.direct import DirectCatalog
from twisted_pulp.catalog import artifacts, contents, distributions, pulled, remotes, repositories, sources, versions
from twisted_pulp.catalog.paths import Name
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import DownloadError, SettingsError, StorageFull
from twisted_pulp.settings import Remote
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._entity import IMMUTABLE, REVALIDATE
from twisted_pulp.streamer._found import Cold, Directory, Kept, Moved, Through
from twisted_pulp.streamer._manifests import Manifests
from twisted_pulp.streamer._pages import send_directory
from twisted_pulp.streamer._path import path_of
from twisted_pulp.streamer._published import Published
from twisted_pulp.streamer._records import Records
from twisted_pulp.streamer._rules import rules_of

A, B = "a" * 64, "b" * 64


class Unsealed:
    """A key that hides nothing."""

    def seal(self, secret: Any) -> bytes:
        """Return *secret* as bytes."""
        return msgspec.json.encode(secret)

    def unseal(self, sealed: bytes) -> Any:
        """Return what was sealed."""
        return msgspec.json.decode(sealed)


class Shelf:
    """A catalog with a distribution `d` of a repository, and what finds things in it."""

    def __init__(self) -> None:
        self.clock, self.catalog = Clock(), DirectCatalog()
        self.catalog.key = Unsealed()
        catalog: Any = self.catalog
        self.records = Records(catalog, lambda: 7.0)
        self.storage = MemoryStorage()
        manifests = Manifests(catalog, self.storage, lambda: 7.0)
        self.published = Published(catalog, self.records, manifests, self.clock.seconds, most=3)
        self.repository = self.catalog.now(repositories.create, "r", "file", 1.0).id

    def distribute(self, base: str = "d", **fields: Any) -> None:
        """Serve the repository, unless something else is said."""
        fields = fields or {"repository_id": self.repository}
        self.catalog.now(distributions.create, base, base, 1.0, **fields)

    def version(self, **files: str | None) -> int:
        """Make a version with files of these sha256, or none yet; return its number."""
        return int(self.catalog.now(self._version, files))

    def _version(self, connection: Any, files: dict[str, str | None]) -> int:
        draft = versions.begin(connection, self.repository, 5.0)
        for path, sha256 in files.items():
            unit = contents.NewContent("file", f'["{path}", "{sha256}"]', path, {})
            [content] = contents.save(connection, [unit], 1.0).values()
            stored = None
            if sha256 is not None:
                [stored] = artifacts.save(connection, [artifacts.NewArtifact(sha256, 3)], 1.0).values()
            file = contents.NewFile(content, path, stored, 3, {"sha256": sha256 or B})
            [number] = contents.attach(connection, [file]).values()
            if sha256 is None:
                sources.save(connection, [sources.NewSource(number, f"http://u.test/{path}")])
            versions.add(connection, draft, [content])
        versions.remove_unseen(connection, draft)
        row = versions.finish(connection, draft, 5.0, None)
        assert row is not None
        return row.number

    def remote(self, url: str = "http://u.test/up/", **fields: Any) -> int:
        """Keep a Remote."""
        key: Any = Unsealed()
        return int(self.catalog.now(remotes.create, "up", Remote(url=url, **fields), 1.0, key=key).id)

    def start(self, raw: bytes, **given: Any) -> Deferred[Any]:
        """Look for something."""
        raw, mark, query = raw.partition(b"?")
        path = path_of(raw, query if mark else None)
        assert path is not None
        return Deferred.fromCoroutine(self.published.find(raw, path, **given))

    def find(self, raw: bytes, **given: Any) -> Any:
        """Look for something, and return it, or raise."""
        found: list[Any] = []
        self.start(raw, **given).addBoth(found.append)
        [result] = found
        if hasattr(result, "raiseException"):
            result.raiseException()
        return result


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A repository without versions, and no distribution."""
    made = Shelf()
    yield made
    made.catalog.close()


def test_kept(shelf: Shelf) -> None:
    """A stored file is found, with what is known of it."""
    shelf.version(f=A)
    shelf.distribute()
    found = shelf.find(b"d/f")
    assert isinstance(found, Kept)
    assert (3, A, 5.0, REVALIDATE) == (
        found.entity.size,
        found.entity.sha256,
        found.entity.modified,
        found.entity.cache_control,
    )


def test_remembered(shelf: Shelf) -> None:
    """What was found is found again without the catalog, for a second; then it is asked once what has changed."""
    shelf.version(f=A)
    shelf.distribute()
    assert None is shelf.published.remembered(b"d/f")
    found = shelf.find(b"d/f")
    assert ["_looked_up", "at_path"] == shelf.catalog.reads
    assert found is shelf.published.remembered(b"d/f")
    assert found is shelf.find(b"d/f")
    shelf.clock.advance(1)
    assert None is shelf.published.remembered(b"d/f")
    assert found is shelf.find(b"d/f")
    assert found is shelf.published.remembered(b"d/f")
    assert ["_looked_up", "at_path", "_looked_up"] == shelf.catalog.reads


def test_new_version(shelf: Shelf) -> None:
    """What was found in one version does not hold in the next."""
    shelf.version(f=A)
    shelf.distribute()
    assert A == shelf.find(b"d/f").entity.sha256
    shelf.version(f=B)
    assert A == shelf.find(b"d/f").entity.sha256
    shelf.clock.advance(1)
    assert B == shelf.find(b"d/f").entity.sha256


def test_bounded(shelf: Shelf) -> None:
    """So many paths are remembered, and no more; the one that nobody wanted for longest goes first."""
    shelf.version(a=A, b=A, c=A, d=A)
    shelf.distribute()
    for path in (b"d/a", b"d/b", b"d/a", b"d/c", b"d/d"):
        shelf.find(path)
        shelf.published.remembered(b"d/a")
    assert [True, False, True, True] == [
        shelf.published.remembered(path) is not None for path in (b"d/a", b"d/b", b"d/c", b"d/d")
    ]


def test_asked_once(shelf: Shelf) -> None:
    """Whoever wants to know what a distribution serves at the same time asks the catalog together."""
    shelf.version(f=A)
    shelf.distribute()
    shelf.find(b"d/f")
    shelf.clock.advance(1)
    shelf.catalog.reads.clear()
    shelf.catalog.hold = True
    finding = [shelf.start(b"d/f") for _ in range(5)]
    finding[0].addErrback(lambda _: None).cancel()  # one who gives up leaves the others alone
    assert ["_looked_up"] == shelf.catalog.reads
    shelf.catalog.release()
    found: list[Any] = []
    for each in finding[1:]:
        each.addCallback(found.append)
    assert [A] * 4 == [each.entity.sha256 for each in found]


def test_pinned(shelf: Shelf) -> None:
    """What one version has never changes; when it is deleted there is nothing."""
    number = shelf.version(f=A)
    shelf.distribute(repository_id=shelf.repository, number=number)
    shelf.version(f=B)
    found = shelf.find(b"d/f").entity
    assert (A, IMMUTABLE) == (found.sha256, found.cache_control)
    shelf.catalog.now(versions.delete, shelf.repository, number)
    shelf.clock.advance(1)
    assert None is shelf.find(b"d/f")


@pytest.mark.parametrize("raw", [b"", b"e", b"e/f", b"d/g", b"d/f/", b"d/f/g", b"d//f", b"d%2Ff", b"/d/f", b"D/f"])
def test_nothing(shelf: Shelf, raw: bytes) -> None:
    """Where there is nothing, nothing is found."""
    shelf.version(f=A)
    shelf.distribute()
    assert None is shelf.find(raw)


def test_directories(shelf: Shelf) -> None:
    """A directory is one with the slash at its end, and moved without."""
    shelf.version(**{"a/b/c": A, "z": B})
    shelf.distribute("d/e")
    assert Moved() == shelf.find(b"d/e")
    assert Moved() == shelf.find(b"d/e/a/b")
    top, below = shelf.find(b"d/e/"), shelf.find(b"d/e/a/")
    assert isinstance(top, Directory)
    assert [("", ["a", "z"]), ("a/", ["b"])] == [(each.path, [it.name for it in each.names]) for each in (top, below)]
    assert ["z"] == [each.name for each in shelf.find(b"d/e/?after=a%2F").names]
    assert ["a", "z"] == [each.name for each in shelf.find(b"d/e/?before=a").names]


def test_no_version(shelf: Shelf) -> None:
    """A repository without versions is an empty directory."""
    shelf.distribute()
    assert Directory("", ()) == shelf.find(b"d/")
    assert None is shelf.find(b"d/f")


def report(sha256: str, url: str) -> DownloadReport:
    """Return what came of a transfer."""
    return DownloadReport(url, size=3, digests={"sha256": sha256}, source=Source(url), finished=9.0)


def test_cold(shelf: Shelf) -> None:
    """A file that is not stored says how it is fetched; it is there for everybody as soon as it has come."""
    shelf.version(f=None)
    shelf.distribute(repository_id=shelf.repository, policy="streamed", settings={"early_ranges": True})
    cold = shelf.find(b"d/f")
    assert isinstance(cold, Cold)
    wanted = cold.wanted
    assert ("http://u.test/f", 3, {"sha256": B}, "streamed", True) == (
        wanted.sources[0].url,
        wanted.size,
        wanted.digests,
        wanted.policy,
        wanted.early_ranges,
    )
    assert wanted.failed is not None
    wanted.failed(wanted.sources[0], DownloadError(detail="gone"))
    assert ["gone"] == [row.failure for row in shelf.catalog.now(sources.of_file, 1)]
    assert wanted.keep is not None
    shelf.catalog.hold = True  # the catalog does not know it yet
    wanted.keep(report(B, "http://u.test/f"), B)
    shelf.catalog.hold = False
    assert isinstance(shelf.find(b"d/f"), Kept)
    shelf.catalog.release()
    assert isinstance(shelf.find(b"d/f"), Kept)
    assert [None] == [row.failure for row in shelf.catalog.now(sources.of_file, 1)]


def test_missing(shelf: Shelf) -> None:
    """A file of which the bytes are gone is cold again; where nobody has it, that is said."""
    shelf.version(f=None, g=A)
    shelf.distribute()
    cold = shelf.find(b"d/f")
    cold.wanted.keep(report(B, "http://u.test/f"), B)
    assert isinstance(shelf.find(b"d/f"), Kept)
    assert isinstance(shelf.find(b"d/f", missing=True), Cold)
    with pytest.raises(DownloadError, match="nobody"):
        shelf.find(b"d/g", missing=True)


def test_same_bytes(shelf: Shelf) -> None:
    """A file whose very bytes are stored for another one is stored."""
    shelf.version(f=None, g=B)
    shelf.distribute()
    assert isinstance(shelf.find(b"d/f"), Kept)


def test_through(shelf: Shelf) -> None:
    """Below a Remote everything is there, until the upstream says otherwise; what never changes is kept."""
    number = shelf.remote()
    shelf.distribute(remote_id=number)
    index, package = shelf.find(b"d/a%20b/?x=y"), shelf.find(b"d/f.deb")
    assert isinstance(index, Through)
    assert ("http://u.test/up/a%20b/?x=y", False, False, None) == (
        index.place.url,
        index.immutable,
        index.streamed,
        index.wanted.keep,
    )
    assert ("http://u.test/up/f.deb", True) == (package.place.url, package.immutable)
    package.wanted.keep(report(A, "http://u.test/up/f.deb"), A)
    found = shelf.find(b"d/f.deb")
    assert (A, IMMUTABLE) == (found.entity.sha256, found.entity.cache_control)
    assert isinstance(shelf.find(b"d/f.deb?x"), Through)


@pytest.mark.parametrize(
    ("distribution", "remote", "streamed"),
    [
        (None, "immediate", False),
        (None, "on_demand", False),
        (None, "streamed", True),
        ("on_demand", "streamed", False),
        ("streamed", "immediate", True),
    ],
)
def test_policies(shelf: Shelf, distribution: str | None, remote: str, streamed: bool) -> None:
    """Whether something is kept says the distribution, or else the Remote."""
    number = shelf.remote(policy=remote)
    shelf.version(f=None)
    shelf.catalog.now(sources.save, [sources.NewSource(1, "http://u.test/f", number)])
    shelf.distribute(repository_id=shelf.repository, remote_id=number, policy=distribution)
    wanted = [shelf.find(path).wanted.policy for path in (b"d/f", b"d/a.deb")]
    assert [streamed] * 3 == [*(each == "streamed" for each in wanted), shelf.find(b"d/index").streamed]


def test_same_remote(shelf: Shelf) -> None:
    """All requests have the very same Remote, and with it its connections, until it is changed."""
    number = shelf.remote()
    shelf.distribute(remote_id=number)
    first = shelf.find(b"d/f").wanted.remote
    shelf.clock.advance(5)
    assert first is shelf.find(b"d/g").wanted.remote
    shelf.catalog.now(remotes.update, "up", 2.0, {"url": "http://other.test/"})
    shelf.clock.advance(5)
    assert "http://other.test/g" == shelf.find(b"d/g").place.url


def test_remote_forgotten(shelf: Shelf) -> None:
    """Without its Remote a distribution has nothing, and a source still its URL."""
    number = shelf.remote()
    shelf.distribute(remote_id=number)
    shelf.find(b"d/f")
    shelf.catalog.now(remotes.delete, "up")
    shelf.clock.advance(1)
    assert None is shelf.find(b"d/f")


def test_both(shelf: Shelf) -> None:
    """What the version has comes first; even what it does not have in the storage."""
    number = shelf.remote()
    shelf.version(f=A, g=None)
    shelf.distribute(repository_id=shelf.repository, remote_id=number)
    assert [Kept, Cold, Through] == [type(shelf.find(path)) for path in (b"d/f", b"d/g", b"d/h")]


@pytest.mark.parametrize(
    ("url", "raw", "found"),
    [
        ("http://u.test", b"d/a", "http://u.test/a"),
        ("http://u.test/x?k=v", b"d/a", "http://u.test/x/a?k=v"),
        ("http://u.test/x?k=v", b"d/a?b", None),
        ("http://u.test/x/", b"d//a", "http://u.test/x//a"),
        ("http://u.test/x/", b"d/%C3%A9%2f", "http://u.test/x/%C3%A9%2f"),
        ("http://u.test/x/", "d/é".encode(), "http://u.test/x/%C3%A9"),
    ],
)
def test_places(shelf: Shelf, url: str, raw: bytes, found: str | None) -> None:
    """A path is put behind the Remote's URL as it is quoted; the Remote's own query stays as it is."""
    shelf.distribute(remote_id=shelf.remote(url))
    through = shelf.find(raw)
    assert found == (None if through is None else through.place.url)


@pytest.mark.parametrize(
    ("path", "immutable"),
    [
        ("pool/a/b.deb", True),
        ("dists/x/by-hash/SHA256/abc", True),
        ("repodata/" + A + "-primary.xml.gz", True),
        ("x/repodata/" + A + "-primary.xml.gz", True),
        ("repodata/repomd.xml", False),
        ("dists/stable/InRelease", False),
        ("simple/pip/", False),
        ("a.deb.txt", False),
        ("A.DEB", False),
    ],
)
def test_immutable(path: str, immutable: bool) -> None:
    """By their names alone some files are known never to change."""
    assert immutable is rules_of({}).immutable(path)
    assert not rules_of({"immutable": []}).immutable(path)
    assert rules_of({"immutable": ["x", "*"]}).immutable(path)


@pytest.mark.parametrize(
    "settings", [{"immutable": "*.deb"}, {"immutable": [1]}, {"immutable": [""]}, {"early_ranges": 1}]
)
def test_rules_refused(settings: dict[str, Any]) -> None:
    """Rules that are none are named."""
    with pytest.raises(SettingsError, match=next(iter(settings))):
        rules_of(settings)


# PULP_MANIFEST


def test_manifest(shelf: Shelf) -> None:
    """A version that has kept no manifest has one of all its files, sorted, also of those yet to come; made once."""
    shelf.distribute()
    shelf.version(**{"z": A, "a/b": A, "a-b": None})
    kept = shelf.find(b"d/PULP_MANIFEST")
    body = b"".join(b"%b,%b,3\n" % (path, sha256.encode()) for path, sha256 in ((b"a-b", B), (b"a/b", A), (b"z", A)))
    assert (len(body), REVALIDATE, "text/plain") == (
        kept.entity.size,
        kept.entity.cache_control,
        kept.entity.type,
    )
    assert body == result_of(shelf.storage.read(kept.entity.sha256))
    reads = shelf.catalog.reads.count("listed")
    shelf.clock.advance(2)
    assert kept == shelf.find(b"d/PULP_MANIFEST")
    assert reads == shelf.catalog.reads.count("listed")


def test_manifest_changes(shelf: Shelf) -> None:
    """Each version has its own, and one that is said by its number has it for ever."""
    shelf.distribute()
    first = shelf.version(a=A)
    one = shelf.find(b"d/PULP_MANIFEST").entity
    shelf.version(b=B)
    shelf.clock.advance(2)
    assert one.sha256 != shelf.find(b"d/PULP_MANIFEST").entity.sha256
    shelf.distribute("old", repository_id=shelf.repository, number=first)
    kept = shelf.find(b"old/PULP_MANIFEST").entity
    assert (one.sha256, IMMUTABLE) == (kept.sha256, kept.cache_control)


def test_manifest_kept(shelf: Shelf) -> None:
    """The manifest of an upstream that was kept is what is served; one of a Remote comes from there."""
    shelf.distribute()
    shelf.version(PULP_MANIFEST=A)
    assert A == shelf.find(b"d/PULP_MANIFEST").entity.sha256
    shelf.distribute("both", repository_id=shelf.repository, remote_id=shelf.remote())
    shelf.version(other=A)
    shelf.clock.advance(2)
    assert isinstance(shelf.find(b"both/PULP_MANIFEST"), Through)


def test_manifest_missing(shelf: Shelf) -> None:
    """One that a cleanup has taken is written again."""
    shelf.distribute()
    shelf.version(a=A)
    kept = shelf.find(b"d/PULP_MANIFEST")
    result_of(shelf.storage.remove([kept.entity.sha256]))
    assert kept == shelf.find(b"d/PULP_MANIFEST", missing=True)
    assert {kept.entity.sha256} == result_of(shelf.storage.has([kept.entity.sha256]))


def test_manifest_none(shelf: Shelf) -> None:
    """Where there is no version there is none, and below the top of one there is none either."""
    shelf.distribute()
    assert shelf.find(b"d/PULP_MANIFEST") is None
    shelf.version(**{"a/b": A})
    shelf.clock.advance(2)
    assert shelf.find(b"d/a/PULP_MANIFEST") is None


def test_manifest_together(shelf: Shelf) -> None:
    """Many who want it at once wait for one."""
    shelf.distribute()
    shelf.version(a=A)
    shelf.find(b"d/a")
    shelf.catalog.hold = True
    waiting = [shelf.start(b"d/PULP_MANIFEST") for _ in range(3)]
    for _ in range(9):
        shelf.catalog.release()
    assert 1 == len({result_of(d).entity.sha256 for d in waiting})
    assert 1 == shelf.catalog.writes.count("save")


def test_manifest_unwritable(shelf: Shelf) -> None:
    """What no manifest can name is left out; that the storage is full is told, and nothing is remembered."""
    shelf.distribute()
    shelf.version(**{"#comment": A, "good": A})
    writer = shelf.storage.writer

    def full() -> Any:
        made = writer()
        made.commit = failing  # type: ignore[method-assign]
        return made

    def failing(report: object = None) -> None:
        raise StorageFull(detail="full")

    shelf.storage.writer = full  # type: ignore[method-assign,assignment]
    with pytest.raises(StorageFull):
        shelf.find(b"d/PULP_MANIFEST")
    shelf.storage.writer = writer  # type: ignore[method-assign]
    kept = shelf.find(b"d/PULP_MANIFEST")
    assert f"good,{A},3\n".encode() == result_of(shelf.storage.read(kept.entity.sha256))


def test_directory_dates(shelf: Shelf) -> None:
    """A directory tells of each file how large it is, and since when it is there."""
    shelf.distribute()
    shelf.version(**{"f": A, "below/g": A})
    assert [Name("below", True), Name("f", False, 3, 5.0)] == list(shelf.find(b"d/").names)
    request: Any = DummyRequest([b""])
    request.method = b"GET"
    send_directory(request, shelf.find(b"d/"), 7.0)
    row = b'<tr><td><a href="./f">f</a></td><td>Thu, 01 Jan 1970 00:00:05 GMT</td><td>3</td></tr>'
    assert row in b"".join(request.written)


def test_wanted(shelf: Shelf) -> None:
    """That a file which was pulled through is wanted is noted once a day, however often it is."""
    remote = shelf.remote()
    shelf.distribute("p", remote_id=remote)
    [number] = shelf.catalog.now(artifacts.save, [artifacts.NewArtifact(A, 3)], 7.0 - 86401).values()
    shelf.catalog.now(pulled.save, [pulled.NewPulled(remote, "http://u.test/up/a.deb", number)], 1.0)

    def orphaned() -> bool:
        shelf.catalog.now(pulled.evict, 7.0)
        return shelf.catalog.now(pulled.find, remote, "http://u.test/up/a.deb") is None

    for _ in range(3):
        assert isinstance(shelf.find(b"p/a.deb"), Kept)
    assert 1 == shelf.catalog.writes.count("_written")
    assert not orphaned()
    assert shelf.published.remembered(b"p/a.deb") is not None
    reads = len(shelf.catalog.reads)
    shelf.clock.advance(86401)
    assert shelf.published.remembered(b"p/a.deb") is None
    shelf.find(b"p/a.deb")
    assert 2 == len(shelf.catalog.reads) - reads
