"""Many downloads as one Remote wants them; the agent is a fake."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.web.iweb import IAgent

from tests.contracts import DownloaderContract
from tests.fakes import Agent, Response, refusal, result_of
from tests.servers.reactor import IReactor
from twisted_pulp.context import Context
from twisted_pulp.download import Download, DownloadReport, Group, Source, Totals
from twisted_pulp.downloader._groups import _copied
from twisted_pulp.errors import (
    Cancelled,
    DigestMismatch,
    NotFound,
    PathError,
    SettingsError,
    SizeMismatch,
    StorageFull,
)
from twisted_pulp.settings import Limits, Remote
from twisted_pulp.transfer import Hooks, Memory, Place, Validator

BODY = b"0123456789"
SHA256 = hashlib.sha256(BODY).hexdigest()


class World(Agent):
    """An agent to whom every file is good but those called bad, and those called slow never end."""

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
        if b"slow" not in uri:
            url = uri.decode()
            self.answers = [refusal(404, url) if b"bad" in uri else Response(200, [BODY], length=10, url=uri)]
        return super().request(method, uri, headers, bodyProducer)


@pytest.fixture
def world() -> World:
    """A world of good files and bad ones."""
    return World()


def downloader_of(context: Context, world: World, **fields: Any) -> Any:
    """Return a downloader whose requests *world* answers."""
    made: Any = context.downloader(fields.pop("remote", None), **fields)
    made.agent = world
    return made


@pytest.fixture
def downloader(context: Context, world: World) -> Any:
    """A downloader whose requests the world answers."""
    return downloader_of(context, world)


class TestContract(DownloaderContract):
    """It keeps to what every downloader keeps to."""

    good, bad, body = "http://h/good", "http://h/bad", BODY

    @pytest.fixture(autouse=True)
    def _made(self, downloader: Any) -> None:
        self.downloader = downloader


def urls(count: int, name: str = "good") -> list[Download]:
    """Return as many downloads into memory."""
    return [Download(f"http://h/{name}{number}", writer=Memory(), attachment=number) for number in range(count)]


def test_fields(downloader: Any) -> None:
    """A URL and the fields of a Download are a Download."""
    memory = Memory()
    report = result_of(downloader.download("http://h/good", writer=memory, digests={"sha256": SHA256}))
    assert (BODY, True) == (memory.content, report.verified)
    with pytest.raises(SettingsError):
        downloader.download("http://h/good", size=-1)


def test_private_file(downloader: Any) -> None:
    """Without a path or writer a private file is made, which is gone after the close unless it was taken."""
    first, second = (result_of(downloader.download("http://h/good")) for _ in range(2))
    assert (BODY, BODY) == (Path(first.path).read_bytes(), Path(second.path).read_bytes())
    assert 0o700 == os.stat(os.path.dirname(first.path)).st_mode & 0o777
    taken = first.path + ".taken"
    moved = os.path.join(os.path.dirname(os.path.dirname(taken)), "taken")
    os.rename(first.path, moved)
    result_of(downloader.close())
    assert (True, False) == (os.path.exists(moved), os.path.exists(os.path.dirname(first.path)))
    os.unlink(moved)


def test_directory(context: Context, world: World, tmp_path: Path) -> None:
    """With a directory, paths are relative to it, and none leads out of it."""
    downloader = downloader_of(context, world, directory=str(tmp_path / "d"))
    report = result_of(downloader.download("http://h/good", path="a/b"))
    assert (str(tmp_path / "d/a/b"), BODY) == (report.path, (tmp_path / "d/a/b").read_bytes())
    with pytest.raises(PathError):
        result_of(downloader.download("http://h/good", path="../b"))
    assert 1 == len(world.asked)


def test_put(context: Context, world: World, tmp_path: Path) -> None:
    """Small files go where they are put once they are proven, and what fails there fails the download."""
    told: list[tuple[str, bytes]] = []

    def put(sha256: str, data: bytes) -> str:
        told.append((sha256, data))
        if len(told) > 1:
            raise StorageFull(detail="no room")
        return "/elsewhere"

    downloader = downloader_of(context, world, directory=str(tmp_path), put=put)
    for digest in ("0" * 64, SHA256):
        report = downloader.download("http://h/good", path="a", digests={"sha256": digest})
        if digest != SHA256:
            with pytest.raises(DigestMismatch):
                result_of(report)
        else:
            assert "/elsewhere" == result_of(report).path
    assert [(SHA256, BODY)] == told
    with pytest.raises(StorageFull):
        result_of(downloader.download("http://h/good", path="a"))
    assert [] == os.listdir(tmp_path)


def test_one_path_twice(downloader: Any, world: World, tmp_path: Path) -> None:
    """Two downloads at once for one path are an error; one after the other they are not."""
    path = tmp_path / "file"
    first = downloader.download("http://h/slow", path=path)
    with pytest.raises(PathError, match="two downloads want"):
        result_of(downloader.download("http://h/good", path=path))
    world.waiting[0].callback(Response(200, [b"slow"], length=4))
    result_of(first)
    assert BODY == Path(result_of(downloader.download("http://h/good", path=path)).path).read_bytes()


def test_path_free_again(downloader: Any, tmp_path: Path) -> None:
    """A download that was cancelled leaves its path to others."""
    path = tmp_path / "file"
    first = downloader.download("http://h/slow", path=path)
    first.cancel()
    with pytest.raises(Cancelled):
        result_of(first)
    assert None is result_of(downloader.download("http://h/good", path=path)).error


def test_force(context: Context, world: World, tmp_path: Path) -> None:
    """A file that is present is fetched again only on request."""
    path = tmp_path / "file"
    wanted = Download("http://h/good", path, digests={"sha256": SHA256})
    for force, present in ((False, False), (False, True), (True, False)):
        assert present is result_of(downloader_of(context, world, force=force).download(wanted)).present


@ensureDeferred
async def test_hooks(context: Context, world: World, tmp_path: Path) -> None:
    """Hooks of a downloader see all of its downloads."""
    seen: list[Any] = []
    hooks = Hooks(done=seen.append, validators=[Validator(lambda report: seen.append(report.path))])
    downloader = downloader_of(context, world, hooks=hooks)
    report = await downloader.download("http://h/good", path=tmp_path / "file")
    assert [report] == seen[1:]
    assert seen[0] != report.path
    assert None is not (await downloader.download("http://h/good")).path


def test_agent(context: Context, world: World) -> None:
    """The agent may be replaced for one downloader; sources with a Remote of their own keep theirs."""
    plain: Any = context.downloader(Remote())
    assert IAgent.providedBy(plain.agent)
    assert plain.pool is context.pool
    plain.agent = world
    assert plain.agent is world
    report = result_of(plain.download([Source("http://h/bad"), Source("http://h/good")]))
    assert 2 == len(report.attempts)
    with pytest.raises(SettingsError):
        result_of(plain.download(Source("gopher://h/good", remote=Remote())))


def test_http(downloader: Any) -> None:
    """A treq client is there for metadata, and always the same."""
    assert downloader.http is downloader.http


# Heads


def test_head(downloader: Any, world: World) -> None:
    """Headers without a body are asked for with HEAD."""
    report = result_of(downloader.head("http://joe:pw@h/good"))
    assert ([b"HEAD"], 200, "http://h/good", None, None) == (
        world.methods,
        report.status,
        report.final_url,
        report.size,
        report.path,
    )
    assert {"authorization": "Basic am9lOnB3"} == world.asked[0][1]


def test_head_size(context: Context) -> None:
    """The length that is announced is the size."""
    agent = Agent(Response(200, [], [(b"Content-Length", b"5")], length=5, url=b"http://h/f"))
    downloader: Any = context.downloader()
    downloader.agent = agent
    report = result_of(downloader.head(Download("http://h/f", headers={"X-A": "1"}, attachment=7)))
    assert (5, 7, {"x-a": "1"}) == (report.size, report.attachment, agent.asked[0][1])


def test_head_elsewhere(downloader: Any, world: World) -> None:
    """Headers of a download go to the origin of its first source, and to no other (C1)."""
    wanted = Download(["http://h/bad", "http://other/good"], headers={"X-A": "S3CR3T", "Accept": "text/plain"})
    result_of(downloader.head(wanted))
    assert [{"x-a": "S3CR3T", "accept": "text/plain"}, {"accept": "text/plain"}] == [each[1] for each in world.asked]


def test_head_fails(downloader: Any) -> None:
    """Sources are asked in turn, and the last one's error is raised with the report."""
    found = result_of(downloader.head(Download(["http://h/bad", "http://h/good"])))
    assert ("http://h/good", 2) == (found.source.url, len(found.attempts))
    with pytest.raises(NotFound) as caught:
        result_of(downloader.head("http://h/bad"))
    assert [404] == [each.error.status for each in caught.value.report.attempts]  # type: ignore[attr-defined]


# Many


@ensureDeferred
async def test_lazy(downloader: Any, world: World) -> None:
    """Never more are pulled than are in flight or wait to be taken."""
    pulled = 0

    def endless() -> Iterator[Download]:
        nonlocal pulled
        while True:
            pulled += 1
            yield urls(1)[0]

    taken = 0
    async for _ in downloader.download_all(endless(), 4):
        taken += 1
        assert pulled <= taken + 4
        if taken == 200:
            break
    assert 200 == taken


@ensureDeferred
async def test_as_they_come(downloader: Any, world: World) -> None:
    """Reports come in order of completion, not of asking."""
    wanted = [Download("http://h/slow", writer=Memory(), attachment="slow"), *urls(3)]
    found = []
    async for report in downloader.download_all(wanted, 2):
        found.append(report.attachment)
        if len(found) == 3:
            world.waiting[0].callback(Response(200, [BODY], length=10))
    assert [0, 1, 2, "slow"] == found


class AtOnce:
    """Downloads of which some are there at once, and the others are waited for."""

    def __init__(self, steps: str) -> None:
        self.steps, self.given = list(steps), ""

    def at_once(self) -> Download | None:
        if not self.steps or self.steps[0] != "o":
            return None
        self.given += self.steps.pop(0)
        return urls(1)[0]

    def __aiter__(self) -> AtOnce:
        return self

    async def __anext__(self) -> Download:
        if not self.steps:
            raise StopAsyncIteration
        self.given += self.steps.pop(0)
        return urls(1)[0]


@pytest.mark.parametrize("concurrency", [1, 3])
@ensureDeferred
async def test_items_at_once(downloader: Any, concurrency: int) -> None:
    """What is there at once is not waited for, and everything comes."""
    items, reports = AtOnce("ooWoWWoo"), []
    totals = await downloader.download_each(items, reports.append, concurrency)
    assert (8, 8, "ooWoWWoo") == (totals.succeeded, len(reports), items.given)


@ensureDeferred
async def test_async_items(downloader: Any) -> None:
    """Downloads may come from an asynchronous generator, which is closed in the end."""
    ends: list[str] = []

    async def items() -> AsyncIterator[Download]:
        try:
            for wanted in urls(10):
                yield wanted
        finally:
            ends.append("closed")

    found = [report.attachment async for report in downloader.download_all(items(), 3)]
    assert (list(range(10)), ["closed"]) == (sorted(found), ends)


@ensureDeferred
async def test_left(downloader: Any, world: World, reactor: IReactor) -> None:
    """Leaving the loop ends everything that is going on."""
    slow = [Download(f"http://h/slow{n}", writer=Memory()) for n in range(5)]
    async for _ in downloader.download_all([*urls(1), *slow], 3):
        break
    await deferLater(reactor, 0)
    assert all(d.called for d in world.waiting)
    for d in world.waiting:
        d.addErrback(lambda why: why.trap(CancelledError))


@ensureDeferred
async def test_consumer_raises(downloader: Any, world: World, reactor: IReactor) -> None:
    """So does an exception in the loop."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 -- leaving the loop is the subject
        async for _ in downloader.download_all([*urls(1), Download("http://h/slow", writer=Memory())], 2):
            raise ZeroDivisionError
    await deferLater(reactor, 0)
    assert all(d.called for d in world.waiting)


@ensureDeferred
async def test_closed_early(downloader: Any, world: World) -> None:
    """An iterator can be closed, before and in the middle, and waits for the end."""
    await downloader.download_all(urls(1)).aclose()
    results = downloader.download_all([*urls(1), Download("http://h/slow", writer=Memory())], 2)
    assert 0 == (await anext(results)).attachment
    await results.aclose()
    assert all(d.called for d in world.waiting)
    await results.aclose()


@pytest.mark.parametrize("kind", ["each", "all"])
@ensureDeferred
async def test_iterable_raises(downloader: Any, world: World, kind: str) -> None:
    """What the iterable raises ends everything and is raised."""

    def broken() -> Iterator[Download]:
        yield Download("http://h/slow", writer=Memory())
        yield urls(1)[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 -- both ways to go through them
        if kind == "each":
            await downloader.download_each(broken(), lambda report: None, 2)
        else:
            async for _ in downloader.download_all(broken(), 2):
                pass
    assert all(d.called for d in world.waiting)


@ensureDeferred
async def test_callback_raises(downloader: Any, world: World) -> None:
    """What a callback raises ends everything and is raised."""

    def broken(report: DownloadReport) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await downloader.download_each([Download("http://h/slow", writer=Memory()), *urls(9)], broken, 2)
    assert all(d.called for d in world.waiting)


@ensureDeferred
async def test_callback_waits(downloader: Any, reactor: IReactor) -> None:
    """A callback's Deferred, or coroutine, is waited for before the next item is pulled."""
    busy = most = 0

    async def callback(report: DownloadReport) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await deferLater(reactor, 0)
        busy -= 1

    assert Totals(succeeded=10, bytes=100) == await downloader.download_each(urls(10), callback, 3)
    assert 3 == most


@ensureDeferred
async def test_fail_fast(downloader: Any, world: World) -> None:
    """On request the first failure is raised, with its report, and ends the others."""
    seen: list[DownloadReport] = []
    wanted = [Download("http://h/slow", writer=Memory()), Download("http://h/bad"), *urls(5)]
    with pytest.raises(NotFound):
        await downloader.download_each(wanted, seen.append, 2, fail_fast=True)
    assert [NotFound] == [type(report.error) for report in seen]
    assert all(d.called for d in world.waiting)


@ensureDeferred
async def test_many_at_once(downloader: Any, reactor: IReactor) -> None:
    """Downloads that need no waiting let the reactor have its turn."""
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    async for report in downloader.download_all(urls(300), 1):
        if report.attachment == 0:
            reactor.callLater(0, turn)  # type: ignore[attr-defined]
        if turns:
            break
    assert 1 == turns
    assert report.attachment < 299


def test_cancelled(downloader: Any, world: World) -> None:
    """To cancel the Deferred of many cancels all of them."""
    d = downloader.download_each([Download(f"http://h/slow{n}", writer=Memory()) for n in range(9)], lambda _: None, 3)
    assert 3 == len(world.waiting)
    d.cancel()
    with pytest.raises(CancelledError):
        result_of(d)
    assert (3, True) == (len(world.waiting), all(each.called for each in world.waiting))


def test_many_cancelled(downloader: Any, world: World) -> None:
    """However many are cancelled at once, all of them end."""
    wanted = [Download(f"http://h/slow{n}", writer=Memory()) for n in range(500)]
    d = downloader.download_each(wanted, lambda _: None, 500)
    assert 500 == len(world.waiting)
    d.cancel()
    with pytest.raises(CancelledError):
        result_of(d)
    assert all(each.called for each in world.waiting)


def test_many_pulled(downloader: Any, world: World) -> None:
    """An asynchronous iterable that has everything at once does not let workers pile up."""

    async def wanted() -> AsyncIterator[Download]:
        for number in range(600):
            yield Download(f"http://h/slow{number}", writer=Memory())

    d = downloader.download_each(wanted(), lambda _: None, 500)
    assert 500 == len(world.waiting)
    d.cancel()
    with pytest.raises(CancelledError):
        result_of(d)
    assert (500, True) == (len(world.waiting), all(each.called for each in world.waiting))


def test_many_that_wait(downloader: Any, world: World) -> None:
    """Those that wait for an item end, too, however many they are, and so does the iterable."""
    ended: list[bool] = []

    async def wanted() -> AsyncIterator[Download]:
        try:
            await Deferred()
        finally:
            ended.append(True)
        yield Download("http://h/f")

    d = downloader.download_each(wanted(), lambda _: None, 500)
    d.cancel()
    with pytest.raises(CancelledError):
        result_of(d)
    assert [True] == ended


def test_close(downloader: Any, world: World, context: Context) -> None:
    """A close ends what is going on, one by one and in crowds, and waits for that."""
    single = downloader.download("http://h/slow", writer=Memory())
    seen: list[DownloadReport] = []
    many = downloader.download_each([Download(f"http://h/slow{n}", writer=Memory()) for n in range(9)], seen.append, 3)
    result_of(downloader.close())
    with pytest.raises(Cancelled):
        result_of(single)
    many.addErrback(lambda why: why.trap(CancelledError))
    assert (True, 4) == (all(each.called for each in world.waiting), len(world.waiting))
    assert "0 downloaders" in repr(context)


# Groups


@ensureDeferred
async def test_groups(downloader: Any, world: World) -> None:
    """A group comes when it is finished, with its reports in their order."""
    groups = [
        Group("slow", [Download("http://h/slow", writer=Memory())]),
        Group("mixed", [Download("http://h/bad", attachment=0), *urls(2)[1:]]),
        Group("empty", []),
    ]
    found = []
    async for group, reports in downloader.download_groups(groups, 2):
        found.append((group.id, [report.attachment for report in reports]))
        if len(found) == 2:
            world.waiting[0].callback(Response(200, [BODY], length=10))
    assert [("mixed", [0, 1]), ("empty", []), ("slow", [None])] == found


@pytest.mark.parametrize("concurrency", [1, 4])
@ensureDeferred
async def test_shared_url(downloader: Any, world: World, tmp_path: Path, concurrency: int) -> None:
    """A URL that several groups want is fetched once, and is where each wants it."""
    groups = [
        Group(n, [Download("http://h/good", tmp_path / f"{n}/file", digests={"sha256": SHA256}, attachment=n)])
        for n in range(4)
    ]
    found = {group.id: reports[0] async for group, reports in downloader.download_groups(groups, concurrency)}
    assert 1 == len(world.asked)
    for n in range(4):
        assert (n, str(tmp_path / f"{n}/file"), None) == (found[n].attachment, found[n].path, found[n].error)
        assert BODY == (tmp_path / f"{n}/file").read_bytes()


@ensureDeferred
async def test_shared_in_directory(context: Context, world: World, tmp_path: Path) -> None:
    """A copy for another group stays below the directory too."""
    downloader = downloader_of(context, world, directory=str(tmp_path / "root"))
    paths = {"first": "a/file", "second": "b/file", "same": "a/file", "evil": "../file"}
    groups = [Group(name, [Download("http://h/good", path)]) for name, path in paths.items()]
    found = {group.id: reports[0] async for group, reports in downloader.download_groups(groups, 1)}
    assert (BODY, BODY) == ((tmp_path / "root/a/file").read_bytes(), (tmp_path / "root/b/file").read_bytes())
    assert str(tmp_path / "root/b/file") == found["second"].path
    assert str(tmp_path / "root/a/file") == found["same"].path
    assert (PathError, None, ["root"]) == (type(found["evil"].error), found["evil"].path, os.listdir(tmp_path))


@ensureDeferred
async def test_not_quite_shared(downloader: Any, world: World) -> None:
    """A URL of which other things are expected is fetched for itself."""
    groups = [Group(size, [Download("http://h/good", size=size)]) for size in (10, 11, None)]
    found = {group.id: reports[0].error async for group, reports in downloader.download_groups(groups, 1)}
    assert ([None, SizeMismatch, None], 4) == (
        [None if error is None else type(error) for error in found.values()],
        len(world.asked),
    )


def test_copied_where_links_are_not(tmp_path: Path) -> None:
    """Without hard links the file is copied."""
    (tmp_path / "file").write_bytes(BODY)

    class Linkless(Place):
        def link_from(self, source: str, symbolic: bool) -> None:
            raise OSError

    _copied(str(tmp_path / "file"), Linkless(str(tmp_path), "copy"))
    assert BODY == (tmp_path / "copy").read_bytes()
    assert ["copy", "file"] == sorted(os.listdir(tmp_path))


@ensureDeferred
async def test_shared_while_it_comes(downloader: Any, world: World, tmp_path: Path) -> None:
    """Who wants what is being fetched waits for it, and shares its failure."""
    groups = [Group(n, [Download("http://h/slow", tmp_path / str(n))]) for n in range(3)]
    results = downloader.download_groups(groups, 3)
    first = Deferred.fromCoroutine(anext(results))
    assert 1 == len(world.waiting)
    world.waiting[0].errback(refusal(404))
    found = [await first, await anext(results), await anext(results)]
    assert [NotFound] * 3 == [type(reports[0].error) for _, reports in found]
    assert [None] * 3 == [reports[0].path for _, reports in found]


@ensureDeferred
async def test_writers_not_shared(downloader: Any, world: World) -> None:
    """A writer always gets its own bytes."""
    writers = [Memory(), Memory()]
    groups = [Group(n, [Download("http://h/good", writer=writer)]) for n, writer in enumerate(writers)]
    async for _ in downloader.download_groups(groups):
        pass
    assert ([BODY, BODY], 2) == ([writer.content for writer in writers], len(world.asked))


@ensureDeferred
async def test_shared_but_not_there(downloader: Any, world: World, tmp_path: Path) -> None:
    """A file that cannot be put where a group wants it fails for that group only."""
    (tmp_path / "in the way").write_bytes(b"")
    groups = [
        Group("good", [Download("http://h/good", tmp_path / "file")]),
        Group("bad", [Download("http://h/good", tmp_path / "in the way/file")]),
    ]
    found = {group.id: reports[0] async for group, reports in downloader.download_groups(groups, 1)}
    assert (None, None) == (found["good"].error, found["bad"].path)
    assert "in the way" in str(found["bad"].error)


# Contexts


@pytest.mark.parametrize("fields", [{"connections": 0}, {"per_host": 0}, {"connections": 1.5}, {"per_host": None}])
def test_bad_caps(reactor: IReactor, fields: dict[str, Any]) -> None:
    """A cap is a whole number from 1."""
    with pytest.raises(SettingsError):
        Context(reactor, **fields)


def test_agents(context: Context) -> None:
    """A Remote has one agent, shared by all who use it."""
    remote, other = Remote(limits=Limits(connections=2, max_size=None)), Remote()
    assert context.agent(remote) is context.agent(remote)
    assert context.agent(remote) is not context.agent(other)
    assert context.metadata_agent(remote) is not context.agent(remote)


def test_unknown_scheme(context: Context) -> None:
    """A scheme that nobody registered cannot be fetched."""
    with pytest.raises(SettingsError, match="scheme"):
        result_of(context.downloader().download("gopher://h/f", writer=Memory()))


def test_context_closes(reactor: IReactor, world: World) -> None:
    """A context that is closed has closed its downloaders."""
    context = Context(reactor)
    downloader = downloader_of(context, world)
    running = downloader.download("http://h/slow", writer=Memory())
    result_of(context.close())
    with pytest.raises(Cancelled):
        result_of(running)
    with pytest.raises(Cancelled):
        result_of(downloader.download("http://h/good"))
