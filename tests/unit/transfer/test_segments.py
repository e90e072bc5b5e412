"""One file in several requests; the test decides what comes when."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost as Lost
from twisted.web._newclient import PotentialDataLoss  # type: ignore[attr-defined]
from twisted.web.http_headers import Headers

from tests.fakes import Response, Threads, refusal, result_of
from tests.leaks import LoggedErrors
from tests.unit.transfer.test_transfer import URL, World
from twisted_pulp.download import Download, DownloadReport, Pieces, Source
from twisted_pulp.errors import (
    Cancelled,
    ConnectionLost,
    DigestMismatch,
    HookError,
    HTTPStatusError,
    ResumeRefused,
    SizeMismatch,
    Truncated,
    WriterError,
)
from twisted_pulp.settings import Limits, Remote, Retry
from twisted_pulp.transfer import Hooks, _partial
from twisted_pulp.transfer._partial import Partial

KIB = 1 << 10
BODY = hashlib.shake_256(b"body").digest(1 << 20)
SIZE = len(BODY)
SHA256 = hashlib.sha256(BODY).hexdigest()
EXPECTED: dict[str, Any] = {"digests": {"sha256": SHA256}, "size": SIZE}
FOUR = Remote(limits=Limits(segments=4, segment_size=64 * KIB))
OTHER = "http://other/f"
PIECE = SIZE // 8
PIECES = Pieces(PIECE, "sha256", [hashlib.sha256(BODY[at : at + PIECE]).hexdigest() for at in range(0, SIZE, PIECE)])


class Part:
    """One request, and its response."""

    def __init__(self, body: bytes, url: str, wanted: str | None, etag: bytes) -> None:
        self.body, self.url, self.wanted = body, url, wanted
        fields = [(b"Accept-Ranges", b"bytes"), (b"ETag", etag)]
        self.at, self.end, code = 0, len(body), 200
        if wanted is not None:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            self.at, self.end, code = int(first), int(last or len(body) - 1) + 1, 206
            fields.append((b"Content-Range", b"bytes %d-%d/%d" % (self.at, self.end - 1, len(body))))
        self.start = self.at
        self.response = Response(code, [], fields, length=self.end - self.at, end=None, url=url.encode())

    def send(self, size: int) -> None:
        """Let *size* bytes come, or as many as are left or wanted."""
        while size and not self.response.stopped and self.at < self.end:
            data = self.body[self.at : min(self.end, self.at + min(size, 16 * KIB))]
            self.at += len(data)
            size -= len(data)
            self.response.send(data)
        if self.at == self.end and self.response.taken:
            self.response.end()

    def cut(self) -> None:
        """Break off."""
        self.response.end(Lost())


class Site:
    """
    Answers requests with parts.

    :ivar refusals: errors and answers that come first, for a URL.
    :ivar silent: whether requests wait.
    """

    def __init__(self, world: World, body: bytes = BODY) -> None:
        self.world, self.body = world, body
        self.bodies: dict[str, bytes] = {}
        self.refusals: dict[str, list[Any]] = {}
        self.parts: list[Part] = []
        self.silent = False
        self.etag = b'"v1"'
        world.agent.answers = [self] * 100
        world.remote = FOUR

    def __call__(self, uri: bytes, headers: Headers) -> Any:
        url = uri.decode()
        if self.refusals.get(url):
            return self.refusals[url].pop(0)
        wanted = headers.getRawHeaders("Range")
        part = Part(self.bodies.get(url, self.body), url, wanted[0] if wanted else None, self.etag)
        self.parts.append(part)
        return part.response

    def finish(self, done: list[Any]) -> None:
        """Let everything come that is asked for."""
        for _ in range(1000):
            if done:
                return
            live = [part for part in self.parts if part.response.taken and not part.response.stopped]
            for part in live:
                part.send(64 * KIB)
            if not live:
                self.world.shared.reactor.advance(1)
        raise AssertionError("it does not end")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which nothing has happened."""
    return World(tmp_path)


@pytest.fixture
def site(world: World) -> Site:
    """What is asked."""
    return Site(world)


def begun(world: World, sources: Any = URL, **fields: Any) -> tuple[Deferred[DownloadReport], list[DownloadReport]]:
    """Begin a download; return its Deferred, and where its report will be."""
    found: list[DownloadReport] = []
    d = world.start(sources, **{**EXPECTED, **fields})
    d.addCallback(found.append)
    return d, found


def ended(world: World, d: Deferred[Any]) -> None:
    """Check that nothing is left of a download."""
    result_of(d)
    world.shared.watch.stop()
    assert [] == world.shared.reactor.getDelayedCalls()
    assert 0 == world.shared.threads.active


def tidy(world: World) -> None:
    """Remove what was kept to be resumed."""
    for path in world.path.parent.iterdir():
        path.unlink()


def asked(site: Site) -> list[str | None]:
    """Return the ranges that were asked for."""
    return [part.wanted for part in site.parts]


def test_two_at_once(world: World, site: Site) -> None:
    """The second half is asked for with the first head; the first stream is stopped where it begins."""
    d, found = begun(world)
    half = SIZE // 2
    assert [None, f"bytes={half}-{SIZE - 1}"] == asked(site)
    assert '"v1"' == world.agent.asked[1][1]["if-range"]
    site.parts[1].send(SIZE)
    first = site.parts[0]
    first.send(SIZE)
    assert (True, False) == (first.response.stopped, site.parts[1].response.stopped)
    site.finish(found)
    ended(world, d)
    report = found[0]
    assert (None, BODY, True, {"sha256": SHA256}) == (report.error, world.content, report.verified, report.digests)
    assert report.source is report.attempts[0].source
    assert [200, 206] == [attempt.status for attempt in report.attempts][:2]
    assert [] == [attempt.error for attempt in report.attempts if attempt.error is not None]
    assert ["file"] == [path.name for path in world.path.parent.iterdir()]


def test_more_while_it_helps(world: World, site: Site) -> None:
    """After a second in which bytes came there are more, until more do not help."""
    world.remote = evolve(FOUR, limits=Limits(segments=8, segment_size=64 * KIB))
    d, found = begun(world)
    for part in site.parts:
        part.send(16 * KIB)
    world.shared.reactor.advance(1)
    assert 4 == len(site.parts)
    for part in site.parts:
        part.send(8 * KIB)
    world.shared.reactor.advance(1)
    for part in site.parts:
        part.send(32 * KIB)
    world.shared.reactor.advance(1)
    assert 4 == len(site.parts)
    site.finish(found)
    ended(world, d)


def test_no_judgement_while_one_waits(world: World, site: Site) -> None:
    """As long as a request has no answer nothing is known about what it brings."""
    world.remote = evolve(FOUR, limits=Limits(segments=8, segment_size=64 * KIB))
    d, found = begun(world)
    world.agent.answers = []
    for _ in range(4):
        for part in site.parts:
            part.send(64 * KIB)
        world.shared.reactor.advance(1)
    assert 4 == len(world.agent.asked)
    d.cancel()
    ended(world, d)
    assert Cancelled is type(found[0].error)
    tidy(world)


@pytest.mark.parametrize("whole", [True, False])
def test_not_large(world: World, site: Site, whole: bool) -> None:
    """Two segments are the least."""
    site.body = BODY[: 128 * KIB - (0 if whole else 1)]
    d, found = begun(world, size=None, digests={})
    assert (2 if whole else 1) == len(site.parts)
    site.finish(found)
    ended(world, d)
    assert site.body == world.content
    (world.path.parent / ".file.pulp-journal").unlink(missing_ok=True)


def test_breaks_off(world: World, site: Site) -> None:
    """A range that breaks off goes on at the next source at once; the others do not notice."""
    d, found = begun(world, [URL, OTHER])
    second = site.parts[1]
    assert OTHER == second.url
    second.send(48 * KIB)
    second.cut()
    third = site.parts[2]
    assert (URL, f"bytes={second.at}-{SIZE - 1}") == (third.url, third.wanted)
    site.finish(found)
    ended(world, d)
    assert ([None, ConnectionLost], BODY) == (
        [each.error and type(each.error) for each in found[0].attempts[:2]],
        world.content,
    )


def test_waits_its_turn(world: World, site: Site) -> None:
    """With one source it waits before it goes on, and what it had may be taken by others."""
    d, found = begun(world)
    site.parts[1].cut()
    assert 2 == len(site.parts)
    assert SIZE == site.parts[0].end
    world.shared.reactor.advance(1)
    assert 3 == len(site.parts)
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_gives_up_one(world: World, site: Site) -> None:
    """Who fails again and again is given up, and the file comes all the same."""
    d, found = begun(world)
    site.refusals[URL] = [refusal(500) for _ in range(10)]
    site.parts[1].cut()
    for _ in range(30):
        world.shared.reactor.advance(1)
    assert 7 == len(site.refusals[URL])
    site.finish(found)
    ended(world, d)
    assert [200, 206, 500, 500, 500] == [attempt.status for attempt in found[0].attempts]


def test_asked_to_wait(world: World, site: Site) -> None:
    """A server that has too many requests gets one less, and the others bring the rest."""
    site.refusals[OTHER] = []
    d, found = begun(world)
    site.refusals[URL] = [refusal(429, retry_after="20"), refusal(503)]
    site.parts[1].cut()
    world.shared.reactor.advance(1)
    assert 1 == len(site.refusals[URL])
    assert 20 == world.shared.health.paused(Source(URL))
    for _ in range(30):
        world.shared.reactor.advance(1)
    assert (1, SIZE) == (len(site.refusals[URL]), site.parts[0].end)
    site.finish(found)
    ended(world, d)
    assert ([200, 206, 429], BODY) == ([attempt.status for attempt in found[0].attempts], world.content)


def test_all_fail(world: World, site: Site) -> None:
    """When the last one fails, the attempt has failed; the next goes on with what is missing."""
    d, found = begun(world)
    site.parts[1].send(100 * KIB)
    site.parts[0].send(50 * KIB)
    site.parts[1].cut()
    site.parts[0].cut()
    world.shared.reactor.advance(1)
    again = site.parts[2]
    assert f"bytes={50 * KIB}-{SIZE // 2 - 1}" == again.wanted
    assert f"bytes={SIZE // 2 + 100 * KIB}-{SIZE - 1}" == site.parts[3].wanted
    site.finish(found)
    ended(world, d)
    assert (BODY, [ConnectionLost, ConnectionLost]) == (
        world.content,
        [type(each.error) for each in found[0].attempts if each.error is not None],
    )


def test_final(world: World, site: Site) -> None:
    """An error after which nothing helps ends all, once nobody goes on."""
    d, found = begun(world)
    site.parts[1].cut()
    site.refusals[URL] = [refusal(404)]
    site.parts[0].cut()
    world.shared.reactor.advance(1)
    for _ in range(10):
        world.shared.reactor.advance(1)
    ended(world, d)
    assert isinstance(found[0].error, HTTPStatusError)
    assert [] == list(world.path.parent.iterdir())


def test_blamed(world: World, site: Site) -> None:
    """The source that failed last is the one that is not asked next."""
    world.remote = evolve(FOUR, retry=Retry(retries=3))
    d, found = begun(world, [URL, OTHER])
    site.refusals[URL] = [refusal(404), refusal(404)]
    site.parts[0].cut()  # goes to OTHER
    live = [part for part in site.parts if part.response.taken]
    assert {OTHER} == {part.url for part in live}
    for part in live:
        part.cut()
    site.finish(found)
    ended(world, d)
    assert (None, BODY) == (found[0].error, world.content)


@pytest.mark.parametrize("end", [PotentialDataLoss(), None], ids=["no end", "done"])
def test_too_short(world: World, site: Site, end: BaseException | None) -> None:
    """A range with too few bytes is a range cut short."""
    d, found = begun(world)
    second = site.parts[1]
    second.send(1000)
    if end is None:
        second.response.end()
    else:
        second.response.end(end)
    world.shared.reactor.advance(1)
    site.finish(found)
    ended(world, d)
    error = found[0].attempts[1].error
    assert isinstance(error, Truncated)
    assert SIZE == error.expected


def test_too_long(world: World, site: Site) -> None:
    """Bytes behind what was asked for are not taken."""
    d, found = begun(world)
    second = site.parts[1]
    second.response.send(BODY[SIZE // 2 :])
    second.response.send(b"more")
    assert second.response.stopped
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


@pytest.mark.parametrize(
    "answer",
    [
        lambda: refusal(416),
        lambda: Response(200, [], [], length=SIZE, end=None),
        lambda: Response(206, [], [], length=SIZE // 2, end=None),
        lambda: Response(206, [], [(b"Content-Range", b"bytes 0-5/6")], length=6, end=None),
        lambda: Response(
            206, [], [(b"Content-Range", b"bytes %d-%d/%d" % (SIZE // 2, SIZE - 1, SIZE + 1))], length=5, end=None
        ),
        lambda: Response(
            206,
            [],
            [(b"Content-Range", b"bytes %d-%d/%d" % (SIZE // 2, SIZE - 1, SIZE)), (b"ETag", b'"v2"')],
            length=SIZE // 2,
            end=None,
        ),
    ],
    ids=["416", "200", "no range", "another", "another size", "another version"],
)
def test_refused(world: World, site: Site, answer: Any) -> None:
    """Where a range is refused, the first stream goes on to the end, and nobody asks again."""
    world.agent.answers = [site, lambda *_: answer(), *([site] * 50)]
    d, found = begun(world)
    assert [None] == asked(site)
    for _ in range(3):
        site.parts[0].send(1000)
        world.shared.reactor.advance(1)
    site.finish(found)
    ended(world, d)
    assert ([None], BODY, SIZE) == (asked(site), world.content, found[0].attempts[0].bytes)
    assert ResumeRefused is type(found[0].attempts[1].error)


def test_refused_late(world: World, site: Site) -> None:
    """When what is missing can be had in no other way, everything is fetched again, in one stream."""
    d, found = begun(world)
    site.parts[1].send(1000)
    site.etag = b'"v2"'
    site.parts[1].cut()
    site.parts[0].send(SIZE)
    world.agent.answers = [lambda *_: Response(200, [], [], length=SIZE, end=None), *([site] * 50)]
    world.shared.reactor.advance(1)
    world.shared.reactor.advance(1)
    second = SIZE // 2
    assert [None, f"bytes={second}-{SIZE - 1}", f"bytes={second + 1000}-{SIZE - 1}", None] == asked(site)
    site.finish(found)
    ended(world, d)
    assert (4, BODY) == (len(site.parts), world.content)


def test_refused_by_one(world: World, site: Site) -> None:
    """A source that gives no ranges leaves them to the others."""
    third = "http://third/f"
    site.refusals[OTHER] = [refusal(416, OTHER)]
    d, found = begun(world, [URL, OTHER, third])
    assert [URL, third] == [part.url for part in site.parts]
    site.finish(found)
    ended(world, d)
    assert 1 == sum(attempt.source.url == OTHER for attempt in found[0].attempts)


def test_slow_one(world: World, site: Site) -> None:
    """The end of a slow range is given to somebody else, and its own connection is given up."""
    d, found = begun(world)
    slow = site.parts[1]
    for _ in range(4):
        site.parts[0].send(60 * KIB)
        slow.send(10)
        world.shared.reactor.advance(1)
    fast = [part for part in site.parts if part is not slow]
    for _ in range(40):
        if slow.response.stopped:
            break
        for part in site.parts:
            if part is not slow:
                part.send(60 * KIB)
        slow.send(10)
        world.shared.reactor.advance(1)
    assert len(site.parts) > len(fast)
    site.finish(found)
    ended(world, d)
    slow_one = next(each for each in found[0].attempts if each.bytes == slow.at - slow.start)
    assert (None, BODY) == (slow_one.error, world.content)


def test_cancel(world: World, site: Site) -> None:
    """To cancel breaks off everything, also a request without an answer, and keeps what came."""
    world.agent.answers = [site]
    d, found = begun(world)
    site.parts[0].send(300 * KIB)
    d.cancel()
    ended(world, d)
    assert (Cancelled, True) == (type(found[0].error), site.parts[0].response.stopped)
    assert [Cancelled, Cancelled] == [type(attempt.error) for attempt in found[0].attempts]
    journal = msgspec.json.decode((world.path.parent / ".file.pulp-journal").read_bytes())
    assert [[0, 300 * KIB]] == journal["ranges"]
    tidy(world)


def test_cancel_while_waiting(world: World, site: Site) -> None:
    """To cancel ends a pause too."""
    d, found = begun(world)
    site.parts[1].cut()
    d.cancel()
    ended(world, d)
    assert Cancelled is type(found[0].error)


def test_late_disk(world: World, site: Site) -> None:
    """While the disk has too much to do all streams are paused; a batch is small enough for all of them."""
    threads = world.shared.threads = Threads(late=True, high_water=256 * KIB)
    d, found = begun(world)
    threads.work()
    first, second = (part.response for part in site.parts)
    for part in site.parts:
        while not part.response.paused and part.at - part.start < 256 * KIB:
            part.send(16 * KIB)
    assert (True, True) == (first.paused, second.paused)
    threads.work()
    assert (False, False) == (first.paused, second.paused)
    threads.late = False
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_new_stream_while_paused(world: World, site: Site) -> None:
    """A stream that begins while the disk is busy is paused at once."""
    threads = world.shared.threads = Threads(late=True, high_water=256 * KIB)
    world.agent.answers = [site]
    d, found = begun(world)
    threads.work()
    world.agent.answers = [site] * 50
    for _ in range(20):
        site.parts[0].send(16 * KIB)
    late = Part(BODY, URL, f"bytes={SIZE // 2}-{SIZE - 1}", b'"v1"')
    site.parts.append(late)
    world.agent.waiting[0].callback(late.response)
    assert late.response.paused
    threads.late = False
    threads.work()
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_cancel_with_a_late_disk(world: World, site: Site) -> None:
    """What the thread still does when everything was cancelled does no harm."""
    threads = world.shared.threads = Threads(late=True)
    d, found = begun(world)
    threads.work()
    site.parts[1].send(SIZE)
    site.parts[0].send(300 * KIB)
    d.cancel()
    threads.late = False
    threads.work()
    ended(world, d)
    assert Cancelled is type(found[0].error)
    tidy(world)


@pytest.mark.parametrize("method", ["put", "catch_up"])
def test_disk_full(world: World, site: Site, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """When the disk fails everything ends at once."""
    d, found = begun(world)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Partial, method, full)
    site.parts[1].send(SIZE)
    site.finish(found)
    ended(world, d)
    assert isinstance(found[0].error, WriterError)
    assert None is world.content


def test_progress(world: World, site: Site) -> None:
    """The progress hook hears of all bytes together."""
    heard: list[tuple[int, int | None]] = []
    world.hooks = Hooks(progress=lambda _, size, total: heard.append((size, total)))
    d, found = begun(world)
    site.finish(found)
    ended(world, d)
    assert ((SIZE, SIZE), True) == (heard[-1], heard == sorted(heard))


def test_progress_fails(world: World, site: Site) -> None:
    """A progress hook that raises ends all."""

    def wrong(_: Download, size: int, total: int | None) -> None:
        if size > 100_000:
            raise ValueError("no")

    world.hooks = Hooks(progress=wrong)
    d, found = begun(world)
    site.parts[0].send(50_000)
    site.parts[1].send(80_000)
    ended(world, d)
    assert isinstance(found[0].error, HookError)
    assert True is site.parts[0].response.stopped
    tidy(world)


def test_no_digest_no_mirrors(world: World, site: Site) -> None:
    """Where nothing would prove the result, one source brings all of it."""
    d, found = begun(world, [URL, OTHER], digests={})
    site.finish(found)
    ended(world, d)
    assert {URL} == {part.url for part in site.parts}
    assert (BODY, False) == (world.content, found[0].verified)
    (world.path.parent / ".file.pulp-journal").unlink()


def test_mixed_journal(world: World, site: Site) -> None:
    """A journal of bytes from several sources has no validator: only a digest makes it of use."""
    d, _ = begun(world, [URL, OTHER])
    for part in site.parts:
        part.send(100 * KIB)
    d.cancel()
    ended(world, d)
    journal = msgspec.json.decode((world.path.parent / ".file.pulp-journal").read_bytes())
    assert (None, 2) == (journal["validator"], len(journal["ranges"]))
    tidy(world)


def test_refused_while_others_go_on(world: World, site: Site) -> None:
    """A gap that nobody may ask for, found when the others are done, means that everything is fetched again."""
    d, found = begun(world)
    site.parts[1].send(1000)
    site.parts[1].cut()
    world.agent.answers = [lambda *_: refusal(416), *([site] * 50)]
    world.shared.reactor.advance(1)
    site.parts[0].send(SIZE)
    world.shared.reactor.advance(1)
    assert [None, f"bytes={SIZE // 2}-{SIZE - 1}", None] == asked(site)
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_one_stream_goes_on(world: World, site: Site) -> None:
    """Where the next source may not be asked for several ranges, it brings all that follows the first."""
    single = Source(OTHER, 2, Remote())
    world.shared.agents[id(single.remote)] = world.agent
    world.remote = evolve(FOUR, limits=Limits(segments=2, segment_size=64 * KIB))
    d, found = begun(world, [URL, single], size=None)
    assert [URL, URL] == [part.url for part in site.parts]
    for part in site.parts:
        part.send(100 * KIB)
    site.parts[1].cut()
    site.parts[0].cut()
    assert (OTHER, f"bytes={100 * KIB}-") == (site.parts[-1].url, site.parts[-1].wanted)
    site.finish(found)
    ended(world, d)
    assert (BODY, {"sha256": SHA256}) == (world.content, found[0].digests)


def test_mistake(world: World, site: Site, logged_errors: LoggedErrors) -> None:
    """What nobody expects in one range ends the download, and is logged."""
    world.agent.answers = [site, ValueError("of ours")]
    d, found = begun(world)
    ended(world, d)
    assert "ValueError: of ours" in str(found[0].error)
    assert 1 == len(logged_errors.flush(ValueError))
    assert site.parts[0].response.stopped


def test_host_that_wants_a_pause(world: World, site: Site) -> None:
    """A host that wants to be left alone is not asked for more ranges meanwhile."""
    world.hooks = Hooks(headers=lambda *_: world.shared.health.pause(Source(URL), 3))
    d, found = begun(world)
    for _ in range(2):
        assert 1 == len(site.parts)
        world.shared.reactor.advance(1.4)
    world.shared.reactor.advance(0.3)
    assert 2 == len(site.parts)
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_all_at_once(world: World, site: Site) -> None:
    """A body that is all there when it is asked for is taken as it is."""
    fields = [(b"ETag", b'"v1"'), (b"Accept-Ranges", b"bytes")]
    world.agent.answers = [Response(200, [BODY], fields, length=SIZE)]
    d, found = begun(world)
    ended(world, d)
    assert (BODY, 1) == (world.content, len(found[0].attempts))


def test_disk_full_at_once(world: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range whose first bytes do not fit on the disk ends the others while it is being begun."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def all_at_once(_: bytes, headers: Headers) -> Response:
        part = Part(BODY, URL, (headers.getRawHeaders("Range") or [""])[0], b'"v1"')
        fields = list(part.response.fields.pairs())
        return Response(206, [BODY[part.at : part.end]], fields, length=part.end - part.at)

    d, found = begun(world)
    for part in site.parts:
        part.send(1000)
    monkeypatch.setattr(Partial, "put", full)
    world.agent.answers = [all_at_once]
    world.shared.reactor.advance(1)
    ended(world, d)
    assert isinstance(found[0].error, WriterError)
    assert [True, True] == [part.response.stopped for part in site.parts]


def test_noted_while_it_grows(world: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is brought up to date while bytes come."""
    monkeypatch.setattr(_partial, "_NOTE_EVERY", 256 * KIB)
    world.shared.threads = Threads(high_water=512 * KIB)
    d, found = begun(world)
    site.parts[1].send(300 * KIB)
    journal = msgspec.json.decode((world.path.parent / ".file.pulp-journal").read_bytes())
    assert [[SIZE // 2, SIZE // 2 + 256 * KIB]] == journal["ranges"]
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


# Pieces


def damaged(*numbers: int) -> bytes:
    """Return the body with a wrong byte in the pieces with *numbers*."""
    body = bytearray(BODY)
    for number in numbers:
        body[number * PIECE + 1] ^= 1
    return bytes(body)


@pytest.mark.parametrize("remote", [Remote(), FOUR], ids=["one", "four"])
def test_bad_pieces(world: World, site: Site, remote: Remote) -> None:
    """Each bad piece is fetched again, and nothing else, from who did not bring it."""
    site.body = damaged(0, 3, 7)
    site.bodies[OTHER] = BODY
    world.remote = remote
    d, found = begun(world, [URL, OTHER], pieces=PIECES, size=None)
    site.finish(found)
    ended(world, d)
    spans = [f"bytes={number * PIECE}-{(number + 1) * PIECE - 1}" for number in (0, 3, 7)]
    assert spans == [part.wanted for part in site.parts if part.url == OTHER]
    assert (BODY, None) == (world.content, found[0].error)


def test_bad_piece_while_it_comes(world: World, site: Site) -> None:
    """With several streams a bad piece is fetched while the others go on."""
    site.body = damaged(0)
    site.bodies[OTHER] = BODY
    d, found = begun(world, [URL, OTHER], pieces=PIECES, size=None)
    assert [URL, URL] == [part.url for part in site.parts]
    world.shared.reactor.advance(1)
    site.parts[0].send(PIECE + 600 * KIB)
    site.finish(found)
    ended(world, d)
    assert 1 == sum(part.url == OTHER for part in site.parts)
    assert BODY == world.content


def test_repair_breaks_off(world: World, site: Site) -> None:
    """A repair that breaks off fails the attempt when nothing else goes on; the next fetches the rest."""
    site.body = damaged(2)
    world.remote = Remote()
    d, found = begun(world, pieces=PIECES)
    site.parts[0].send(SIZE)
    repair = site.parts[1]
    assert f"bytes={2 * PIECE}-{3 * PIECE - 1}" == repair.wanted
    site.body = BODY
    repair.body = BODY
    repair.send(1000)
    repair.cut()
    world.shared.reactor.advance(1)
    assert f"bytes={2 * PIECE + 1000}-{3 * PIECE - 1}" == site.parts[2].wanted
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_repair_waits(world: World, site: Site) -> None:
    """A repair that breaks off while others go on is tried again after a pause, not for ever."""
    world.remote = evolve(FOUR, retry=Retry(retries=1))
    site.body = damaged(0)
    d, found = begun(world, pieces=PIECES)
    world.shared.reactor.advance(1)
    site.refusals[URL] = [refusal(500), refusal(500)]
    site.parts[0].send(PIECE)
    site.parts[0].send(SIZE)
    world.shared.reactor.advance(1)
    site.body = BODY
    for part in site.parts:
        part.body = BODY
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_repair_refused(world: World, site: Site) -> None:
    """A source that gives no ranges cannot repair: another does, or everything is fetched again."""
    site.body = damaged(1)
    world.remote = Remote()
    site.refusals[OTHER] = [refusal(404, OTHER)]
    site.refusals["http://third/f"] = [refusal(416, "http://third/f")]
    d, found = begun(world, [URL, OTHER, "http://third/f"], pieces=PIECES)
    site.parts[0].send(SIZE)
    assert ([], []) == (site.refusals[OTHER], site.refusals["http://third/f"])
    assert (URL, f"bytes={PIECE}-{2 * PIECE - 1}") == (site.parts[1].url, site.parts[1].wanted)
    site.parts[1].body = BODY
    site.finish(found)
    ended(world, d)
    assert BODY == world.content


def test_bad_for_good(world: World, site: Site) -> None:
    """What stays bad is a mismatch that names the piece; from 0 there is no other repair."""
    site.body = damaged(6)
    world.remote = Remote()
    d, found = begun(world, pieces=PIECES)
    site.finish(found)
    ended(world, d)
    assert isinstance(found[0].error, DigestMismatch)
    assert "piece 7 of 8" in str(found[0].error)
    assert [None, f"bytes={6 * PIECE}-{7 * PIECE - 1}", None] == asked(site)
    assert [] == list(world.path.parent.iterdir())


def test_pieces_of_another_size(world: World, site: Site) -> None:
    """A file that has not as many pieces is another."""
    d, found = begun(world, pieces=Pieces(PIECE, "sha256", PIECES.digests[:5]), size=None)
    ended(world, d)
    assert isinstance(found[0].error, SizeMismatch)


def test_pieces_without_length(world: World) -> None:
    """Where nobody says how long the file is, only the whole of it is checked."""
    world.agent.answers = [Response(200, [BODY])]
    report = world.run(pieces=PIECES, digests={"sha256": SHA256})
    assert (None, BODY) == (report.error, world.content)


def test_small_pieces(world: World, site: Site) -> None:
    """A small file is repaired too."""
    site.body, small = b"?" * 10, b"0123456789"
    site.bodies[OTHER] = small
    pieces = Pieces(4, "md5", [hashlib.md5(small[at : at + 4]).hexdigest() for at in (0, 4, 8)])
    d, found = begun(world, [URL, OTHER], pieces=pieces, size=10, digests={"sha256": hashlib.sha256(small).hexdigest()})
    site.finish(found)
    ended(world, d)
    assert small == world.content


def test_resumed_with_pieces(world: World, site: Site) -> None:
    """What an earlier attempt has brought is checked as well."""
    site.body = damaged(1)
    world.remote = Remote()
    d, found = begun(world, digests={"sha256": SHA256})
    site.parts[0].send(3 * PIECE + 5)
    d.cancel()
    ended(world, d)
    site.parts.clear()
    d, found = begun(world, pieces=PIECES)
    assert [f"bytes={3 * PIECE + 5}-"] == asked(site)
    site.body = BODY
    site.finish(found)
    ended(world, d)
    assert f"bytes={PIECE}-{2 * PIECE - 1}" in asked(site)
    assert BODY == world.content


def test_found_late(world: World, site: Site) -> None:
    """A piece that is found bad when all streams have ended is fetched again all the same."""
    threads = world.shared.threads = Threads(late=True)
    site.body = damaged(2, 5)
    world.remote = Remote()
    d, found = begun(world, pieces=PIECES)
    threads.work()
    site.parts[0].send(SIZE)
    site.body = BODY
    for _ in range(20):
        threads.work()
        for part in site.parts[1:]:
            if part.response.taken:
                part.send(SIZE)
    ended(world, d)
    assert [f"bytes={number * PIECE}-{(number + 1) * PIECE - 1}" for number in (2, 5)] == asked(site)[1:]
    assert (BODY, None) == (world.content, found[0].error)
