"""Where else the files of a Remote can be fetched from."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from tests.fakes import Agent, Response, done, result_of
from tests.leaks import LoggedErrors
from tests.servers.certificates import issue
from twisted_pulp.download import Source
from twisted_pulp.errors import ConnectionRefused
from twisted_pulp.http import Watch
from twisted_pulp.settings import TLS, Remote
from twisted_pulp.transfer import Mirrors

MINE = issue(issue(authority=True, common="root"), common="me")
FILE = Source("https://h/pub/dir/f?x=1", 3)


class Listed:
    """Mirrors, with an agent that answers what it is told."""

    def __init__(self, clock: Clock, *answers: Any) -> None:
        self.clock, self.agent = clock, Agent(*answers)
        self.watch = Watch(clock)
        self.mirrors = Mirrors(lambda remote: self.agent, self.watch, clock.seconds)

    def of(self, remote: Remote, source: Source = FILE) -> list[str]:
        """Return the URLs of the mirrors of *source*."""
        return [each.url for each in done(self.mirrors.of(source, remote))]


@pytest.fixture
def listed(clock: Clock) -> Listed:
    """Mirrors that ask nobody."""
    return Listed(clock)


def test_mirrors(listed: Listed) -> None:
    """What is below the URL of the Remote is below each mirror, with or without a slash at its end."""
    remote = Remote(url="https://h/pub", mirrors=("https://m1/", "http://m2/a/b"))
    assert ["https://m1/dir/f?x=1", "http://m2/a/b/dir/f?x=1"] == listed.of(remote)


@pytest.mark.parametrize("url", ["https://h/public/f", "https://other/pub/f", "http://h/pub/f"])
def test_elsewhere(listed: Listed, url: str) -> None:
    """What is not below the URL of the Remote has no mirrors."""
    assert [] == listed.of(Remote(url="https://h/pub", mirrors=("https://m/",)), Source(url))


def test_none(listed: Listed) -> None:
    """Neither has a Remote without any."""
    assert [] == listed.of(Remote(url="https://h/pub/"))
    assert [] == listed.of(Remote())


def test_priority(listed: Listed) -> None:
    """A mirror has the priority of the source, unless it has one of its own."""
    remote = Remote(url="https://h/pub", mirror_list=lambda remote: [Source("https://m1/"), Source("https://m2/", 7)])
    assert [3, 7] == [each.priority for each in done(listed.mirrors.of(FILE, remote))]


def test_no_secrets(listed: Listed) -> None:
    """A mirror gets none of the Remote's secrets, and all of its other settings."""
    remote = Remote(
        url="https://h/pub/",
        username="joe",
        password="hunter2",
        headers={"X-Key": "s3cret"},
        origins=("https://m/",),
        mirrors=("https://m/",),
        user_agent="me",
    )
    (mirror,) = done(listed.mirrors.of(FILE, remote))
    assert Remote(url="https://m/", user_agent="me") == mirror.remote


def test_no_token_or_certificate(listed: Listed) -> None:
    """Neither a token nor a client certificate is given to a mirror."""
    tls = TLS(client_cert=MINE.chain, client_key=MINE.key_pem(), min_version="1.3")
    remote = Remote(url="https://h/pub/", token="s3cret", netrc=True, tls=tls, mirrors=("https://m/",))
    (mirror,) = done(listed.mirrors.of(FILE, remote))
    assert (None, False, TLS(min_version="1.3")) == (mirror.remote.token, mirror.remote.netrc, mirror.remote.tls)


def test_once(listed: Listed) -> None:
    """A mirror that is listed twice, or is the Remote itself, counts once."""
    remote = Remote(url="https://h/pub/", mirrors=("https://m/", "https://m", "https://h/pub"))
    assert ["https://m/dir/f?x=1"] == listed.of(remote)


LIST = b"# mirrors\n\nhttps://m1/pub/ DE 100\n  http://m2/  # slow\nrsync://m3/\nno url\nhttps://:99999/\n"


def test_list(clock: Clock) -> None:
    """A list has a URL on each line; comments, and what is no mirror for us, are left out."""
    listed = Listed(clock, Response(200, [LIST]))
    remote = Remote(url="https://h/pub/", mirrors=("https://m0/",), mirror_list="https://h/mirrors.txt")
    expected = ["https://m0/dir/f?x=1", "https://m1/pub/dir/f?x=1", "http://m2/dir/f?x=1"]
    assert expected == listed.of(remote)
    assert ["https://h/mirrors.txt"] == listed.agent.urls


def test_list_kept(clock: Clock) -> None:
    """It is fetched once an hour."""
    listed = Listed(clock, Response(200, [b"https://m1/"]), Response(200, [b"https://m2/"]))
    remote = Remote(url="https://h/pub/", mirror_list="https://h/mirrors.txt")
    assert ["https://m1/dir/f?x=1"] == listed.of(remote)
    clock.advance(3599)
    assert ["https://m1/dir/f?x=1"] == listed.of(remote)
    clock.advance(1)
    assert ["https://m2/dir/f?x=1"] == listed.of(remote)


@pytest.mark.parametrize("answer", [Response(404, [b""]), ConnectionRefused("https://h/mirrors.txt")])
def test_no_list(clock: Clock, answer: Any) -> None:
    """A list that cannot be had leaves the mirrors that were named, and is asked for again after a minute."""
    listed = Listed(clock, answer, Response(200, [b"https://m1/"]))
    remote = Remote(url="https://h/pub/", mirrors=("https://m0/",), mirror_list="https://h/mirrors.txt")
    assert ["https://m0/dir/f?x=1"] == listed.of(remote)
    clock.advance(59)
    assert ["https://m0/dir/f?x=1"] == listed.of(remote)
    clock.advance(1)
    assert ["https://m0/dir/f?x=1", "https://m1/dir/f?x=1"] == listed.of(remote)


def test_shared(clock: Clock) -> None:
    """All who want the list at once share one request, and one that leaves takes nobody with it."""
    response = Response(200, end=None)
    listed = Listed(clock, response)
    remote = Remote(url="https://h/pub/", mirror_list="https://h/mirrors.txt")
    wanted = [Deferred.fromCoroutine(listed.mirrors.of(FILE, remote)) for _ in range(3)]
    wanted[0].addErrback(lambda why: why.trap(Exception) and None)
    wanted[0].cancel()
    response.send(b"https://m/")
    response.end()
    assert 1 == len(listed.agent.urls)
    assert 2 == sum(["https://m/dir/f?x=1"] == [each.url for each in result_of(d)] for d in wanted[1:])


def test_callable(listed: Listed) -> None:
    """A plugin writer's callable gets the Remote, and returns mirrors, or a Deferred of them."""
    asked: list[Remote] = []
    later: Deferred[Any] = Deferred()

    def mirrors(remote: Remote) -> Deferred[Any]:
        asked.append(remote)
        return later

    own = Remote(url="https://m/", username="me")
    remote = Remote(url="https://h/pub/", mirror_list=mirrors)
    found = Deferred.fromCoroutine(listed.mirrors.of(FILE, remote))
    later.callback([Source("https://m/", 1, own), "https://n/"])
    first, second = result_of(found)
    assert ([remote], own, "https://n/dir/f?x=1") == (asked, first.remote, second.url)


@pytest.mark.parametrize("answer", [None, fail(ValueError("no")), 3])
def test_bad_callable(listed: Listed, logged_errors: LoggedErrors, answer: Any) -> None:
    """One that fails, or returns what is no list, leaves the download its source."""
    remote = Remote(url="https://h/pub/", mirror_list=lambda remote: answer)
    assert [] == listed.of(remote)
    logged_errors.flush()


def test_forgotten(listed: Listed) -> None:
    """What is known of a Remote ends with it."""
    remote = evolve(Remote(url="https://h/pub/", mirrors=("https://m/",)))
    listed.of(remote)
    del remote
    assert {} == listed.mirrors._known


def test_elsewhere_public(listed: Listed) -> None:
    """Places that a response has named are reached as the Remote is, without its secrets, and by one Remote each."""
    remote = Remote(url="https://h/", username="joe", user_agent="me")
    found = listed.mirrors.elsewhere([Source("https://m/a", 2), Source("https://m/b"), Source("https://n/a")], remote)
    assert [("https://m/a", 2), ("https://m/b", 1), ("https://n/a", 1)] == [(each.url, each.priority) for each in found]
    first, second, third = (each.remote for each in found)
    assert (True, False) == (first is second, first is third)
    assert Remote(url="https://m/", user_agent="me") == first


def test_elsewhere_forgets(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that names ever new places fills no memory."""
    monkeypatch.setattr("twisted_pulp.transfer._mirrors._MANY", 2)
    remote = Remote()
    for number in range(5):
        listed.mirrors.elsewhere([Source(f"https://m{number}/f")], remote)
    assert 2 >= len(listed.mirrors._known[id(remote)].public)


def test_other_server(listed: Listed) -> None:
    """The name and the keys of the Remote's server are not those of a mirror."""
    tls = TLS(server_name="h.example", pins=("sha256/" + "A" * 43 + "=",), min_version="1.3")
    (mirror,) = done(listed.mirrors.of(FILE, Remote(url="https://h/pub/", tls=tls, mirrors=("https://m/",))))
    assert TLS(min_version="1.3") == mirror.remote.tls
