"""The stories that plugin writers told, and what importers said of artifacts; each is a test of that name."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, evolve, field
from pytest_twisted import ensureDeferred
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.schema import CreateTable
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from tests.integration.data import Data, Declared, unit_of
from tests.servers.answers import head, ok
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Send, Until
from twisted_pulp.catalog import artifacts, contents, sources, versions
from twisted_pulp.catalog._tables import content
from twisted_pulp.context import Context
from twisted_pulp.download import Source
from twisted_pulp.errors import InvalidContent
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.stages import (
    ArtifactDownloader,
    ArtifactSaver,
    Content,
    ContentSaver,
    DeclarativeArtifact,
    DeclarativeContent,
    DeclarativeVersion,
    Pipeline,
    QueryExistingContents,
    Stage,
)
from twisted_pulp.transfer import Memory


@pytest_twisted.async_yield_fixture
async def data(reactor: IReactor, context: Context, tmp_path: Path) -> AsyncIterator[Data]:
    """An empty data directory."""
    opened = await Data.open(reactor, context, tmp_path)
    yield opened
    await opened.close()


def unit(name: str, body: bytes, *where: str | Source) -> DeclarativeContent:
    """Return the unit of one file."""
    sha256 = hashlib.sha256(body).hexdigest()
    artifact = DeclarativeArtifact(sources=where, relative_path=name, size=len(body), digests={"sha256": sha256})
    return DeclarativeContent(content=Content(type="file", key=(name, sha256), place=name), artifacts=(artifact,))


# Plugin writers


@ensureDeferred
async def test_add_behaviour_to_downloaders(data: Data, nginx: Nginx, corpus: Corpus, scripted: Scripted) -> None:
    """As a plugin writer, I can add behaviour to downloaders: a mirror list, for example."""
    files = corpus.files([100] * 5)
    remote = Remote(url=scripted.url("/"), mirror_list=lambda remote: [nginx.url("/")], retry=Retry(retries=0))
    first = Declared([unit_of(file, scripted.url("/" + file.name)) for file in files])
    made = await DeclarativeVersion(first, data.repository, remote=remote, **data.fields).create()
    assert 5 == made.present


class Listed(Stage):
    """Declare what a list of the remote says."""

    async def run(self) -> None:
        """Fetch the list, and put a unit for each line."""
        base, memory = self.sync.remote.url, Memory()
        downloader = self.sync.downloader()
        await downloader.download(f"{base}LIST", writer=memory)
        await downloader.close()
        for line in memory.content.decode().splitlines():
            name, sha256 = line.split()
            artifact = DeclarativeArtifact(sources=f"{base}{name}", relative_path=name, digests={"sha256": sha256})
            identity = Content(type="file", key=(name, sha256), place=name)
            await self.put(DeclarativeContent(content=identity, artifacts=(artifact,)))


@ensureDeferred
async def test_declare_the_remotes_state_and_leave_the_rest(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """As a plugin writer, I declare what the remote has; downloading, saving and the version are not my business."""
    files = corpus.files([100] * 5)
    corpus.file("LIST", body="".join(f"{file.name} {file.sha256}\n" for file in files).encode())
    remote = Remote(url=nginx.url("/"))
    made = await DeclarativeVersion(Listed(), data.repository, remote=remote, mirror=True, **data.fields).create()
    assert 5 == made.present
    assert [file.body for file in files] == [await data.storage.read(file.sha256) for file in files]


class Asking(Stage):
    """Ask the remote about each unit."""

    async def run(self) -> None:
        """Fetch a unit's summary before it is saved."""
        downloader = self.sync.downloader()
        async for each in self.items():
            memory = Memory()
            await downloader.download(f"{self.sync.remote.url}about/{each.content.place}", writer=memory)
            each.content = evolve(each.content, data={"summary": memory.content.decode()})
            await self.put(each)
        await downloader.close()


class Asked(DeclarativeVersion):
    """A sync whose units need another call."""

    def pipeline(self, draft: Any) -> Pipeline:
        """Insert it."""
        return super().pipeline(draft).insert(Asking(), before=QueryExistingContents)


@ensureDeferred
async def test_extra_http_calls_for_a_unit_before_it_is_saved(data: Data, scripted: Scripted) -> None:
    """As a plugin writer, I can make further HTTP calls for a unit before it is saved."""
    for name in ("a", "b"):
        scripted.on(f"/{name}".encode(), [ok(name.encode())])
        scripted.on(f"/about/{name}".encode(), [ok(b"it is " + name.encode())])
    first = Declared([unit(name, name.encode(), scripted.url("/" + name)) for name in "ab"])
    made = await Asked(first, data.repository, remote=Remote(url=scripted.url("/")), **data.fields).create()
    rows = await data.catalog.read(versions.contents, data.repository.id, made.number)
    assert {"a": {"summary": "it is a"}, "b": {"summary": "it is b"}} == {row.place: row.data for row in rows}


ADVISORY = Table(
    "advisory",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("content_id", Integer, ForeignKey(content.c.id), nullable=False),
    Column("text", Text),
)


class Advised(ContentSaver):
    """Save advisories with the units they are about."""

    def saving(self, connection: Any, batch: list[DeclarativeContent]) -> None:
        """Save a row for each."""
        connection.execute(insert(ADVISORY), [{"content_id": each.content_id, "text": "!"} for each in batch])
        if any(each.content.place == "bad" for each in batch):
            raise InvalidContent(detail="an advisory that cannot be")


class WithAdvisories(DeclarativeVersion):
    """A sync of units and advisories."""

    def pipeline(self, draft: Any) -> Pipeline:
        """Replace what saves units."""
        return super().pipeline(draft).replace(ContentSaver, Advised())


@ensureDeferred
async def test_relate_units_to_rows_that_are_not_content(data: Data) -> None:
    """As a plugin writer, I relate units to rows of a table of mine, in the transaction that saves the units."""

    def everything(connection: Any) -> tuple[list[Any], list[Any]]:
        return [*connection.scalars(select(content.c.id))], [*connection.scalars(select(ADVISORY.c.content_id))]

    await data.catalog.write(lambda connection: connection.execute(CreateTable(ADVISORY)) and None)
    fields = {**data.fields, "policy": "on_demand"}
    with pytest.raises(InvalidContent):
        await WithAdvisories(Declared([unit("bad", b"x")]), data.repository, **fields).create()
    assert ([], []) == await data.catalog.read(everything)
    await WithAdvisories(Declared([unit(name, b"x") for name in "ab"]), data.repository, **fields).create()
    saved, related = await data.catalog.read(everything)
    assert 2 == len(saved)
    assert sorted(saved) == sorted(related)


class Lint(Stage):
    """Look at files before they are saved."""

    async def run(self) -> None:
        """Refuse those that begin with a blank."""
        async for each in self.items():
            if Path(each.artifacts[0].path).read_bytes().startswith(b" "):
                self.sync.refuse(each, ValueError("it begins with a blank"))
            else:
                await self.put(each)


class Linted(DeclarativeVersion):
    """A sync that looks at files."""

    def pipeline(self, draft: Any) -> Pipeline:
        """Insert the look."""
        return super().pipeline(draft).insert(Lint(), after=ArtifactDownloader)


@pytest.mark.parametrize("keep_going", [True, False])
@ensureDeferred
async def test_refuse_a_unit_that_fails_validation(data: Data, scripted: Scripted, keep_going: bool) -> None:
    """As a plugin writer, I can refuse a unit before it is saved: the others go on, or the sync fails with my error."""
    bodies = {"a": b"fine", "b": b" bad", "c": b"fine too"}
    for name, body in bodies.items():
        scripted.on(f"/{name}".encode(), [ok(body)])
    first = Declared([unit(name, body, scripted.url("/" + name)) for name, body in bodies.items()])
    sync = Linted(first, data.repository, keep_going=keep_going, **data.fields)
    if keep_going:
        assert 2 == (await sync.create()).present
        assert ["it begins with a blank"] == [str(failed.error) for failed in sync.sync.failed]
        assert ["a", "c"] == await data.places(1)
    else:
        with pytest.raises(ValueError, match="a blank"):
            await sync.create()
        assert [] == await data.catalog.read(versions.list, data.repository.id)


@implementer(IConsumer)
@define(eq=False)
class Lines:
    """Lines as they come."""

    ready: deque[bytes] = field(factory=deque)
    came: Deferred[None] | None = None
    _rest: bytes = b""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take what comes, at any speed."""

    def unregisterProducer(self) -> None:
        """It has ended."""

    def write(self, data: bytes) -> None:
        """Take some."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.ready.extend(lines)
        self.wake()

    def wake(self) -> None:
        """Let who waits go on."""
        came, self.came = self.came, None
        if came is not None:
            came.callback(None)


class Streaming(Stage):
    """Declare units while the list is still arriving."""

    async def run(self) -> None:
        """Put a unit for each line as it comes."""
        base, lines, over = self.sync.remote.url, Lines(), []
        downloader = self.sync.downloader()
        downloading = downloader.download(f"{base}LIST", writer=lines)
        downloading.addCallback(over.append).addBoth(lambda _: lines.wake())
        while lines.ready or not over:
            if not lines.ready:
                lines.came = Deferred()
                await lines.came
                continue
            name, sha256 = lines.ready.popleft().decode().split()
            artifact = DeclarativeArtifact(sources=f"{base}{name}", relative_path=name, digests={"sha256": sha256})
            identity = Content(type="file", key=(name, sha256), place=name)
            await self.put(DeclarativeContent(content=identity, artifacts=(artifact,)))
        await downloader.close()


@ensureDeferred
async def test_start_work_before_the_first_metadata_has_fully_arrived(data: Data, scripted: Scripted) -> None:
    """As a plugin writer, I put units while the metadata is arriving: their files are stored before it has."""
    lines = [f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n".encode() for name in "ab"]
    stored: Deferred[None] = Deferred()
    whole = head(200, [(b"Content-Length", b"%d" % sum(map(len, lines)))]) + lines[0]
    scripted.on(b"/LIST", [(Send(whole), Until(stored), Send(lines[1]))])
    scripted.on(b"/a", [ok(b"a")])
    scripted.on(b"/b", [ok(b"b")])

    class Noticing(ArtifactSaver):
        """Notice when the first file is stored."""

        async def put_all(self, items: Any) -> None:
            """Let the server go on."""
            if not stored.called:
                assert [b"/LIST", b"/a"] == [request.path for request in scripted.requests]
                stored.callback(None)
            await super().put_all(items)

    class Noticed(DeclarativeVersion):
        def pipeline(self, draft: Any) -> Pipeline:
            return super().pipeline(draft).replace(ArtifactSaver, Noticing())

    made = await Noticed(Streaming(), data.repository, remote=Remote(url=scripted.url("/")), **data.fields).create()
    assert 2 == made.present


async def reached(event: Deferred[None]) -> None:
    """Wait for *event*, as others may do as well."""
    waiting: Deferred[None] = Deferred()
    event.addCallback(waiting.callback)
    await waiting


class Meeting(Stage):
    """Wait, in the middle of the work on one unit, until another step is in the middle of its own."""

    def __init__(self, name: str, mine: Deferred[None], theirs: Deferred[None]) -> None:
        self._name, self._mine, self._theirs = name, mine, theirs

    async def run(self) -> None:
        """Meet the other step at one unit."""
        async for each in self.items():
            if each.content.place == self._name:
                self._mine.callback(None)
                await reached(self._theirs)
            await self.put(each)


@ensureDeferred
async def test_steps_that_run_concurrently_with_each_other_and_with_downloads(data: Data, scripted: Scripted) -> None:
    """As a plugin writer, I write steps that run at the same time as each other and as downloads."""
    before, after = Deferred[None](), Deferred[None]()

    class Met(DeclarativeVersion):
        """Two steps that meet, one before and one after the download, while a file is on its way."""

        def pipeline(self, draft: Any) -> Pipeline:
            """Insert them."""
            pipeline = super().pipeline(draft).insert(Meeting("c", before, after), before=ArtifactDownloader)
            return pipeline.insert(Meeting("a", after, before), after=ArtifactDownloader)

    scripted.on(b"/a", [ok(b"a")])
    scripted.on(b"/b", [(Until(before), Until(after), *ok(b"b"))])
    scripted.on(b"/c", [ok(b"c")])
    first = Declared([unit(name, name.encode(), scripted.url("/" + name)) for name in "abc"])
    made = await Met(first, data.repository, **data.fields).create()
    assert 3 == made.present


# Importers


@ensureDeferred
async def test_link_a_downloaded_file_to_its_artifact(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """As an importer, I find the artifact of each downloaded file, and its bytes in the storage."""
    files = corpus.files([100] * 5)
    first = Declared([unit_of(file, nginx.url("/" + file.name)) for file in files])
    made = await DeclarativeVersion(first, data.repository, **data.fields).create()
    rows = await data.catalog.read(versions.contents, data.repository.id, made.number)
    linked = await data.catalog.read(contents.artifacts_of, [row.id for row in rows])
    found = {file.path: Path(data.storage.path(str(file.sha256))).read_bytes() for (file,) in linked.values()}
    assert {file.name: file.body for file in files} == found
    known = await data.catalog.read(artifacts.find, [("sha256", file.sha256) for file in files])
    assert {file.artifact_id for (file,) in linked.values()} == {each.id for each in known.values()}


@ensureDeferred
async def test_automatic_storage(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """As an importer, I let a download go to the storage by itself, verified."""
    file = corpus.file("f", 3 << 20)
    writer = data.storage.writer(sha256=file.sha256, size=file.size)
    report = await data.context.downloader().download(
        nginx.url("/f"), writer=writer, digests={"sha256": file.sha256}, size=file.size
    )
    assert (True, file.sha256) == (report.verified, writer.sha256)
    assert file.body == await data.storage.read(file.sha256)


@ensureDeferred
async def test_unit_files_with_every_source_and_how_to_validate(data: Data) -> None:
    """As an importer, I know of each file of a unit all places it can come from, in order, and what it must be."""
    where = [Source("http://second/a", 2), Source("http://first/a", 1), Source("http://third/a", 3)]
    declared = unit("a", b"body", *where)
    made = await DeclarativeVersion(Declared([declared]), data.repository, policy="on_demand", **data.fields).create()
    (row,) = await data.catalog.read(versions.contents, data.repository.id, made.number)
    ((file,),) = (await data.catalog.read(contents.artifacts_of, [row.id])).values()
    assert ("a", None, 4, {"sha256": hashlib.sha256(b"body").hexdigest()}) == (
        file.path,
        file.artifact_id,
        file.size,
        file.digests,
    )
    found = await data.catalog.read(sources.of_file, file.id)
    assert ["http://first/a", "http://second/a", "http://third/a"] == [each.url for each in found]
