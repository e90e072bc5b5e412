"""A bucket of a real S3 server as storage, and what becomes of it when that server or the network fails."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, execute, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.fakes import result_of
from tests.integration.faults.memory import forget_peak, peak
from tests.servers.answers import status
from tests.servers.ceph import Ceph
from tests.servers.fixtures import StartFaulty, StartScripted
from tests.servers.forward import Forward
from tests.servers.programs import require
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted
from tests.servers.steps import Request, Step, Steps
from tests.unit.storage.contract import StorageContract, digest
from twisted_pulp.errors import StorageError, StorageRefused, StorageUnavailable
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage import ObjectStorage
from twisted_pulp.testing import SlowConsumer

LARGE = hashlib.shake_256(b"large").digest(20 << 20)
MANY = 1005


class TestObjectStorage(StorageContract):
    """The contract of storages."""

    @pytest.fixture(autouse=True)
    def _storage(self, ceph: Ceph, bucket: str, tmp_path: Path) -> Iterator[None]:
        url = ceph.url(f"{bucket}/some/prefix")
        self.storage = result_of(ObjectStorage.open(None, url, tmp_path / "storage", in_thread=execute))  # type: ignore[arg-type]
        yield
        result_of(self.storage.close())


@define(eq=False)
class Shop:
    """
    A bucket, reached by way of a server that can spoil what passes.

    :ivar plan: what is done with the requests that come next; with all others the S3 server is asked.
    """

    reactor: IReactor
    ceph: Ceph
    bucket: str
    between: Scripted
    spool: Path
    plan: list[Callable[[Request], Sequence[Step] | None]] = field(factory=list)
    opened: list[Any] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.between.default = self._steps

    def _steps(self, request: Request) -> Steps:
        for number, planned in enumerate(self.plan):
            steps = planned(request)
            if steps is not None:
                del self.plan[number]
                return tuple(steps)
        return (self.forward(request),)

    def forward(self, request: Request, **how: Any) -> Forward:
        """Return the step that asks the S3 server."""
        return Forward(self.reactor, self.ceph.port, request, **how)

    async def open(self, **options: object) -> Any:
        """Open the storage, without what may spoil it if the options name an endpoint of their own."""
        endpoint = str(options.pop("endpoint", self.between.url("").rstrip("/")))
        url = self.ceph.url(self.bucket, endpoint, **{"patience": 30, **options})
        self.opened.append(await ObjectStorage.open(self.reactor, url, self.spool))
        return self.opened[-1]

    async def store(self, storage: Any, *bodies: bytes) -> list[StorageError | None]:
        """Adopt files."""
        files = []
        for body in bodies:
            path = Path(storage.temporary(digest(body)))
            path.write_bytes(body)
            files.append(Adoption(str(path), digest(body), len(body)))
        found: list[StorageError | None] = await storage.adopt(files)
        return found


@async_yield_fixture
async def shop(
    reactor: IReactor, ceph: Ceph, bucket: str, start_scripted: StartScripted, tmp_path: Path
) -> AsyncIterator[Shop]:
    """A bucket that nobody has opened yet."""
    made = Shop(reactor, ceph, bucket, await start_scripted(), tmp_path / "spool")
    yield made
    for storage in made.opened:
        await storage.close()


def refused(code: int, name: str) -> Steps:
    """Return what S3 says when it does not want to."""
    return status(code, (), f"<Error><Code>{name}</Code><Message/></Error>".encode())


def puts(answer: Callable[[Request], Sequence[Step]]) -> Callable[[Request], Sequence[Step] | None]:
    """Plan *answer* for the next upload."""
    return lambda request: answer(request) if request.method == b"PUT" else None


def gets(answer: Callable[[Request], Sequence[Step]]) -> Callable[[Request], Sequence[Step] | None]:
    """Plan *answer* for the next time that an artifact is fetched."""
    return lambda request: answer(request) if request.method == b"GET" and b"/artifact/" in request.path else None


@ensureDeferred
async def test_row_53_slow_down(shop: Shop) -> None:
    """Row 53: a server that is too busy is asked again, later, until it takes the upload."""
    storage = await shop.open()
    shop.plan = [puts(lambda _: refused(503, "SlowDown"))] * 4
    assert [None] == await shop.store(storage, b"abc")
    assert ([], b"abc") == (shop.plan, await storage.read(digest(b"abc")))
    assert None is await storage.look()


@ensureDeferred
async def test_row_53_failed_and_done(shop: Shop) -> None:
    """Row 53: a server that did it and says 500 is asked again, and it is there once and whole."""
    storage = await shop.open()
    shop.plan = [puts(lambda request: (shop.forward(request, silent=True), *refused(500, "InternalError")))]
    assert [None] == await shop.store(storage, b"abc")
    assert [(digest(b"abc"), 3)] == [(sha256, size) async for sha256, size, _ in storage.each()]


@ensureDeferred
async def test_no_conditions(shop: Shop) -> None:
    """A server that knows no condition for uploads gets them without one, if nothing is there."""
    storage = await shop.open()

    def unknown(request: Request) -> Sequence[Step] | None:
        if request.header(b"if-none-match") is None:
            return None
        shop.plan.append(unknown)
        return refused(501, "NotImplemented")

    shop.plan = [unknown]
    assert [None] == await shop.store(storage, b"abc")
    before = len(shop.between.requests)
    assert [None] == await shop.store(storage, b"abc")
    again = [each.header(b"if-none-match") for each in shop.between.requests[before:] if each.method == b"PUT"]
    assert {b"*"} == set(again)
    assert b"abc" == await storage.read(digest(b"abc"))


CLOCK = """
import sys
from twisted.internet.defer import execute
from twisted_pulp.storage import ObjectStorage
d = ObjectStorage.open(None, sys.argv[1], sys.argv[2], in_thread=execute)
d.addErrback(lambda why: print(type(why.value).__name__, why.value))
"""


@ensureDeferred
async def test_row_53_wrong_clock(shop: Shop) -> None:
    """Row 53: where this machine's clock is wrong, the error says so."""
    url = shop.ceph.url(shop.bucket)
    command = [require("faketime"), "-f", "-1h", sys.executable, "-c", CLOCK, url, str(shop.spool)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = await deferToThread(subprocess.run, command, env=environment, capture_output=True, timeout=60, check=False)
    assert run.stdout.startswith(b"StorageRefused "), (run.stdout, run.stderr)
    assert b"RequestTimeTooSkewed, the clock of this machine is wrong" in run.stdout


def fetched(url: str) -> tuple[int, bytes]:
    """Return what a client gets."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


@ensureDeferred
async def test_row_53_expired(shop: Shop) -> None:
    """Row 53: a URL that was signed for a client is none any more after its time, and another can be had."""
    lasting, brief = await shop.open(redirect="true"), await shop.open(redirect="true", expires=1)
    assert [None] == await shop.store(lasting, b"abc")
    url = await brief.url(digest(b"abc"))
    until = shop.reactor.seconds() + 30
    while (got := await deferToThread(fetched, url))[0] == 200 and shop.reactor.seconds() < until:
        await deferLater(shop.reactor, 0.2)
    assert (403, b"") == got
    assert (200, b"abc") == await deferToThread(fetched, await lasting.url(digest(b"abc")))


@ensureDeferred
async def test_row_53_other_region(shop: Shop) -> None:
    """Row 53: a bucket that is elsewhere is an error at once, which says so."""
    storage = await shop.open()
    shop.plan = [lambda _: refused(301, "PermanentRedirect")]
    [error] = await shop.store(storage, b"abc")
    assert isinstance(error, StorageRefused)
    assert "another region" in str(error)
    assert None is await storage.look()  # it is asked again, and is well


@ensureDeferred
async def test_row_53_truncated(shop: Shop) -> None:
    """Row 53: a body that is cut short is gone on with where it ended, for whoever reads."""
    storage = await shop.open()
    assert [None] == await shop.store(storage, LARGE)
    shop.plan = [gets(lambda request: (shop.forward(request, most=5_000_000),)) for _ in range(2)]
    consumer = SlowConsumer(len(LARGE) * 2)
    assert len(LARGE) == await storage.produce(digest(LARGE), consumer)
    assert ([], True) == (shop.plan, LARGE == consumer.written)
    shop.plan = [gets(lambda request: (shop.forward(request, most=2_000_000),))]
    assert None is await storage.check(digest(LARGE), len(LARGE))
    assert [] == shop.plan


@ensureDeferred
async def test_row_53_parts(shop: Shop) -> None:
    """Row 53: what was uploaded in parts has no MD5 for an ETag, and is the artifact all the same."""
    storage = await shop.open()
    assert [None] == await shop.store(storage, LARGE)
    parts = [each for each in shop.between.requests if each.method == b"PUT"]
    assert [8 << 20, 8 << 20, 4 << 20] == [len(each.body) for each in parts]
    assert all(each.header(b"x-amz-checksum-sha256") for each in parts)
    assert {digest(LARGE)} == await storage.has([digest(LARGE)])
    assert None is await storage.check(digest(LARGE), len(LARGE))


@ensureDeferred
async def test_row_53_pages(shop: Shop, ceph: Ceph) -> None:
    """Row 53: more than fit a page of a listing are all listed, once, in order; foreign keys are left alone."""
    storage = await shop.open(endpoint=ceph.endpoint)
    bodies = [b"%d" % number for number in range(MANY)]
    assert [None] * MANY == await shop.store(storage, *bodies)
    strange = ["artifact/a+b %2F ü/x", "artifact/zz", "elsewhere/" + digest(b"x"), "artifact/00/ü" + "0" * 61]
    for key in strange:
        await deferToThread(storage._bucket._obstore.put, storage._bucket._store, key, b"?")
    found = [each async for each in storage.each()]
    assert sorted(map(digest, bodies)) == [sha256 for sha256, _, _ in found]
    assert MANY == await storage.remove([sha256 for sha256, _, _ in found])
    assert [] == [each async for each in storage.each()]
    left = await deferToThread(lambda: storage._bucket._obstore.list(storage._bucket._store).collect())
    assert sorted(strange) == sorted(each["path"] for each in left)


@ensureDeferred
async def test_row_53_aborted(shop: Shop) -> None:
    """Row 53: an upload that fails or is cancelled in the middle leaves nothing, no part either; its file stays."""
    storage = await shop.open(patience=1)
    seen: list[bytes] = []

    def second(request: Request) -> Sequence[Step] | None:
        if b"partNumber=2" not in request.target:
            return None
        shop.plan.append(second)  # again and again
        seen.append(request.target)
        return refused(500, "InternalError")

    shop.plan = [second]
    [error] = await shop.store(storage, LARGE)
    assert isinstance(error, StorageUnavailable)
    assert seen
    assert 0 == shop.ceph.uploads(shop.bucket)
    assert [] == [each async for each in storage.each()]
    assert [digest(LARGE)] == os.listdir(shop.spool / "tmp")

    began: Deferred[None] = Deferred()

    def first(request: Request) -> Sequence[Step] | None:
        if b"partNumber=1" not in request.target:
            return None
        began.callback(None)
        return (shop.forward(request),)

    shop.plan = [first]
    storing = Deferred.fromCoroutine(shop.store(storage, LARGE))
    await began
    storing.cancel()
    with pytest.raises(CancelledError):
        await storing
    assert 0 == shop.ceph.uploads(shop.bucket)
    assert [] == [each async for each in storage.each()]
    shop.plan.clear()
    assert [None] == await shop.store(storage, LARGE)


@pytest.mark.parametrize("down", ["paused", "refused"])
@pytest.mark.limit(600)
@ensureDeferred
async def test_row_54(
    shop: Shop, ceph: Ceph, start_faulty: StartFaulty, down: str, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 54: while the server is down, uploads wait in bounded memory and readers are told; then all go on."""
    count, seconds = campaign_count(60, 1000), campaign_count(1, 60)
    faulty = await start_faulty(ceph.port)
    storage = await shop.open(endpoint=faulty.url("").rstrip("/"), patience=300)
    bodies = [number.to_bytes(4, "big") * (16 << 10) for number in range(count)]
    assert [None] == await shop.store(storage, bodies[0])
    forget_peak()
    before = peak()
    shares = [bodies[start::4] for start in range(4)]
    storing = gatherResults([Deferred.fromCoroutine(shop.store(storage, *share)) for share in shares])
    if down == "paused":
        ceph.pause()
    else:
        await faulty.down()
    try:
        await deferLater(shop.reactor, seconds)
        assert not storing.called
        if down == "refused":
            assert "is out of reach" in str(await storage.look())
    finally:
        ceph.resume()
        faulty.up()
    assert [None] * count == [error for found in await storing for error in found]
    assert set(map(digest, bodies)) == await storage.has([digest(body) for body in bodies])
    assert peak() - before <= 64 << 20
    assert [] == os.listdir(shop.spool / "tmp")
    assert None is await storage.look()


@ensureDeferred
async def test_uploaded_while_it_grows(shop: Shop) -> None:
    """A large file's parts are at the store before its end; it appears when it is adopted, or leaves nothing."""
    storage = await shop.open()
    path = Path(storage.temporary("growing"))
    uploads: list[Deferred[None]] = []

    def noted(request: Request) -> Sequence[Step] | None:
        if b"partNumber=1" not in request.target:
            return None
        shop.plan.append(noted)
        uploads[-1].callback(None)
        return (shop.forward(request),)

    shop.plan = [noted]
    for well in (False, True):
        path.write_bytes(LARGE[: 9 << 20])
        uploads.append(Deferred())
        follower = storage.follow(str(path), digest(LARGE), len(LARGE))
        follower.grown(9 << 20)
        await uploads[-1]
        if not well:
            follower.cancel()
            await deferToThread(follower.join)
            assert (0, set()) == (shop.ceph.uploads(shop.bucket), await storage.has([digest(LARGE)]))
            continue
        with path.open("ab") as file:
            file.write(LARGE[9 << 20 :])
        follower.grown(len(LARGE))
        assert set() == await storage.has([digest(LARGE)])
        assert [None] == await storage.adopt([Adoption(str(path), digest(LARGE), len(LARGE))])
    parts = [each for each in shop.between.requests if b"partNumber=1&" in each.target + b"&" and each.method == b"PUT"]
    assert 2 == len(parts)
    assert None is await storage.check(digest(LARGE), len(LARGE))
    assert 0 == shop.ceph.uploads(shop.bucket)
