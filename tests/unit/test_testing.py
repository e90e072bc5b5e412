"""`twisted_pulp.testing`: the fakes are as true as what they stand for."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IResponse
from zope.interface.verify import verifyObject

from twisted_pulp import Context, Download, DownloadReport, IDownloader, IWriter, Limits, Memory, Remote
from twisted_pulp.errors import HTTPStatusError, NotFound, SizeMismatch, TooLarge
from twisted_pulp.testing import FakeProducer, FakeResponse, FakeSite, SlowConsumer, SpyAgent, SpyWriter

URL = "http://fake.test/a"


class Taker(Protocol):
    """Takes a body."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert self.reason is None
        self.reason = reason.type


def taken(response: IResponse) -> Taker:
    """Return who takes the body of *response*."""
    taker = Taker()
    response.deliverBody(taker)
    return taker


def result_of(d: Deferred[Any]) -> Any:
    """Return what *d* has fired with, be it a failure's error."""
    results: list[Any] = []
    d.addBoth(results.append)
    assert results, "it has not fired"
    return results[0].value if isinstance(results[0], Failure) else results[0]


def downloader(agent: IAgent, remote: Remote | None = None) -> IDownloader:
    """Return a Downloader whose requests *agent* makes."""
    made: Any = Context(MemoryReactorClock()).downloader(remote)
    made.agent = agent
    return made  # type: ignore[no-any-return]


# SpyAgent


def test_spy() -> None:
    """A request is noted, and answered when the test does."""
    agent = SpyAgent()
    assert verifyObject(IAgent, agent)
    d = agent.request(b"GET", URL.encode(), Headers({"X-One": ["1"]}))
    (asked,) = agent.requests
    assert ("GET", URL, {"x-one": "1"}) == (asked.method, asked.url, asked.headers)
    response = FakeResponse()
    asked.answer.callback(response)
    assert response is result_of(d)


def test_spy_cancelled() -> None:
    """A cancelled request is noted as such, and fails."""
    agent = SpyAgent()
    d = agent.request(b"GET", URL.encode())
    d.cancel()
    assert agent.requests == agent.cancelled
    assert isinstance(result_of(d), CancelledError)


# FakeResponse


def test_response() -> None:
    """A body that is given is delivered at once, between its beginning and its end."""
    response = FakeResponse(203, b"abc", {"ETag": '"1"'}, "http://fake.test/b")
    assert verifyObject(IResponse, response)
    taker = taken(response)
    assert (b"abc", ResponseDone) == (taker.data, taker.reason)
    assert (203, 3, ['"1"']) == (response.code, response.length, response.headers.getRawHeaders("etag"))
    assert b"http://fake.test/b" == response.request.absoluteURI


def test_response_empty() -> None:
    """An empty body has an end, and no data."""
    taker = taken(FakeResponse(body=b""))
    assert (b"", ResponseDone) == (taker.data, taker.reason)


def test_response_in_parts() -> None:
    """Without a body the test delivers it, and its end."""
    response = FakeResponse(length=4)
    taker = taken(response)
    response.send(b"ab")
    response.send(b"cd")
    assert (b"abcd", None, 4) == (taker.data, taker.reason, response.length)
    response.end(ValueError())
    response.end()
    assert taker.reason is ValueError
    assert UNKNOWN_LENGTH == FakeResponse().length


def test_response_told() -> None:
    """What its taker says to the transport is noted; to stop it ends the body."""
    response = FakeResponse()
    taker: Any = taken(response)
    taker.transport.pauseProducing()
    assert response.transport.paused
    taker.transport.resumeProducing()
    assert not response.transport.paused
    taker.transport.abortConnection()
    assert ["pause", "resume", "stop"] == response.transport.told
    assert taker.reason is ResponseFailed


def test_response_previous() -> None:
    """It remembers the redirect that led to it."""
    first, second = FakeResponse(302), FakeResponse()
    second.setPreviousResponse(first)
    assert first is second.previousResponse


# FakeSite


def test_site() -> None:
    """A Downloader fetches from a site in memory."""
    site = FakeSite({URL: b"abc"})
    assert verifyObject(IAgent, site)
    memory = Memory()
    report = result_of(downloader(site).download(URL, writer=memory))
    assert (200, 3, b"abc") == (report.status, report.size, memory.content)
    assert [("GET", URL)] == [(asked.method, asked.url) for asked in site.requests]


def test_site_head() -> None:
    """HEAD has headers and no body."""
    response = result_of(FakeSite({URL: b"abc"}).request(b"HEAD", URL.encode()))
    assert (b"", ["3"]) == (taken(response).data, response.headers.getRawHeaders("content-length"))


@pytest.mark.parametrize(("files", "status"), [({}, 404), ({URL: 503}, 503)])
def test_site_refuses(files: dict[str, bytes | int], status: int) -> None:
    """What is not there is 404, and any other status can be had; both are errors, as they are for a Downloader."""
    error = result_of(FakeSite(files).request(b"GET", URL.encode()))
    assert isinstance(error, HTTPStatusError)
    assert status == error.status
    if status == 404:
        assert isinstance(result_of(downloader(FakeSite(files)).download(URL, writer=Memory())), NotFound)


@pytest.mark.parametrize(
    ("headers", "status", "body", "part"),
    [
        ({"Range": "bytes=1-"}, 206, b"bcd", "bytes 1-3/4"),
        ({"Range": "bytes=1-2"}, 206, b"bc", "bytes 1-2/4"),
        ({"Range": "bytes=0-99"}, 206, b"abcd", "bytes 0-3/4"),
        ({"Range": "bytes=1-", "If-Range": '"88d4266fd4e6338d"'}, 206, b"bcd", "bytes 1-3/4"),
        ({"Range": "bytes=1-", "If-Range": '"old"'}, 200, b"abcd", None),
        ({"If-None-Match": '"88d4266fd4e6338d"'}, 304, b"", None),
        ({"If-None-Match": '"old"'}, 200, b"abcd", None),
    ],
)
def test_site_conditions(headers: dict[str, str], status: int, body: bytes, part: str | None) -> None:
    """Ranges and conditions are honoured."""
    given = Headers({name: [value] for name, value in headers.items()})
    response = result_of(FakeSite({URL: b"abcd"}).request(b"GET", URL.encode(), given))
    assert (status, body) == (response.code, taken(response).data)
    assert part == (response.headers.getRawHeaders("content-range") or [None])[0]


def test_site_range_beyond() -> None:
    """A range beyond the end is refused, and the answer says how much there is."""
    error = result_of(FakeSite({URL: b"abcd"}).request(b"GET", URL.encode(), Headers({"Range": ["bytes=4-"]})))
    assert (416, "bytes */4") == (error.status, error.headers["content-range"])


# SlowConsumer


def test_slow() -> None:
    """It pauses its producer when it has had enough, and resumes it when the test has taken that."""
    consumer, producer = SlowConsumer(10), FakeProducer()
    assert verifyObject(IConsumer, consumer)
    assert verifyObject(IPushProducer, producer)
    consumer.registerProducer(producer, True)
    consumer.write(b"123456789")
    consumer.take()
    consumer.write(b"123456789")
    assert not producer.paused
    consumer.write(b"01")
    assert producer.paused
    consumer.write(b"23")
    consumer.take()
    assert (["pause", "resume"], 2) == (producer.told, consumer.excess)
    assert b"1234567891234567890123" == bytes(consumer.written)


def test_slow_registers() -> None:
    """One that is full pauses the next producer at once; two at a time, or one that is pulled, are mistakes."""
    consumer, producer = SlowConsumer(1), FakeProducer()
    consumer.write(b"1")
    consumer.registerProducer(producer, True)
    assert producer.paused
    with pytest.raises(RuntimeError):
        consumer.registerProducer(FakeProducer(), True)
    consumer.unregisterProducer()
    consumer.take()
    assert ["pause"] == producer.told
    with pytest.raises(TypeError):
        consumer.registerProducer(producer, False)


def test_slow_download() -> None:
    """The body of a download is paused and resumed with it."""
    agent, consumer = SpyAgent(), SlowConsumer(3)
    d = downloader(agent).download(URL, writer=consumer, size=5)
    response = FakeResponse(length=5)
    agent.requests[0].answer.callback(response)
    response.send(b"abc")
    assert response.transport.paused
    consumer.take()
    assert not response.transport.paused
    response.send(b"de")
    response.end()
    assert (5, b"abcde") == (result_of(d).size, bytes(consumer.written))


# SpyWriter


def test_writer() -> None:
    """It hears of the beginning, the bytes, and the success."""
    writer = SpyWriter()
    assert verifyObject(IWriter, writer)
    report: DownloadReport = result_of(downloader(FakeSite({URL: b"abc"})).download(Download(URL, writer=writer)))
    assert (["begin", "write", "commit"], b"abc", report) == (writer.heard, writer.content, writer.report)
    assert writer.head is not None
    assert (3, 0) == (writer.head.length, writer.head.offset)


def test_writer_writes() -> None:
    """Any number of writes in a row is noted as one."""
    writer = SpyWriter()
    writer.write(b"a")
    writer.write(b"b")
    assert (["write"], b"ab") == (writer.heard, writer.content)


def test_writer_error() -> None:
    """It hears of the failure, once, after all tries."""
    writer = SpyWriter()
    error = result_of(downloader(FakeSite({URL: b"abc"})).download(URL, writer=writer, size=4))
    assert isinstance(error, SizeMismatch)
    assert (["abort"], error) == (writer.heard, writer.error)


def test_writer_again() -> None:
    """A writer that can be rewound begins again with what it had up to there."""
    writer, agent = SpyWriter(), SpyAgent()
    d = downloader(agent, Remote(limits=Limits(max_size=4))).download(URL, writer=writer)
    response = FakeResponse()
    agent.requests[0].answer.callback(response)
    response.send(b"abc")
    assert b"abc" == writer.content
    assert writer.head is not None
    writer.begin(writer.head)
    assert b"" == writer.content
    response.send(b"de")
    assert isinstance(result_of(d), TooLarge)
    assert "abort" == writer.heard[-1]
