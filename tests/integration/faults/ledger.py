"""What was handed in to a daemon, what it has acknowledged, and what has to have become of that."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, field, frozen

from tests.integration.faults.upstream import Units
from tests.servers.corpus import Corpus, CorpusFile
from twisted_pulp.client import Client, ServerError
from twisted_pulp.documents import (
    Digests,
    Job,
    NewCleanup,
    NewDownload,
    NewDownloads,
    NewRemote,
    NewRepository,
    NewSync,
    NewVerification,
)
from twisted_pulp.manifest import Entry, line_of
from twisted_pulp.names import JOURNAL, PARTIAL

__all__ = ["ENDED", "Ledger", "Order", "Pool", "finals", "temporaries"]

ENDED = frozenset({"completed", "failed", "cancelled"})
_WRONG = "0" * 64


@frozen
class Order:
    """
    One piece of work.

    :ivar key: of the request, however often it is sent.
    :ivar document: what is asked for.
    :ivar bad: numbers of the items that cannot come.
    """

    key: str
    document: NewDownloads | NewSync | NewVerification | NewCleanup
    bad: frozenset[int] = frozenset()

    @property
    def state(self) -> str:
        """The state that its job has to come to, unless somebody cancels it."""
        return "failed" if self.bad else "completed"

    async def hand_in(self, client: Client) -> Job:
        """Hand it in, and return its job."""
        document, jobs = self.document, client.jobs
        if isinstance(document, NewDownloads):
            return await jobs.download(document, key=self.key)
        if isinstance(document, NewSync):
            return await jobs.sync(document, key=self.key)
        if isinstance(document, NewVerification):
            return await jobs.verify(document, key=self.key)
        return await jobs.cleanup(document, key=self.key)


@define(eq=False)
class Pool:
    """
    A repository of files that gets more and more of them.

    :ivar units: what it has.
    """

    _corpus: Corpus
    _rng: random.Random
    units: set[tuple[str, str]] = field(init=False, factory=set)
    _lines: list[bytes] = field(init=False, factory=list)

    def grow(self) -> None:
        """Have some more; those who look see all of them or none."""
        for _ in range(self._rng.randint(1, 4)):
            name = f"unit-{len(self.units)}"
            made = self._corpus.file(f"pool/{name}", self._rng.choice([100, 10_000, 400_000]))
            self.units.add((name, made.sha256))
            self._lines.append(line_of(Entry(name, made.sha256, made.size)))
        manifest = self._corpus.file("pool/.manifest", body=b"".join(self._lines))
        os.replace(manifest.path, manifest.path.with_name("PULP_MANIFEST"))

    async def begin(self, client: Client, url: str) -> None:
        """Let the daemon have a repository that is synced with this one."""
        await client.remotes.create(NewRemote(name="pool", url=url))
        await client.repositories.create(NewRepository(name="pool", remote="pool"))


@define(eq=False)
class Ledger:
    """
    Makes up work, and remembers it.

    :param url: of the directory that *corpus* is served from.
    :ivar orders: everything that was ever asked for, by key.
    :ivar acknowledged: ids of the jobs that it was said of that they will be done, by key.
    :ivar cancelled: keys of those that it was said of that they will not be.
    :ivar paths: sha256 that the file at each path below the directory of downloads must have, if it is there.
    """

    _corpus: Corpus
    _rng: random.Random
    _url: str
    largest: int = 8 << 20
    pool: Pool = field(init=False)
    orders: dict[str, Order] = field(init=False, factory=dict)
    acknowledged: dict[str, str] = field(init=False, factory=dict)
    cancelled: set[str] = field(init=False, factory=set)
    paths: dict[str, str] = field(init=False, factory=dict)
    _stock: list[CorpusFile] = field(init=False)
    _seen: dict[tuple[str, int, int, int], str] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        sizes = [1, 0, self.largest, *(int(self.largest ** self._rng.random()) for _ in range(37))]
        self._stock = self._corpus.files(sizes, "stock/file")
        self.pool = Pool(self._corpus, self._rng)
        self.pool.grow()

    def order(self) -> Order:
        """Make up some work."""
        key, chance = f"key-{len(self.orders)}", self._rng.random()
        if chance < 0.75:
            made = self._downloads(key)
        elif chance < 0.9:
            self.pool.grow()
            made = Order(key, NewSync(repository="pool"))
        else:
            made = Order(key, NewVerification() if chance < 0.95 else NewCleanup())
        self.orders[key] = made
        return made

    def _downloads(self, key: str) -> Order:
        count, bad = self._rng.choice([1, 3, 10, 25]), self._rng.random() < 0.15
        items = [self._item(key, number) for number in range(count)]
        if len({item.path for item in items}) < count:  # which is no request
            return self._downloads(key)
        if not bad:
            return Order(key, NewDownloads(items=items))
        number = self._rng.randrange(count)
        file, path = self._rng.choice(self._stock), f"{key}/bad"
        if self._rng.random() < 0.5:
            items[number] = NewDownload(url=f"{self._url}/missing", path=path)
        else:
            items[number] = NewDownload(url=self._at(file), path=path, digests=Digests(sha256=_WRONG))
        self.paths.pop(f"{key}/{number}", None)
        return Order(key, NewDownloads(items=items), frozenset([number]))

    def _item(self, key: str, number: int) -> NewDownload:
        file, known = self._rng.choice(self._stock), self._rng.random()
        shared = self._rng.random() < 0.1  # by jobs that ask for the same file
        path = f"shared/{Path(file.name).name}" if shared else f"{key}/{number}"
        self.paths[path] = file.sha256
        digests = Digests(sha256=file.sha256) if known < 0.6 else None
        return NewDownload(url=self._at(file), path=path, digests=digests, size=file.size if known < 0.8 else None)

    def _at(self, file: CorpusFile) -> str:
        return f"{self._url}/{file.name}"

    def look(self, downloads: Path) -> None:
        """What has a final name is whole, and was asked for."""
        for path in finals(downloads):
            facts = path.stat()
            identity = str(path), facts.st_ino, facts.st_mtime_ns, facts.st_size
            if identity not in self._seen:
                self._seen[identity] = hashlib.sha256(path.read_bytes()).hexdigest()
            name = str(path.relative_to(downloads))
            assert self.paths.get(name) == self._seen[identity], f"{name} has {facts.st_size} bytes"

    async def left(self, client: Client) -> list[str]:
        """Return the jobs that have not ended, of those that were acknowledged."""
        ended = {job.id async for job in client.jobs.list() if job.state in ENDED}
        return [uid for uid in self.acknowledged.values() if uid not in ended]

    async def audit(self, client: Client, downloads: Path) -> Mapping[str, int]:
        """Everything acknowledged has ended as it must, once; return how many jobs ended in which state."""
        jobs = {job.id: job async for job in client.jobs.list()}
        assert sorted(self.acknowledged.values()) == sorted(jobs)  # none twice, none that nobody has asked for
        states: dict[str, int] = {}
        for key, uid in self.acknowledged.items():
            order, job = self.orders[key], jobs[uid]
            assert job.state == ("cancelled" if key in self.cancelled else order.state), (key, job)
            states[job.state] = states.get(job.state, 0) + 1
            if isinstance(order.document, NewDownloads):
                await self._audit(client, order, job, downloads)
        self.look(downloads)
        return states

    async def _audit(self, client: Client, order: Order, job: Job, downloads: Path) -> None:
        """The job's items are what its files are, and its figures are theirs."""
        items = [item async for item in client.jobs.items(job.id)]
        assert isinstance(order.document, NewDownloads)
        assert [each.path for each in order.document.items] == [item.path for item in items]
        done = [item for item in items if item.state == "completed"]
        failed = [item for item in items if item.state == "failed"]
        assert (len(items), len(done), len(failed)) == (job.total, job.done, job.failed)
        assert sum(item.bytes or 0 for item in done) == job.bytes
        assert {item.number for item in failed} <= order.bad
        if job.state != "cancelled":
            assert len(items) == len(done) + len(failed)
            assert order.bad == {item.number for item in failed}
        for item in done:
            path = downloads / item.path
            assert (self.paths[item.path], path.stat().st_size) == (item.sha256, item.bytes)

    async def cancel(self, client: Client, key: str) -> None:
        """Cancel a job; one that has ended is left as it is."""
        try:
            await client.jobs.cancel(self.acknowledged[key])
        except ServerError as error:
            if error.status != 409:
                raise
        if "cancelled" == (await client.jobs.get(self.acknowledged[key])).state:
            self.cancelled.add(key)

    def orphans(self, downloads: Path) -> list[str]:
        """Return what was left of downloads but for those that were cancelled, and may be tried again."""
        documents = [self.orders[key].document for key in self.cancelled]
        items = [item for each in documents if isinstance(each, NewDownloads) for item in each.items]
        again = {downloads / str(item.path) for item in items}
        return [str(path) for path in temporaries(downloads) if _target(path) not in again]

    def units(self) -> Units:
        """Return what the last version of the repository has to have."""
        return frozenset(self.pool.units)


def _target(path: Path) -> Path:
    return path.with_name(path.name.removeprefix(".").removesuffix(PARTIAL).removesuffix(JOURNAL))


def finals(downloads: Path) -> Iterator[Path]:
    """Give the files that have the names they were asked for with."""
    for place, _, names in os.walk(downloads):
        for name in names:
            if not name.endswith((PARTIAL, JOURNAL)):
                yield Path(place, name)


def temporaries(downloads: Path) -> Iterator[Path]:
    """Give the other files, but for what is known of one beside it that can be revalidated."""
    for place, _, names in os.walk(downloads):
        for name in names:
            beside = name.endswith(JOURNAL) and name.removeprefix(".").removesuffix(JOURNAL) in names
            if name.endswith((PARTIAL, JOURNAL)) and not beside:
                yield Path(place, name)
