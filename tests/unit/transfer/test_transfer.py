"""One download, first byte to verified file; agents, threads and clocks are fakes."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionLost as Lost
from twisted.python.failure import Failure
from twisted.web._newclient import PotentialDataLoss, ResponseDone, ResponseFailed  # type: ignore[attr-defined]
from twisted.web.http import _DataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from tests.fakes import Agent, Consumer, Response, Shared, Threads, refusal, result_of
from tests.leaks import LoggedErrors
from twisted_pulp.download import Attempt, Download, DownloadReport, Source
from twisted_pulp.errors import (
    Cancelled,
    ConnectionLost,
    ConnectionRefused,
    DigestMismatch,
    DownloadError,
    HookError,
    HTTPStatusError,
    InvalidContent,
    NotFound,
    PathError,
    ProtocolError,
    PulpError,
    ResumeRefused,
    RetryLater,
    SettingsError,
    SizeMismatch,
    TooLarge,
    TotalTimeout,
    Truncated,
    Unproven,
    WriterError,
)
from twisted_pulp.settings import Limits, Remote, Retry, Timeouts
from twisted_pulp.transfer import Again, FileTarget, Hooks, Journal, Memory, Place, Transfer, Validator, WriterTarget
from twisted_pulp.transfer._file import SMALL
from twisted_pulp.transfer._partial import Partial

URL, BODY = "http://h/f", b"0123456789"
SHA256 = hashlib.sha256(BODY).hexdigest()
ETAG = (b"ETag", b'"v1"')
LARGE = bytes(range(256)) * 4096  # 1 MiB
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()


class World:
    """A directory, an agent, and transfers between them."""

    def __init__(self, directory: Path, *answers: Any) -> None:
        self.shared = Shared(ours=Agent(*answers))
        self.path = directory / "file"
        self.remote = Remote()
        self.hooks = Hooks()
        self.force = False

    @property
    def agent(self) -> Agent:
        return self.shared.ours

    def target(self, download: Download) -> Any:
        """Return where the bytes of *download* go."""
        algorithms = {*download.digests, *download.compute}
        if download.writer is not None:
            return WriterTarget(download.writer, algorithms)
        small = -1 if self.hooks.validators else SMALL
        return FileTarget(Place.at(str(self.path)), self.shared.threads, algorithms, small)

    def start(self, sources: Any = URL, **fields: Any) -> Deferred[DownloadReport]:
        """Begin a download."""
        return self.transfer(sources, **fields).start()

    def transfer(self, sources: Any = URL, **fields: Any) -> Transfer:
        """Return the transfer of a download."""
        download = Download(sources, None if "writer" in fields else self.path, **fields)
        shared: Any = self.shared
        return Transfer(shared, self.remote, download, self.target(download), self.hooks, self.force)

    def run(self, sources: Any = URL, **fields: Any) -> DownloadReport:
        """Download, however long it waits, and return the report."""
        d = self.start(sources, **fields)
        found: list[DownloadReport] = []
        d.addCallback(found.append)
        for _ in range(200):
            if found:
                break
            self.shared.reactor.advance(5)
        result_of(d)
        self.shared.watch.stop()
        assert [] == self.shared.reactor.getDelayedCalls()
        return found[0]

    @property
    def content(self) -> bytes | None:
        """What is under the final name."""
        return self.path.read_bytes() if self.path.exists() else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which nothing has happened."""
    return World(tmp_path)


def good(body: bytes = BODY, *headers: tuple[bytes, bytes], **fields: Any) -> Response:
    """Return a response with *body*."""
    return Response(200, [body], headers, length=len(body), url=URL.encode(), **fields)


def cut(count: int, *headers: tuple[bytes, bytes], body: bytes = BODY) -> Response:
    """Return a response that breaks off after *count* bytes."""
    return Response(200, [body[:count]], headers, length=len(body), end=Lost())


def rest(offset: int, *headers: tuple[bytes, bytes], body: bytes = BODY) -> Response:
    """Return the rest of *body* from *offset* on."""
    span = b"bytes %d-%d/%d" % (offset, len(body) - 1, len(body))
    return Response(206, [body[offset:]], [(b"Content-Range", span), *headers], length=len(body) - offset)


def kinds(report: DownloadReport) -> list[type | None]:
    """Return how each attempt went."""
    return [None if each.error is None else type(each.error) for each in report.attempts]


# A success


def test_report(world: World) -> None:
    """A success says everything that is to be known about the file."""
    world.agent.answers = [good(BODY, ETAG, (b"Set-Cookie", b"x"))]
    report = world.run(digests={"sha256": SHA256}, compute=["md5"], size=10, attachment="mine")
    assert None is report.error
    assert (URL, URL, str(world.path), 10, True, 200) == (
        report.url,
        report.final_url,
        report.path,
        report.size,
        report.verified,
        report.status,
    )
    assert {"sha256": SHA256, "md5": hashlib.md5(BODY).hexdigest()} == report.digests
    assert ('"v1"', "mine", False) == (report.headers["etag"], report.attachment, report.present)
    assert (report.download.sources[0], 1) == (report.source, len(report.attempts))  # type: ignore[union-attr]
    attempt = report.attempts[0]
    assert (200, 10, None, 1_000_000.0) == (attempt.status, attempt.bytes, attempt.error, attempt.started)
    assert 1_000_000.0 == report.started <= report.finished
    assert BODY == world.content


def test_plain_request(world: World) -> None:
    """Where nothing is to be said, no header is sent from here."""
    world.agent.answers = [good()]
    world.run(digests={"sha256": SHA256})
    assert ([(URL, {})], [b"GET"]) == (world.agent.asked, world.agent.methods)


def test_headers_sent(world: World) -> None:
    """A download's own headers, and the user name of its URL, are sent."""
    world.agent.answers = [good()]
    world.run("http://joe:pw@h/f", headers={"X-Key": "é"})
    assert [(URL, {"x-key": "é", "authorization": "Basic am9lOnB3"})] == world.agent.asked


def test_unverified(world: World) -> None:
    """Without an expected digest a file is a success, but not verified."""
    world.agent.answers = [good()]
    report = world.run()
    assert (None, False, SHA256) == (report.error, report.verified, report.digests["sha256"])


def test_empty(world: World) -> None:
    """A file of no bytes is a file, and a size of 0 is checked."""
    world.agent.answers = [Response(200, length=0), good(), good()]
    report = world.run(size=0)
    assert (None, 0, b"") == (report.error, report.size, world.content)
    assert SizeMismatch is type(world.run(size=0).error)


def test_large(world: World) -> None:
    """A large body goes through the writer's thread into a partial file, which takes the name."""
    pieces = [LARGE[start : start + 65536] for start in range(0, len(LARGE), 65536)]
    world.agent.answers = [Response(200, pieces, [ETAG], length=len(LARGE))]
    report = world.run(digests={"sha256": LARGE_SHA256})
    assert (None, LARGE, 0) == (report.error, world.content, world.shared.threads.active)
    assert ["file"] == [path.name for path in world.path.parent.iterdir()]


def test_large_without_length(world: World) -> None:
    """A body that turns out to be large is as good."""
    pieces = [LARGE[start : start + 65536] for start in range(0, len(LARGE), 65536)]
    world.agent.answers = [Response(200, pieces)]
    assert (None, LARGE) == (world.run(size=len(LARGE)).error, world.content)


def test_203(world: World) -> None:
    """A transformed answer of a proxy is an answer."""
    world.agent.answers = [Response(203, [BODY], length=10)]
    assert None is world.run().error


# Verification


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"digests": {"sha256": "0" * 64}}, DigestMismatch),
        ({"digests": {"sha256": SHA256, "sha512": "0" * 128}}, DigestMismatch),
        ({"size": 9}, SizeMismatch),
        ({"size": 11}, SizeMismatch),
    ],
)
def test_mismatch(world: World, fields: dict[str, Any], kind: type) -> None:
    """All expected values must match; a second mismatch is final, and nothing is left."""
    world.agent.answers = [good(), good()]
    report = world.run(**fields)
    assert (kind, [kind, kind], None, None) == (type(report.error), kinds(report), report.path, world.content)
    assert [] == list(world.path.parent.iterdir())


def test_mismatch_said(world: World) -> None:
    """A mismatch says what was expected and what came."""
    world.agent.answers = [good(), good()]
    error = world.run(digests={"sha256": "0" * 64}).error
    assert isinstance(error, DigestMismatch)
    assert ("sha256", "0" * 64, SHA256, URL) == (error.algorithm, error.expected, error.actual, error.url)


def test_second_chance(world: World) -> None:
    """Bytes that were wrong once are fetched again from 0, without Range."""
    world.agent.answers = [good(b"9876543210", ETAG), good(BODY, ETAG)]
    report = world.run(digests={"sha256": SHA256})
    assert (None, [DigestMismatch, None], BODY) == (report.error, kinds(report), world.content)
    assert "range" not in world.agent.asked[1][1]


def test_size_while_it_comes(world: World) -> None:
    """A body without a length that has more than expected is broken off at once."""
    endless = Response(200, [BODY, BODY, BODY], end=None)
    world.agent.answers = [endless, good()]
    report = world.run(size=10)
    assert ([SizeMismatch, None], True, 20) == (kinds(report), endless.stopped, report.attempts[0].bytes)


def test_announced_size(world: World) -> None:
    """A length that is not the expected one is refused before a byte of it."""
    wrong = good(b"abc")
    world.agent.answers = [wrong, good()]
    report = world.run(size=10)
    assert ([SizeMismatch, None], True, 0) == (kinds(report), wrong.stopped, report.attempts[0].bytes)


def declared(body: bytes) -> tuple[bytes, bytes]:
    """Return the field by which a server says that the file is *body*."""
    return b"Repr-Digest", b"sha-512=:%s:" % b64encode(hashlib.sha512(body).digest())


@pytest.mark.parametrize("body", [BODY, LARGE])
def test_declared(world: World, body: bytes) -> None:
    """A digest that the server declares is computed and compared; it proves nothing."""
    world.agent.answers = [good(body, declared(body))]
    report = world.run()
    assert (None, False, body) == (report.error, report.verified, world.content)
    assert hashlib.sha512(body).hexdigest() == report.digests["sha512"]


def test_declared_otherwise(world: World) -> None:
    """A body that is not what the server declares is damaged: it is fetched once more."""
    world.agent.answers = [good(BODY, declared(b"other")), good(BODY, declared(BODY))]
    report = world.run()
    assert ([DigestMismatch, None], BODY) == (kinds(report), world.content)


def test_declared_beside_expected(world: World) -> None:
    """Where a digest is expected, what the server declares does not count."""
    world.agent.answers = [good(BODY, declared(b"other"))]
    report = world.run(digests={"sha256": SHA256})
    assert (None, True, {"sha256"}) == (report.error, report.verified, set(report.digests))


def test_too_short(world: World) -> None:
    """A body without a length that has less than expected is found out at its end."""
    world.agent.answers = [Response(200, [BODY[:9]]), good()]
    report = world.run(size=10)
    assert ([SizeMismatch, None], BODY) == (kinds(report), world.content)
    assert "9" in str(report.attempts[0].error)


class Whole(Response):
    """A response of which all has come, as those of our own connections can be."""

    whole = True
    was_taken = False

    def take(self) -> tuple[bytes, Failure | None]:
        self.was_taken = True
        return b"".join(self._pieces), Failure(self._end)


def whole(body: bytes = BODY, end: BaseException | None = None, length: int | None = None) -> Whole:
    """Return a response with *body*, all of which has come."""
    return Whole(200, [body], length=length, end=end or ResponseDone(), url=URL.encode())


@pytest.mark.parametrize("body", [b"", BODY, LARGE], ids=["empty", "small", "large"])
def test_whole(world: World, body: bytes) -> None:
    """A body that is all here is taken at once, without a protocol."""
    response = whole(body, length=len(body))
    world.agent.answers = [response]
    report = world.run(digests={"sha256": hashlib.sha256(body).hexdigest()})
    assert (None, body, True) == (report.error, world.content, response.was_taken)


def test_whole_for_a_writer(world: World) -> None:
    """A writer may pause: for it every body comes as a producer."""
    memory, response = Memory(), whole()
    world.agent.answers = [response]
    assert (None, BODY) == (world.run(writer=memory).error, memory.content)
    assert not response.was_taken


def test_whole_fails(world: World) -> None:
    """How a body that is all here ended counts as it does for others, and so do the limits."""
    world.remote = Remote(limits=Limits(max_size=9))
    world.agent.answers = [whole(BODY[:4], PotentialDataLoss()), whole(BODY[:4], Lost()), whole(BODY[:3]), whole()]
    assert Unproven is type(world.run().error)
    report = world.run()
    assert ([ConnectionLost, None], BODY[:3]) == (kinds(report), world.content)
    world.path.unlink()
    assert (TooLarge, None) == (type(world.run().error), world.content)


@pytest.mark.parametrize("length", [10, None])
def test_too_large(world: World, length: int | None) -> None:
    """A file of unknown size has a limit, whether it says how long it is or not."""
    world.remote = Remote(limits=Limits(max_size=9))
    world.agent.answers = [Response(200, [BODY], length=length)]
    error = world.run().error
    assert isinstance(error, TooLarge)
    assert (9, 1) == (error.limit, len(world.agent.asked))


def test_expected_is_never_too_large(world: World) -> None:
    """The limit is for files of which no size is expected."""
    world.remote = Remote(limits=Limits(max_size=0))
    world.agent.answers = [good()]
    assert None is world.run(size=10).error


@pytest.mark.parametrize(
    ("fields", "remote", "kind", "verified"),
    [
        ({}, Remote(), Unproven, False),
        ({}, Remote(allow_unproven=True), type(None), False),
        ({"size": 10}, Remote(), type(None), False),
        ({"digests": {"sha256": SHA256}}, Remote(), type(None), True),
    ],
)
def test_end_of_connection(world: World, fields: dict[str, Any], remote: Remote, kind: type, verified: bool) -> None:
    """A body that ends with the connection must be proven by something, unless the Remote allows it."""
    world.remote = remote
    world.agent.answers = [Response(200, [BODY], end=PotentialDataLoss())]
    report = world.run(**fields)
    assert (kind, verified) == (type(report.error), report.verified)
    assert (BODY if report.error is None else None) == world.content


@pytest.mark.parametrize("digests", [{"md5": "0" * 32}, {"md5": "0" * 32, "sha1": "0" * 40}])
def test_weak(world: World, digests: dict[str, str]) -> None:
    """Digests that can be forged are refused before any byte is asked for."""
    error = world.run(digests=digests).error
    assert isinstance(error, SettingsError)
    assert [] == world.agent.asked


def test_weak_allowed(world: World) -> None:
    """A Remote may allow them, and beside a strong one they always count."""
    md5 = hashlib.md5(BODY).hexdigest()
    world.agent.answers = [good(), good()]
    assert None is world.run(digests={"md5": md5, "sha256": SHA256}).error
    world.path.unlink()
    world.remote = Remote(allow_weak_digests=True)
    assert world.run(digests={"md5": md5}).verified


# Retries


def test_retries(world: World) -> None:
    """What may pass is tried four times in all, and the waits hold nothing."""
    world.agent.answers = [ConnectionLost()] * 4
    report = world.run()
    assert ([ConnectionLost] * 4, ConnectionLost) == (kinds(report), type(report.error))
    starts = [each.started - report.started for each in report.attempts]
    assert [True] * 4 == [start >= wait for start, wait in zip(starts, (0, 1, 3, 7), strict=True)]


def test_no_second_chance(world: World) -> None:
    """What another try cannot help is not tried again."""
    world.agent.answers = [refusal(404)]
    report = world.run()
    assert (NotFound, 404, 1) == (type(report.error), report.status, len(report.attempts))
    assert report.final_url == URL


def test_next_source(world: World) -> None:
    """The next source follows at once."""
    world.agent.answers = [refusal(404), ConnectionRefused(), good()]
    sources = [Source(f"http://{name}/f") for name in "abc"]
    report = world.run(sources)
    assert (["http://a/f", "http://b/f", "http://c/f"], sources[2]) == (world.agent.urls, report.source)
    assert 1_000_000.0 == report.finished


@pytest.mark.parametrize("digests", [{}, {"sha256": SHA256}])
def test_duplicates(world: World, digests: dict[str, str]) -> None:
    """Mirrors that an answer which fails names are asked next, if a digest will tell what they send."""
    world.remote = Remote(retry=Retry(retries=0))
    link = (b"Link", b"<http://m/f>; rel=duplicate; pri=1")
    world.agent.answers = [cut(4, link), good()]
    report = world.run(digests=digests)
    if digests:
        assert ([URL, "http://m/f"], None, BODY) == (world.agent.urls, report.error, world.content)
    else:
        assert ([URL], ConnectionLost, None) == (world.agent.urls, type(report.error), world.content)


def test_no_budget(world: World) -> None:
    """When too many downloads are tried again, one that failed fails, unless there is another source."""
    traffic = world.shared.traffic
    traffic.budget = 0.0
    spent = Attempt(Source(URL), 0.0, 503, 0, None)
    while traffic.may_retry(spent.source, [spent]):
        pass
    world.agent.answers = [cut(4), good()]
    report = world.run()
    assert ([ConnectionLost], ConnectionLost) == (kinds(report), type(report.error))
    world.agent.answers = [cut(4), good()]
    assert [ConnectionLost, None] == kinds(world.run([Source("http://a/f"), Source("http://b/f")]))


def test_own_remote(world: World) -> None:
    """A source is asked as its own Remote says, and no other."""
    other = Remote(limits=Limits(max_size=5))
    theirs = Agent(Response(200, [BODY], length=10))
    world.shared.agents[id(other)] = theirs
    world.agent.answers = [good()]
    report = world.run([Source("http://a/f", remote=other), Source("http://b/f")])
    assert (["http://a/f"], ["http://b/f"], [TooLarge, None]) == (theirs.urls, world.agent.urls, kinds(report))


def test_sick_last(world: World) -> None:
    """A source that failed of late is asked last, in later downloads too."""
    world.agent.answers = [refusal(500), good(), good()]
    sources = [Source("http://a/f"), Source("http://b/f")]
    world.run(sources)
    world.run(sources)
    assert ["http://a/f", "http://b/f", "http://b/f"] == world.agent.urls


def test_retry_after(world: World) -> None:
    """Retry-After is waited for, by everybody who wants something of that host."""
    world.agent.answers = [refusal(503, retry_after="30"), good(), good()]
    report = world.run()
    assert [None] == kinds(report)[1:]
    assert report.finished - report.started >= 30
    world.shared.health.pause(Source(URL), 20)
    again = world.run()
    assert again.attempts[0].started - again.started >= 20


def test_retry_after_too_long(world: World) -> None:
    """A wait beyond the cap fails at once and says how long was asked."""
    world.agent.answers = [refusal(429, retry_after="3600")]
    error = world.run().error
    assert isinstance(error, RetryLater)
    assert (3600.0, 1) == (error.seconds, len(world.agent.asked))


def test_no_retries(world: World) -> None:
    """0 retries are none."""
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [ConnectionLost()]
    assert 1 == len(world.run().attempts)


@pytest.mark.parametrize("status", [201, 204, 206, 304])
def test_no_file(world: World, status: int) -> None:
    """A status that means no file is not one."""
    world.agent.answers = [Response(status, length=0)]
    assert ProtocolError is type(world.run().error)


def test_cut_short(world: World) -> None:
    """A body that was cut short says how much of how much came."""
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [cut(4)]
    report = world.run()
    assert (ConnectionLost, 4) == (type(report.error), report.attempts[0].bytes)
    assert None is world.content


@pytest.mark.parametrize("length", [10, None])
def test_truncated(world: World, length: int | None) -> None:
    """A body that ends early though in good order says how much of how much the file has, earlier bytes too."""
    end = ResponseFailed([Failure(ConnectionDone()), Failure(_DataLoss())])
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [Response(200, [BODY[:4]], length=length, end=end)]
    error = world.run().error
    assert isinstance(error, Truncated)
    assert (URL, 4, length) == (error.url, error.received, error.expected)


def test_unexpected(world: World, logged_errors: LoggedErrors) -> None:
    """A mistake of ours is logged, and ends this download only."""

    def broken(uri: bytes, headers: Headers) -> Any:
        raise ZeroDivisionError

    world.agent.answers = [broken]
    error = world.run().error
    assert (DownloadError, "unexpected ZeroDivisionError: ") == (type(error), error.detail)  # type: ignore[union-attr]
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


# Resuming


def test_resumed(world: World) -> None:
    """A retry asks for the rest of the same version, and the whole is proven."""
    world.agent.answers = [cut(4, ETAG), rest(4, ETAG)]
    report = world.run()
    assert {"range": "bytes=4-", "if-range": '"v1"'} == world.agent.asked[1][1]
    assert (None, BODY, SHA256, [4, 6]) == (
        report.error,
        world.content,
        report.digests["sha256"],
        [each.bytes for each in report.attempts],
    )


def test_not_resumed(world: World) -> None:
    """Without a strong validator or a digest nothing is added to what came."""
    world.agent.answers = [cut(4, (b"ETag", b'W/"v1"')), good()]
    assert None is world.run().error
    assert {} == world.agent.asked[1][1]


def test_resumed_elsewhere(world: World) -> None:
    """With a digest any source will do."""
    world.agent.answers = [cut(4, ETAG), rest(4, (b"ETag", b'"other"'))]
    report = world.run(["http://a/f", "http://b/f"], digests={"sha256": SHA256})
    assert ("http://b/f", {"range": "bytes=4-"}) == world.agent.asked[1]
    assert (None, True, BODY) == (report.error, report.verified, world.content)


def test_not_resumed_elsewhere(world: World) -> None:
    """Without one, another source begins at 0."""
    world.agent.answers = [cut(4, ETAG), good()]
    assert None is world.run(["http://a/f", "http://b/f"]).error
    assert ("http://b/f", {}) == world.agent.asked[1]


def test_changed_meanwhile(world: World) -> None:
    """A file that changed comes as a whole, and what was there is forgotten."""
    world.agent.answers = [cut(4, ETAG, body=b"xxxxxxxxxx"), good(BODY, (b"ETag", b'"v2"'))]
    assert (None, BODY) == (world.run().error, world.content)


def test_refused_range(world: World) -> None:
    """An answer that does not continue here is followed by a request for all of it, at once."""
    world.agent.answers = [cut(4, ETAG), rest(5, ETAG), good()]
    report = world.run()
    assert (None, BODY, {}) == (report.error, world.content, world.agent.asked[2][1])


def test_range_of_another_length(world: World) -> None:
    """A range whose body announces another length than the range is refused, and followed by a request for all."""
    odd = rest(4, ETAG)
    odd.length = 5
    world.agent.answers = [cut(4, ETAG), odd, good()]
    report = world.run()
    assert ([ConnectionLost, ResumeRefused, None], BODY) == (kinds(report), world.content)
    assert (True, 0, {}) == (odd.stopped, report.attempts[1].bytes, world.agent.asked[2][1])


@pytest.mark.parametrize("count", [5, 7])
def test_range_ends_elsewhere(world: World, count: int) -> None:
    """A range whose body has another length than the range, which only its end shows, is not believed."""
    odd = rest(4, ETAG)
    odd.length, odd._pieces = UNKNOWN_LENGTH, [b"x" * count]
    world.agent.answers = [cut(4, ETAG), odd, good()]
    report = world.run()
    assert ([ConnectionLost, ResumeRefused, None], BODY) == (kinds(report), world.content)
    assert {} == world.agent.asked[2][1]


def test_range_without_length(world: World) -> None:
    """A range whose body announces no length is as good when it ends where the range does."""
    rests = rest(4, ETAG)
    rests.length = UNKNOWN_LENGTH
    world.agent.answers = [cut(4, ETAG), rests]
    assert (None, BODY) == (world.run().error, world.content)


def test_416(world: World) -> None:
    """416 for bytes that are not all is followed by a request for all of it."""
    world.agent.answers = [cut(4, ETAG), refusal(416, content_range="bytes */3"), good()]
    assert (None, BODY, {}) == (world.run().error, world.content, world.agent.asked[2][1])


def test_416_complete(world: World) -> None:
    """416 for bytes that are all there are is the end of the file."""
    world.agent.answers = [Response(200, [BODY], [ETAG], end=Lost()), refusal(416, content_range="bytes */10")]
    assert (None, BODY) == (world.run(digests={"sha256": SHA256}).error, world.content)


def test_416_without_range(world: World) -> None:
    """416 where no range was asked for is a refusal like another."""
    world.agent.answers = [refusal(416)]
    assert HTTPStatusError is type(world.run().error)


def test_mismatch_after_resume(world: World) -> None:
    """A mismatch of bytes from two tries starts again at 0, and counts against nobody."""
    world.agent.answers = [cut(4, ETAG, body=b"xxxxxxxxxx"), rest(4, ETAG), good(BODY, ETAG)]
    report = world.run(digests={"sha256": SHA256})
    assert ([ConnectionLost, DigestMismatch, None], BODY) == (kinds(report), world.content)
    assert "range" not in world.agent.asked[2][1]


def test_not_rewindable(world: World) -> None:
    """What a consumer was given is never given again: the rest follows, or bytes of a whole answer are skipped."""
    consumer = Consumer()
    world.agent.answers = [cut(4, ETAG), cut(2, ETAG), rest(4, ETAG)]
    report = world.run(writer=consumer, digests={"sha256": SHA256})
    assert (None, BODY) == (report.error, consumer.data)
    assert ["bytes=4-", "bytes=4-"] == [headers["range"] for _, headers in world.agent.asked[1:]]


def test_not_rewindable_skips(world: World) -> None:
    """A server that ignores Range costs time, and no byte comes twice."""
    consumer = Consumer()
    world.agent.answers = [cut(4, ETAG), good(BODY, ETAG)]
    report = world.run(writer=consumer)
    assert (None, BODY, SHA256) == (report.error, consumer.data, report.digests["sha256"])


def test_not_rewindable_changed(world: World) -> None:
    """A consumer that has bytes of another version cannot be helped."""
    consumer = Consumer()
    world.agent.answers = [cut(4, ETAG), good(BODY, (b"ETag", b'"v2"'))]
    assert WriterError is type(world.run(writer=consumer).error)
    assert BODY[:4] == consumer.data


def test_not_rewindable_without_validator(world: World) -> None:
    """Nor one whose bytes nobody can continue."""
    world.agent.answers = [cut(4)]
    report = world.run(writer=Consumer())
    assert (WriterError, 2) == (type(report.error), len(report.attempts))


# Across runs


def kept(world: World, count: int, *headers: tuple[bytes, bytes], **fields: Any) -> None:
    """Let a first run fail after *count* bytes of a large file."""
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [cut(count, *headers, body=LARGE)]
    assert ConnectionLost is type(world.run(**fields).error)
    assert None is world.content


def test_next_run(world: World) -> None:
    """What one run left, the next goes on with, and nothing stays beside the file."""
    kept(world, 600_000, ETAG)
    world.agent.answers = [rest(600_000, ETAG, body=LARGE)]
    report = world.run(digests={"sha256": LARGE_SHA256})
    assert {"range": "bytes=600000-", "if-range": '"v1"'} == world.agent.asked[1][1]
    assert (None, LARGE, True) == (report.error, world.content, report.verified)
    assert ["file"] == [path.name for path in world.path.parent.iterdir()]


@pytest.mark.leaves_partials
def test_next_run_signed(world: World) -> None:
    """A signed URL differs from run to run, but not in what the journal remembers."""
    kept(world, 600_000, ETAG, sources=URL + "?signature=1")
    world.agent.answers = [rest(600_000, ETAG, body=LARGE)]
    assert None is world.run(URL + "?signature=2").error
    assert {"range": "bytes=600000-", "if-range": '"v1"'} == world.agent.asked[1][1]


@pytest.mark.parametrize("force", [True, False])
def test_next_run_by_digest(world: World, force: bool) -> None:
    """With a digest, bytes without a validator and of another source are as good."""
    world.force = force
    kept(world, 600_000, digests={"sha256": LARGE_SHA256}, sources="http://elsewhere/f")
    world.agent.answers = [rest(600_000, body=LARGE)]
    report = world.run(digests={"sha256": LARGE_SHA256})
    assert ({"range": "bytes=600000-"}, None) == (world.agent.asked[1][1], report.error)


@pytest.mark.parametrize(
    "fields",
    [{"sources": "http://elsewhere/f"}, {"size": len(LARGE) + 1}, {"size": 599_999}],
    ids=["other URL", "other size", "smaller"],
)
def test_next_run_of_something_else(world: World, fields: dict[str, Any]) -> None:
    """Bytes of another file are not added to."""
    kept(world, 600_000, ETAG)
    body = LARGE + b"x" if fields.get("size", 0) > len(LARGE) else LARGE[: fields.get("size", len(LARGE))]
    world.agent.answers = [good(body)]
    report = world.run(**fields)
    assert ({}, None, body) == (world.agent.asked[1][1], report.error, world.content)


def test_nothing_kept(world: World) -> None:
    """Bytes that no later run could use are not kept."""
    kept(world, 600_000)
    assert [] == list(world.path.parent.iterdir())


def test_shrunk(world: World) -> None:
    """A partial file with fewer bytes than its journal says is begun again."""
    kept(world, 600_000, ETAG)
    place = Place.at(str(world.path))
    Path(place.beside(place.partial)).write_bytes(b"short")
    world.agent.answers = [good(LARGE)]
    report = world.run()
    assert ({}, None, LARGE) == (world.agent.asked[1][1], report.error, world.content)
    world.path.unlink()


def test_mismatch_forgets(world: World) -> None:
    """Bytes that were wrong are not kept for a later run."""
    kept(world, 600_000, ETAG)
    world.agent.answers = [rest(600_000, ETAG, body=LARGE), good(LARGE, ETAG), good(LARGE, ETAG)]
    report = world.run(digests={"sha256": "0" * 64})
    assert DigestMismatch is type(report.error)
    assert [] == list(world.path.parent.iterdir())


# Present


def test_present(world: World) -> None:
    """A file with the expected digest is there already, and nobody is asked."""
    world.path.write_bytes(BODY)
    report = world.run(digests={"sha256": SHA256})
    assert (True, True, 10, None, ()) == (report.present, report.verified, report.size, report.source, report.attempts)
    assert [] == world.agent.asked


def test_present_large(world: World) -> None:
    """A large file is read in the writer's thread."""
    world.path.write_bytes(LARGE)
    assert world.run(digests={"sha256": LARGE_SHA256}, size=len(LARGE)).present


@pytest.mark.parametrize(
    ("there", "fields"),
    [
        (b"x" * 10, {"digests": {"sha256": SHA256}}),
        (BODY + b"x", {"digests": {"sha256": SHA256}, "size": 10}),
        (BODY, {"size": 10}),
        (BODY, {}),
    ],
    ids=["other bytes", "other size", "only a size", "nothing"],
)
def test_not_present(world: World, there: bytes, fields: dict[str, Any]) -> None:
    """A file that nothing proves is fetched and replaced."""
    world.path.write_bytes(there)
    world.agent.answers = [good()]
    report = world.run(**fields)
    assert (False, None, BODY, 1) == (report.present, report.error, world.content, len(world.agent.asked))


def test_forced(world: World) -> None:
    """On request a file that is there is fetched again."""
    world.path.write_bytes(BODY)
    world.force = True
    world.agent.answers = [good()]
    assert not world.run(digests={"sha256": SHA256}).present


@pytest.mark.parametrize("kind", ["directory", "link", "dangling"])
def test_something_else_there(world: World, kind: str) -> None:
    """What is no file is not present; a link is replaced, and not followed."""
    other = world.path.parent / "other"
    if kind == "directory":
        world.path.mkdir()
    else:
        if kind == "link":
            other.write_bytes(BODY)
        world.path.symlink_to(other)
    world.agent.answers = [good()]
    report = world.run(digests={"sha256": SHA256})
    assert not report.present
    if kind == "directory":
        assert WriterError is type(report.error)
    else:
        assert (None, False, BODY) == (report.error, world.path.is_symlink(), world.content)


def finished(world: World, *headers: tuple[bytes, bytes]) -> None:
    """Let a run finish a large file that no digest proves."""
    world.agent.answers = [good(LARGE, *headers)]
    assert None is world.run().error


@pytest.mark.leaves_partials
@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ([ETAG], {"if-none-match": '"v1"'}),
        (
            [(b"Last-Modified", b"Tue, 15 Nov 1994 12:00:00 GMT"), (b"Date", b"Tue, 15 Nov 1994 13:00:00 GMT")],
            {"if-modified-since": "Tue, 15 Nov 1994 12:00:00 GMT"},
        ),
    ],
)
def test_revalidated(world: World, headers: list[tuple[bytes, bytes]], asked: dict[str, str]) -> None:
    """A file that only its journal knows is asked about, and 304 makes it present."""
    finished(world, *headers)
    world.agent.answers = [Response(304)]
    report = world.run()
    assert asked == world.agent.asked[1][1]
    assert (True, False, LARGE_SHA256, str(world.path), 304) == (
        report.present,
        report.verified,
        report.digests["sha256"],
        report.path,
        report.status,
    )


@pytest.mark.leaves_partials
def test_revalidated_changed(world: World) -> None:
    """A file that has changed upstream is replaced."""
    finished(world, ETAG)
    world.agent.answers = [good(BODY, (b"ETag", b'"v2"'))]
    report = world.run()
    assert (False, None, BODY) == (report.present, report.error, world.content)


@pytest.mark.leaves_partials
def test_not_revalidated(world: World) -> None:
    """A file that was changed here is fetched."""
    finished(world, ETAG)
    world.path.write_bytes(BODY)
    world.agent.answers = [good()]
    world.run()
    assert {} == world.agent.asked[1][1]


@pytest.mark.leaves_partials
def test_revalidated_gone(world: World) -> None:
    """A file that goes away while it is asked about is no success."""

    def gone(uri: bytes, headers: Headers) -> Response:
        world.path.unlink()
        return Response(304)

    finished(world, ETAG)
    world.agent.answers = [gone]
    assert WriterError is type(world.run().error)


# Hooks


def test_hooks(world: World) -> None:
    """Headers are known before any data, progress is counted, and the end is told."""
    told: list[Any] = []
    world.hooks = Hooks(
        headers=lambda download, head: told.append((head.status, head.length, head.offset, head.url)),
        progress=lambda download, size, total: told.append((size, total)),
        done=told.append,
    )
    world.agent.answers = [Response(200, [b"01234", b"56789"], length=10)]
    report = world.run()
    assert [(200, 10, 0, URL), (5, 10), (10, 10), (10, 10), report] == told


def test_headers_hook_waits(world: World) -> None:
    """Nothing of the body is taken before the headers hook is done."""
    d: Deferred[None] = Deferred()
    world.hooks = Hooks(headers=lambda download, head: d)
    response = good()
    world.agent.answers = [response]
    running = world.start()
    assert not response.taken
    d.callback(None)
    assert None is result_of(running).error
    world.shared.watch.stop()


def test_headers_hook_before_writer(world: World) -> None:
    """The writer begins when the headers hook is done, and nothing of the body is taken before it has."""
    hooked: Deferred[None] = Deferred()
    ready: Deferred[None] = Deferred()
    world.hooks = Hooks(headers=lambda download, head: hooked)
    response, writer = good(), Odd(begin=ready)
    world.agent.answers = [response]
    running = world.start(writer=writer)
    hooked.callback(None)
    assert not response.taken
    assert not running.called
    ready.callback(None)
    assert (None, BODY) == (result_of(running).error, writer.content)
    world.shared.watch.stop()


def test_headers_hook_and_writer_fails(world: World) -> None:
    """Behind a headers hook too a writer that cannot begin fails the download."""
    world.hooks = Hooks(headers=lambda download, head: None)
    response = good()
    world.agent.answers = [response]
    report = world.run(writer=Odd(begin=fail(ValueError("mine"))))
    assert (WriterError, True) == (type(report.error), response.stopped)
    assert "mine" in str(report.error)


def test_hook_only_looks(world: World) -> None:
    """A hook that is told of a failure and returns nothing of ours changes nothing."""
    seen: list[type] = []
    world.hooks = Hooks(attempt_failed=lambda download, source, error: seen.append(type(error)))
    world.agent.answers = [ConnectionLost(), refusal(404), good()]
    report = world.run()
    assert (NotFound, [ConnectionLost, NotFound], 2) == (type(report.error), seen, len(world.agent.asked))


@pytest.mark.parametrize("name", ["headers", "attempt_failed", "progress"])
def test_hook_raises(world: World, name: str, logged_errors: LoggedErrors) -> None:
    """A hook that raises fails its own download, and no other try is made."""

    def broken(*_: object) -> None:
        raise ValueError("mine")

    world.hooks = Hooks(**{name: broken})  # type: ignore[arg-type]
    world.agent.answers = [ConnectionLost() if name == "attempt_failed" else good()]
    report = world.run()
    assert (HookError, None, 1) == (type(report.error), world.content, len(report.attempts))
    logged_errors.flush(ValueError)


def test_last_progress_raises(world: World) -> None:
    """So does a progress hook at the very end, before the file takes its name."""
    calls: list[int] = []

    def broken(download: Download, size: int, total: int | None) -> None:
        calls.append(size)
        if len(calls) == 2:
            raise ValueError("mine")

    world.hooks = Hooks(progress=broken)
    world.agent.answers = [good()]
    assert (HookError, None) == (type(world.run().error), world.content)


def test_hook_never_done(world: World) -> None:
    """A hook that does not come to an end fails its download after its time."""
    world.hooks = Hooks(headers=lambda download, head: Deferred())
    world.remote = Remote(timeouts=Timeouts(hook=1.0))
    response = good()
    world.agent.answers = [response]
    running = world.start()
    world.shared.reactor.pump([0.1] * 20)
    assert HookError is type(result_of(running).error)
    assert response.stopped
    world.shared.watch.stop()


def test_done_hook_raises(world: World, logged_errors: LoggedErrors) -> None:
    """A done hook that raises is reported, and the file stays."""

    def broken(report: DownloadReport) -> None:
        raise ValueError("mine")

    world.hooks = Hooks(done=broken)
    world.agent.answers = [good()]
    report = world.run()
    assert (HookError, BODY) == (type(report.error), world.content)
    world.agent.answers = [refusal(404)]
    assert NotFound is type(world.run().error)
    logged_errors.flush(ValueError)


def test_repaired(world: World) -> None:
    """A hook may repair what was wrong and have another try, beyond the settings."""
    repairs: list[PulpError] = []

    def repair(download: Download, source: Source, error: PulpError) -> Again | None:
        repairs.append(error)
        return Again() if len(repairs) < 6 else None

    world.hooks = Hooks(attempt_failed=repair)
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [*[refusal(401)] * 5, good()]
    report = world.run()
    assert (None, 6, 5) == (report.error, len(report.attempts), len(repairs))


def test_other_url(world: World) -> None:
    """A hook may know another source."""
    mirror = Source("http://mirror/f")
    world.hooks = Hooks(attempt_failed=lambda download, source, error: Again(mirror))
    world.agent.answers = [refusal(404), good()]
    report = world.run()
    assert ([URL, mirror.url], mirror) == (world.agent.urls, report.source)


# Validators


@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_validator(world: World, body: bytes) -> None:
    """A validator sees the whole file where it is, before it has its name."""
    seen: list[Any] = []

    def look(report: DownloadReport) -> None:
        assert report.path is not None
        seen.append(
            (
                Path(report.path).read_bytes(),
                report.path != str(world.path),
                world.content,
                report.verified,
                report.status,
            )
        )

    world.hooks = Hooks(validators=[Validator(look)])
    world.agent.answers = [good(body)]
    report = world.run(digests={"sha256": hashlib.sha256(body).hexdigest()})
    assert [(body, True, None, True, 200)] == seen
    assert (None, str(world.path), body) == (report.error, report.path, world.content)


def test_refused(world: World) -> None:
    """A file that a validator refuses never has its name, and another source is tried."""
    world.hooks = Hooks(validators=[Validator(lambda report: report.size == 3)])
    world.agent.answers = [good(), good(b"abc")]
    report = world.run(["http://a/f", "http://b/f"])
    assert ([InvalidContent, None], b"abc") == (kinds(report), world.content)


def test_refused_everywhere(world: World) -> None:
    """Nothing is left of a file that was refused."""
    world.hooks = Hooks(validators=[Validator(lambda report: False)])
    world.agent.answers = [good(LARGE, ETAG)]
    assert InvalidContent is type(world.run().error)
    assert [] == list(world.path.parent.iterdir())


def test_only_a_warning(world: World) -> None:
    """A validator that is not enforced changes nothing."""
    world.hooks = Hooks(validators=[Validator(lambda report: False, enforced=False)])
    world.agent.answers = [good()]
    assert (None, BODY) == (world.run().error, world.content)


def test_validator_of_a_writer(world: World) -> None:
    """What goes to a writer can be looked at too, though not at any path."""
    seen: list[Any] = []
    memory = Memory()
    world.hooks = Hooks(validators=[Validator(lambda report: seen.append((report.path, memory.content)))])
    world.agent.answers = [good(), good()]
    report = world.run(writer=memory)
    assert ([(None, None)], None, BODY) == (seen, report.error, memory.content)
    world.hooks = Hooks(validators=[Validator(lambda report: False)])
    memory = Memory()
    assert (InvalidContent, None) == (type(world.run(writer=memory).error), memory.content)


# Writers


def test_memory(world: World) -> None:
    """A writer gets the bytes, and no path is reported."""
    memory = Memory()
    world.agent.answers = [cut(4), good()]
    report = world.run(writer=memory)
    assert (None, None, BODY) == (report.error, report.path, memory.content)


class Odd(Memory):
    """A writer that does as it is told."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers
        self.aborted: list[BaseException] = []

    def _answer(self, name: str) -> Any:
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def begin(self, head: Any) -> Any:
        super().begin(head)
        return self._answer("begin")

    def write(self, data: bytes) -> None:
        super().write(data)
        self._answer("write")

    def commit(self, report: DownloadReport) -> Any:
        super().commit(report)
        return self._answer("commit")

    def abort(self, error: BaseException) -> None:
        super().abort(error)
        self.aborted.append(error)


@pytest.mark.parametrize("name", ["begin", "write", "commit"])
@pytest.mark.parametrize("late", [False, True])
def test_writer_fails(world: World, name: str, late: bool, logged_errors: LoggedErrors) -> None:
    """A writer that fails ends the download: no other source would help; and it is aborted with that."""
    if late and name == "write":
        late = False
    writer = Odd(**{name: fail(ValueError("mine")) if late else ValueError("mine")})
    world.agent.answers = [good(), good()]
    report = world.run(writer=writer)
    assert (WriterError, 1, [report.error]) == (type(report.error), len(world.agent.asked), writer.aborted)
    assert "mine" in str(report.error)
    logged_errors.flush(ValueError)


@pytest.mark.parametrize("late", [False, True])
def test_writer_refuses(world: World, late: bool) -> None:
    """A writer may fail with an error of ours."""
    error = PathError(detail="mine")
    world.agent.answers = [good()]
    assert error is world.run(writer=Odd(begin=fail(error) if late else error)).error


def test_writer_waits(world: World) -> None:
    """Nothing of the body is taken before the writer is ready, and the report waits for its commit."""
    ready: Deferred[None] = Deferred()
    over: Deferred[None] = Deferred()
    response = good()
    world.agent.answers = [response]
    seen: list[DownloadReport] = []
    running = world.start(writer=Odd(begin=ready, commit=over)).addCallback(seen.append)
    assert not response.taken
    ready.callback(None)
    assert [] == seen
    over.callback(None)
    assert None is seen[0].error
    assert None is result_of(running)
    world.shared.watch.stop()


@pytest.mark.parametrize("name", ["begin", "commit"])
def test_writer_cancelled(world: World, name: str) -> None:
    """A download that waits for its writer can be cancelled."""
    writer = Odd(**{name: Deferred()})
    world.agent.answers = [good()]
    running = world.start(writer=writer)
    running.cancel()
    assert (Cancelled, 1) == (type(result_of(running).error), len(writer.aborted))
    world.shared.watch.stop()


def test_writer_never_ready(world: World) -> None:
    """A writer that never is ready fails the download after the time of a hook."""
    world.remote = Remote(timeouts=Timeouts(hook=1.0))
    world.agent.answers = [good()]
    running = world.start(writer=Odd(begin=Deferred()))
    world.shared.reactor.pump([0.1] * 20)
    assert "not ready after 1 s" in str(result_of(running).error)
    world.shared.watch.stop()


def test_disk_fails(world: World) -> None:
    """A directory that cannot be made fails the download with its path, small or large."""
    world.path.parent.joinpath("in the way").write_bytes(b"")
    world.path = world.path.parent / "in the way/file"
    for body in (BODY, LARGE):
        world.agent.answers = [good(body)]
        report = world.run()
        assert isinstance(report.error, (WriterError, PathError))
        assert "in the way" in str(report.error)


@pytest.mark.parametrize("validated", [True, False])
def test_name_taken(world: World, validated: bool) -> None:
    """A large file that cannot take its name is no success, and leaves nothing."""
    world.path.mkdir()
    if validated:
        world.hooks = Hooks(validators=[Validator(lambda report: True)])
    world.agent.answers = [good(LARGE), good(LARGE)]
    report = world.run()
    assert (WriterError, None, 1) == (type(report.error), report.path, len(world.agent.asked))
    assert "Is a directory" in str(report.error)
    assert [world.path] == list(world.path.parent.iterdir())


def test_thread_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a writer's thread raises that is no error of the disk is the writer's error all the same."""

    def broken(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(Partial, "write", broken)
    world.agent.answers = [good(LARGE), good(LARGE)]
    report = world.run()
    assert (WriterError, f"{world.path}: MemoryError: no more (http://h/f)") == (type(report.error), str(report.error))
    assert (1, []) == (len(world.agent.asked), list(world.path.parent.iterdir()))


def test_being_written(world: World) -> None:
    """A partial file that another process writes is left alone."""
    import fcntl
    import os

    place = Place.at(str(world.path))
    file = place.open_partial()
    fcntl.flock(file, fcntl.LOCK_EX)
    world.agent.answers = [good(LARGE)]
    report = world.run()
    os.close(file)
    assert isinstance(report.error, PathError)
    assert "another process" in str(report.error)
    place.unlink(place.partial)


# Links


@pytest.fixture
def source(tmp_path: Path, world: World) -> Path:
    """A file of this machine, with a name that a URL has to quote; the world's file is elsewhere."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    source = tmp_path / "from/a b%é"
    source.write_bytes(BODY)
    world.path = tmp_path / "to/file"
    return source


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_linked(world: World, source: Path, mode: Any) -> None:
    """A file of this machine can be linked to once its agent says that it may be read; its body is not fetched."""
    world.remote = Remote(file_mode=mode)
    response = Response(200, [], [ETAG], length=10, end=None)
    world.agent.answers = [response]
    report = world.run(source.as_uri(), digests={"sha256": SHA256}, size=10)
    assert ([b"HEAD"], [source.as_uri()], True) == (world.agent.methods, world.agent.urls, response.stopped)
    assert (None, True, 200, 10, '"v1"', 0) == (
        report.error,
        report.verified,
        report.status,
        report.size,
        report.headers["etag"],
        report.attempts[0].bytes,
    )
    assert (mode == "symlink", True) == (world.path.is_symlink(), world.path.samefile(source))
    assert ["file"] == [path.name for path in world.path.parent.iterdir()]


def test_linked_elsewhere(world: World, source: Path) -> None:
    """What is no file of this machine, or goes to a writer, is copied."""
    world.remote = Remote(file_mode="symlink")
    world.agent.answers = [good(), good()]
    assert (None, False) == (world.run().error, world.path.is_symlink())
    memory = Memory()
    assert (None, BODY) == (world.run(source.as_uri(), writer=memory).error, memory.content)
    assert [b"GET", b"GET"] == world.agent.methods


def test_linked_not_allowed(world: World, source: Path) -> None:
    """What its agent refuses is not linked to."""
    world.remote = Remote(file_mode="symlink")
    world.agent.answers = [refusal(404)]
    assert NotFound is type(world.run(source.as_uri()).error)
    assert [] == list(world.path.parent.iterdir())


def test_linked_gone(world: World, source: Path) -> None:
    """A link that cannot be made fails the download, with the path that it should have had."""
    source.unlink()
    world.remote = Remote(file_mode="hardlink")
    world.agent.answers = [Response(200, length=10)]
    report = world.run(source.as_uri(), digests={"sha256": SHA256})
    assert isinstance(report.error, WriterError)
    assert f"{world.path}: No such file" in str(report.error)
    assert [] == list(world.path.parent.iterdir())


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_linked_wrong(world: World, source: Path, mode: Any) -> None:
    """A file that is not the one expected is not linked to; the next source's bytes never go into it."""
    source.write_bytes(b"wrong")
    world.remote = Remote(file_mode=mode)
    world.agent.answers = [Response(200, length=5), good(LARGE)]
    report = world.run([source.as_uri(), URL], digests={"sha256": LARGE_SHA256})
    assert ([DigestMismatch, None], LARGE, False) == (kinds(report), world.content, world.path.is_symlink())
    assert (b"wrong", {}) == (source.read_bytes(), world.agent.asked[1][1])


# Ends


def test_cancelled_while_asking(world: World) -> None:
    """A cancelled request leaves nothing."""
    running = world.start()
    running.cancel()
    report = result_of(running)
    assert (Cancelled, [Cancelled], None) == (type(report.error), kinds(report), world.content)


def test_cancelled_in_the_body(world: World) -> None:
    """A cancelled body is broken off, and what can be resumed is kept."""
    response = Response(200, [LARGE[:600_000]], [ETAG], length=len(LARGE), end=None)
    world.agent.answers = [response]
    running = world.start()
    running.cancel()
    report = result_of(running)
    assert (Cancelled, True, 0) == (type(report.error), response.stopped, world.shared.threads.active)
    journal = Journal.read(Place.at(str(world.path)))
    assert journal is not None
    assert 600_000 == journal.done
    world.agent.answers = [rest(600_000, ETAG, body=LARGE)]
    world.run(digests={"sha256": LARGE_SHA256})
    assert LARGE == world.content


def test_cancelled_while_waiting(world: World) -> None:
    """A download that waits for its next try holds nothing and ends at once."""
    world.agent.answers = [ConnectionLost()]
    running = world.start()
    assert 1 == len(world.shared.reactor.getDelayedCalls())
    running.cancel()
    assert Cancelled is type(result_of(running).error)
    assert [] == world.shared.reactor.getDelayedCalls()


def test_cancelled_while_writing(world: World) -> None:
    """What a thread does is waited for, and then given back."""
    world.shared.threads = threads = Threads(late=True)
    world.agent.answers = [good(LARGE)]
    seen: list[DownloadReport] = []
    running = world.start().addCallback(seen.append)
    running.cancel()
    assert [] == seen
    threads.work()
    assert (Cancelled, 0) == (type(seen[0].error), threads.active)
    assert [] == list(world.path.parent.iterdir())


def work_until(threads: Threads, name: str) -> None:
    """Let *threads* work until the next call is that of a partial file's method called *name*."""
    while name not in {getattr(f, "__name__", "") for f in (threads.waiting[0][1], *threads.waiting[0][2])}:
        threads.work(1)


@pytest.mark.parametrize("works", [True, False])
def test_cancelled_while_committing(world: World, works: bool) -> None:
    """When a thread gives the file its name it is too late to cancel: what becomes of that is reported."""
    world.shared.threads = threads = Threads(late=True)
    if not works:
        world.path.mkdir()
    world.agent.answers = [good(LARGE)]
    seen: list[DownloadReport] = []
    running = world.start(digests={"sha256": LARGE_SHA256}).addCallback(seen.append)
    work_until(threads, "take_name")
    running.cancel()
    assert [] == seen
    threads.work()
    report = seen[0]
    assert isinstance(report.error, type(None) if works else WriterError)
    assert (str(world.path) if works else None) == report.path
    assert 0 == threads.active
    if works:
        assert LARGE == world.content


@pytest.mark.parametrize("good_end", [True, False])
def test_cancelled_while_closing(world: World, good_end: bool) -> None:
    """To cancel a download that only lets go of its file changes nothing about it."""
    world.shared.threads = threads = Threads(late=True)
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [good(LARGE)] if good_end else [cut(600_000, body=LARGE), refusal(404)]
    seen: list[DownloadReport] = []
    running = world.start(["http://a/f", "http://b/f"]).addCallback(seen.append)
    work_until(threads, "close")
    running.cancel()
    assert [] == seen
    threads.work()
    report = seen[0]
    assert isinstance(report.error, type(None) if good_end else NotFound)
    assert (LARGE if good_end else None, 0) == (world.content, threads.active)
    assert (["file"] if good_end else []) == [path.name for path in world.path.parent.iterdir()]


def test_cancelled_done_hook(world: World) -> None:
    """A done hook that is waited for may be cancelled; what happened has happened."""
    world.hooks = Hooks(done=lambda report: Deferred())
    world.agent.answers = [good()]
    running = world.start()
    running.cancel()
    assert (None, BODY) == (result_of(running).error, world.content)
    world.shared.watch.stop()


def test_total(world: World) -> None:
    """A download that takes too long in all fails with that, whatever it is doing."""
    world.remote = Remote(timeouts=Timeouts(total=10.0))
    running = world.start()
    world.shared.reactor.pump([0.1] * 90)
    assert not running.called
    world.shared.reactor.pump([0.1] * 20)
    error = result_of(running).error
    assert isinstance(error, TotalTimeout)
    assert 10.0 == error.seconds
    world.shared.watch.stop()


def test_in_time(world: World) -> None:
    """One that is done in time leaves no timer."""
    world.remote = Remote(timeouts=Timeouts(total=10.0))
    running = world.start()
    world.agent.waiting[0].callback(good())
    assert None is result_of(running).error
    world.shared.reactor.advance(1)
    assert [] == world.shared.reactor.getDelayedCalls()


def test_backpressure(world: World) -> None:
    """A body is paused while the disk cannot follow, and goes on when it has."""
    world.shared.threads = threads = Threads(late=True, high_water=256 << 10)
    response = Response(200, [], length=len(LARGE), end=None)
    world.agent.answers = [response]
    running = world.start()
    sent = 0
    while not response.paused:
        response.send(LARGE[sent : sent + 65536])
        sent += 65536
    assert sent <= 512 << 10
    threads.work()
    assert not response.paused
    while sent < len(LARGE):
        response.send(LARGE[sent : sent + 65536])
        sent += 65536
        threads.work()
    response.end()
    threads.work()
    assert None is result_of(running).error
    assert LARGE == world.content
    told = [each for each in response.told if each != "stop"]
    assert all(one != two for one, two in pairwise(told))


@pytest.mark.parametrize("change", [{"url": "http://joe:hunter2@h/f?token=s3cret"}])
def test_no_secrets(world: World, change: dict[str, str]) -> None:
    """Neither a report nor its error shows a password or a token."""
    world.agent.answers = [refusal(404, change["url"])]
    report = world.run(change["url"])
    words = repr(report) + str(report.error) + repr(report.error) + repr(evolve(report))
    assert not [secret for secret in ("hunter2", "s3cret") if secret in words]


@pytest.mark.leaves_partials
@pytest.mark.parametrize("length", [None, len(LARGE)])
def test_resumed_without_length(world: World, length: int | None) -> None:
    """A large body that broke off is gone on with by the next run, whether its length was known or not."""
    world.remote = Remote(retry=Retry(retries=0))
    world.agent.answers = [Response(200, [LARGE[:600_000]], [ETAG], length=length, end=Lost())]
    world.run()
    world.agent.answers = [rest(600_000, ETAG, body=LARGE)]
    assert None is world.run().error
    assert "bytes=600000-" == world.agent.asked[-1][1]["range"]
    assert LARGE == world.content


def test_link_after_bytes(world: World, tmp_path: Path) -> None:
    """A link that takes the place of a partial file lets go of it."""
    (tmp_path / "elsewhere").write_bytes(b"wrong")
    world.remote = Remote(file_mode="symlink", retry=Retry(retries=2))
    world.agent.answers = [cut(600_000, ETAG, body=LARGE), Response(200, [], length=5), good(LARGE, ETAG)]
    sources = ["http://a/f", f"file://{tmp_path / 'elsewhere'}", "http://b/f"]
    before = set(os.listdir("/proc/self/fd"))
    report = world.run(sources, digests={"sha256": LARGE_SHA256})
    assert (None, LARGE) == (report.error, world.content)
    assert before == set(os.listdir("/proc/self/fd"))


@pytest.mark.leaves_partials
def test_nothing_behind_a_hole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails, for whatever reason, is the last: the next run does not go on behind a hole."""
    world.remote = Remote(retry=Retry(retries=0))
    world.shared.threads = threads = Threads(late=True)
    write, calls = Partial.write, [MemoryError()]

    def failing(self: Partial, *args: Any) -> None:
        if calls:
            raise calls.pop()
        write(self, *args)

    monkeypatch.setattr(Partial, "write", failing)
    pieces = [LARGE[start : start + 65_536] for start in range(0, len(LARGE), 65_536)]
    world.agent.answers = [Response(200, pieces, [ETAG], length=len(LARGE) + 5, end=Lost())]
    running = world.start()
    while threads.waiting:
        threads.work()
    report = result_of(running)
    assert isinstance(report.error, WriterError)
    assert "MemoryError" in report.error.detail
    assert None is Journal.read(Place.at(str(world.path)))


# What is under way


def test_traffic(world: World) -> None:
    """A download is known while it is under way, with the bytes of all its tries, and told of when it has ended."""
    traffic, found, ended = world.shared.traffic, [], []
    traffic.ended = ended.append
    world.hooks = Hooks(progress=lambda *_: found.append((len(traffic), traffic.received)))
    world.agent.answers = [cut(4), good()]
    report = world.run(size=10, digests={"sha256": SHA256})
    assert None is report.error
    assert {(1, 4), (1, 14)} <= set(found)
    assert [report] == ended
    assert (0, 0) == (len(traffic), traffic.received)


def test_not_under_way_for_ever(world: World) -> None:
    """A download that nobody runs to its end, or that breaks down, is not under way any more, and its end is told."""
    traffic, ended = world.shared.traffic, []
    traffic.ended = ended.append
    world.agent.answers = [Response(200, [BODY[:4]], length=len(BODY), end=None)]
    running = world.transfer(size=10).run()
    running.send(None)
    assert 1 == len(traffic)
    running.close()
    assert (0, 1) == (len(traffic), len(ended))
    assert ended[0].started <= ended[0].finished


def test_close_fails(world: World, monkeypatch: pytest.MonkeyPatch, logged_errors: LoggedErrors) -> None:
    """That a target cannot be closed is logged; it changes nothing else."""
    close = FileTarget.close

    def closed(self: FileTarget, **how: Any) -> None:
        close(self, **how)
        raise RuntimeError("broken")

    monkeypatch.setattr(FileTarget, "close", closed)
    world.agent.answers = [good()]
    report = world.run(size=10, digests={"sha256": SHA256})
    assert (None, BODY, 0) == (report.error, world.content, len(world.shared.traffic))
    assert 1 == len(logged_errors.flush(RuntimeError))
