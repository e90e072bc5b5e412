"""Rows 79 to 83 and 87, and V1 of the threats: clients of artifacts that are not here yet, and upstreams that fail."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Coroutine

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import defer
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from tests.integration.cold_site import ColdSite, Got, cold
from tests.servers.reactor import IReactor
from tests.servers.scripted import (
    Answer,
    Request,
    Reset,
    Scripted,
    Send,
    Steps,
    Until,
    chunked,
    cut,
    ok,
    ranged,
    status,
)
from twisted_pulp.download import Source
from twisted_pulp.settings import Remote, Retry

__all__ = ["cold"]

BODY = hashlib.shake_256(b"cold").digest(3 << 20)
POLICIES = pytest.mark.parametrize("policy", ["on_demand", "streamed"])


def sha256(body: bytes) -> str:
    """Return the digest of *body*."""
    return hashlib.sha256(body).hexdigest()


def damaged(body: bytes, at: int) -> bytes:
    """Return *body* with another byte *at*."""
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def artifact(site: ColdSite, scripted: Scripted, answers: list[Answer], body: bytes = BODY, **fields: object) -> None:
    """Offer *body* at "/f", from as many sources as there are *answers*; each keeps to its answer."""
    for number, answer in enumerate(answers):
        scripted.on(b"/%d" % number, [answer])
    sources = [Source(scripted.url(f"/{number}")) for number in range(len(answers))]
    site.offer("/f", *sources, size=len(body), digests={"sha256": sha256(body)}, **fields)


def once(first: Answer, then: Answer) -> Answer:
    """Answer with *first* once."""
    answers = [first]

    def choose(request: Request) -> Steps:
        answer = answers.pop() if answers else then
        return answer(request) if callable(answer) else answer

    return choose


@POLICIES
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("rest", ["same", "other", "whole"])
@ensureDeferred
async def test_row_79_resumed(cold: ColdSite, scripted: Scripted, framing: str, rest: str, policy: str) -> None:
    """Row 79: when the upstream dies in the middle, the rest comes from it or the next, and clients see nothing."""
    broken = cut(ranged(BODY) if framing == "length" else chunked(BODY, 100), 2 << 20)
    good = ok(BODY) if rest == "whole" else ranged(BODY)
    artifact(cold, scripted, [once(broken, good)] if rest == "same" else [broken, good], policy=policy)
    got = await cold.get("/f")
    assert (200, True, [None]) == (got.status, got.whole, cold.ended)
    assert BODY == got.body
    asked = [request.header(b"range") for request in scripted.requests]
    assert 2 == len(asked)
    assert asked[1] is not None
    assert asked[1].startswith(b"bytes=")


@POLICIES
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [100_000, len(BODY)])
@ensureDeferred
async def test_row_79_cut(cold: ColdSite, scripted: Scripted, framing: str, size: int, policy: str) -> None:
    """Row 79: an upstream that always dies in the middle gives its clients an error, or a body that is cut short."""
    body = BODY[:size]
    artifact(
        cold, scripted, [cut(ok(body) if framing == "length" else chunked(body, 100), size // 2)], body, policy=policy
    )
    got = await cold.get("/f")
    if size == 100_000:
        assert (502, True) == (got.status, got.whole)
    else:
        assert (200, False) == (got.status, got.whole)
        assert body.startswith(got.body)
    assert (set(), []) == (await cold.storage.has([sha256(body)]), cold.kept)


@POLICIES
@pytest.mark.parametrize("size", [100_000, len(BODY)])
@pytest.mark.parametrize("asked", ["", "Range: bytes=100-199", "Range: bytes=-10"])
@ensureDeferred
async def test_row_80_wrong(cold: ColdSite, scripted: Scripted, size: int, asked: str, policy: str) -> None:
    """Row 80: nobody gets a complete body, or part, of an artifact that is not what it must be, and it is not kept."""
    body, failed = BODY[:size], []
    wrong = ranged(damaged(body, size // 2))
    artifact(
        cold, scripted, [wrong, wrong], body, policy=policy, failed=lambda source, error: failed.append(source.url)
    )
    got = await cold.get("/f", *filter(None, [asked]))
    if size == 100_000:
        assert (502, True) == (got.status, got.whole)
    else:
        # An answer that has begun is cut, so that the client may see nothing of it; one that has not is another.
        assert (got.status, got.whole) in [(0, False), (206 if asked else 200, False), (502, True)]
    passed = policy == "streamed" and size > 100_000  # what has passed cannot begin again
    assert ({scripted.url("/0")} if passed else {scripted.url("/0"), scripted.url("/1")}) == set(failed)
    assert (set(), []) == (await cold.storage.has([sha256(body)]), cold.kept)


@ensureDeferred
async def test_row_80_at_last(cold: ColdSite, scripted: Scripted) -> None:
    """Row 80: who was given no wrong byte gets the right rest of the next source, and who was given one is cut."""
    at = 2 << 20
    read, sent = Deferred[None](), Deferred[None]()
    right, wrong = ranged(BODY), damaged(BODY, at)
    head, _ = ok(BODY)

    def second(request: Request) -> Steps:
        return (Until(sent), *right(request))

    most = at + (64 << 10)
    artifact(cold, scripted, [(head, Send(wrong[:most]), Until(read), Send(wrong[most:])), second])
    whole, before, behind = [
        await cold.client("/f", *headers)
        for headers in ([], [f"Range: bytes=0-{at - 1}"], [f"Range: bytes={at + 1}-{at + 9}"])
    ]
    await whole.heard(at + 2000)
    await behind.heard(1)
    read.callback(None)
    while len(scripted.requests) < 2:
        await deferLater(cold.reactor, 0.01)
    late = await cold.client("/f")
    sent.callback(None)
    assert not Got.of(await whole.heard_all()).whole
    assert not Got.of(await behind.heard_all()).whole
    got = Got.of(await before.heard_all())
    assert (206, True, BODY[:at]) == (got.status, got.whole, got.body)
    got = Got.of(await late.heard_all())
    assert (200, True, BODY) == (got.status, got.whole, got.body)
    assert {sha256(BODY)} == await cold.storage.has([sha256(BODY)])


@pytest.mark.parametrize(("share", "kept"), [(0.4, False), (0.6, True)])
@ensureDeferred
async def test_row_81_left(cold: ColdSite, scripted: Scripted, share: float, kept: bool) -> None:
    """Row 81: when the only client leaves, the rest is fetched and kept if half is here, and given up otherwise."""
    half, left = int(len(BODY) * share), Deferred[None]()
    head, body = ok(BODY)
    assert isinstance(body, Send)
    artifact(cold, scripted, [(head, Send(BODY[:half]), Until(left), Send(BODY[half:]))])
    client = await cold.client("/f")
    await client.heard(half)
    await client.leave()
    while len(cold.ended) < 1:
        await deferLater(cold.reactor, 0.01)
    left.callback(None)
    await nothing_flies(cold)
    assert ({sha256(BODY)} if kept else set()) == await cold.storage.has([sha256(BODY)])
    assert (1, 1 if kept else 0) == (len(scripted.requests), len(cold.kept))
    assert 0 == scripted.live or kept


async def nothing_flies(site: ColdSite) -> None:
    """Wait until no transfer is under way: whatever happened, none stays behind."""
    for _ in range(2000):
        if not site.flights.count:
            return
        await deferLater(site.reactor, 0.01)
    pytest.fail(f"still under way: {site.flights!r}")


class Hashing(Protocol):
    """A client that asks for "/f", and keeps nothing of what it gets but its digest."""

    def __init__(self) -> None:
        self.head, self.size, self.hash, self.ended = b"", 0, hashlib.sha256(), Deferred[None]()

    def connectionMade(self) -> None:
        """Ask."""
        assert self.transport is not None
        self.transport.write(b"GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        """Hash it."""
        if b"\r\n\r\n" not in self.head:
            self.head += data
            _, _, data = self.head.partition(b"\r\n\r\n")
        self.size += len(data)
        self.hash.update(data)

    def connectionLost(self, reason: object = None) -> None:
        """It is over."""
        self.ended.callback(None)


async def hashing(site: ColdSite) -> Hashing:
    """Return a client that has asked."""
    return await connectProtocol(TCP4ClientEndpoint(site.reactor, "127.0.0.1", site.port), Hashing())  # type: ignore[no-any-return]


@POLICIES
@ensureDeferred
async def test_row_82_many(cold: ColdSite, scripted: Scripted, policy: str) -> None:
    """Row 82: 200 clients of one artifact make one request upstream, and each gets all of it."""
    ready = Deferred[None]()
    answer = ranged(BODY)
    artifact(cold, scripted, [lambda request: (Until(ready), *answer(request))], policy=policy)
    clients = [await hashing(cold) for _ in range(200)]
    while cold.flights.readers < 200:
        await deferLater(cold.reactor, 0.01)
    ready.callback(None)
    await gatherResults([client.ended for client in clients])
    assert {(len(BODY), sha256(BODY))} == {(client.size, client.hash.hexdigest()) for client in clients}
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_row_83_stalled(cold: ColdSite, scripted: Scripted) -> None:
    """Row 83: a client that takes nothing keeps nobody waiting, and still gets everything in the end."""
    body = BODY * 8
    artifact(cold, scripted, [ranged(body)], body)
    stalled = await cold.client("/f")
    stalled.pause()
    others = [await hashing(cold) for _ in range(5)]
    await gatherResults([client.ended for client in others])
    assert {(len(body), sha256(body))} == {(client.size, client.hash.hexdigest()) for client in others}
    assert (1, 1, False) == (len(scripted.requests), cold.flights.readers, b"\r\n\r\n" in stalled.received)
    stalled.resume()
    got = Got.of(await stalled.heard_all())
    assert (True, body) == (got.whole, got.body)


@ensureDeferred
async def test_row_87_down(cold: ColdSite, scripted: Scripted) -> None:
    """Row 87: a host that cannot be reached is asked once, however many clients want however many artifacts of it."""
    scripted.default = lambda _: (Reset(),)
    remote = Remote(retry=Retry(retries=0))
    for number in range(20):
        cold.offer(f"/{number}", Source(scripted.url(f"/{number}")), remote=remote, size=100)
    statuses = [(await cold.get(f"/{number % 20}")).status for number in range(60)]
    assert [502] * 60 == statuses
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_row_87_overloaded(cold: ColdSite, scripted: Scripted) -> None:
    """Row 87: clients are told at once when an overloaded upstream wants to be asked again, and it is left alone."""
    scripted.default = lambda _: status(429, [(b"Retry-After", b"120")])
    for number in range(3):
        cold.offer(f"/{number}", Source(scripted.url(f"/{number}")), size=100)
    answers = [await cold.get(f"/{number}") for number in range(3)]
    assert [(429, "120")] * 3 == [(got.status, got.headers["retry-after"]) for got in answers]
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_row_87_missing(cold: ColdSite, scripted: Scripted) -> None:
    """Row 87: an artifact that is missing is asked for once, and says nothing about others of its host."""
    scripted.on(b"/there", [ok(b"there")])
    cold.offer("/missing", Source(scripted.url("/missing")))
    cold.offer("/there", Source(scripted.url("/there")))
    assert [404, 404, 200] == [(await cold.get(path)).status for path in ("/missing", "/missing", "/there")]
    assert [b"/missing", b"/there"] == [request.path for request in scripted.requests]


# The campaign


class Case:
    """An artifact of random size, of which some sources fail in a random way, and clients of any kind."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.rng, self.number = rng, number
        size = rng.choice([rng.randrange(1, 5000), rng.randrange(300_000), rng.randrange(500_000, 1_300_000)])
        self.body = rng.randbytes(size)
        self.policy = rng.choice(["on_demand", "streamed"])
        self.known = rng.random() < 0.8  # whether the size is, the digest always is
        self.faults = [rng.choice(FAULTS) for _ in range(rng.randrange(1, 3))]
        self.lasting = rng.random() < 0.3  # whether sources fail every time
        first = rng.randrange(size)
        self.asked = rng.choice(["", "", f"Range: bytes={first}-{min(size - 1, first + rng.randrange(size))}"])

    def __repr__(self) -> str:
        faults = [fault.__name__ for fault in self.faults]
        return f"<{len(self.body)} {self.policy} {faults} lasting={self.lasting} known={self.known} {self.asked}>"

    def offer(self, site: ColdSite, scripted: Scripted) -> str:
        """Offer it; return its path."""
        sources = []
        for number, fault in enumerate(self.faults):
            path, good = f"/{self.number}-{number}", ranged(self.body)
            bad = fault(self, good)
            scripted.on(path.encode(), [bad] if self.lasting else [bad, good])
            sources.append(Source(scripted.url(path)))
        digests = {"sha256": sha256(self.body)}
        size = len(self.body) if self.known else None
        site.offer(f"/{self.number}", *sources, size=size, digests=digests, policy=self.policy)
        return f"/{self.number}"

    @property
    def must_come(self) -> bool:
        """Whether nothing that was sent is wrong, or nobody can have seen what was."""
        harmless = all(fault in (sound, late, broken, stuttering) for fault in self.faults)
        if harmless:
            return not self.lasting or sound in self.faults or late in self.faults
        small = len(self.body) <= (1 << 20 if self.policy == "on_demand" else 512 << 10)
        return small and (not self.lasting or sound in self.faults or late in self.faults)

    def right(self, got: Got) -> bool:
        """Whether *got* is what it must be if it is complete."""
        if got.status == 206:
            first, _, rest = got.headers["content-range"].removeprefix("bytes ").partition("-")
            last = int(rest.partition("/")[0])
            return got.body == self.body[int(first) : last + 1]
        return got.body == self.body


def sound(case: Case, good: Answer) -> Answer:
    """Nothing is wrong."""
    return good


def flipped(case: Case, good: Answer) -> Answer:
    """One byte is another."""
    return ranged(damaged(case.body, case.rng.randrange(len(case.body))))


def swapped(case: Case, good: Answer) -> Answer:
    """Another file of the same size comes."""
    return ranged(case.rng.randbytes(len(case.body)))


def truncated(case: Case, good: Answer) -> Answer:
    """The file itself is shorter."""
    return ranged(case.body[: case.rng.randrange(len(case.body))])


def longer(case: Case, good: Answer) -> Answer:
    """The file itself is longer."""
    return ranged(case.body + b"more")


def broken(case: Case, good: Answer) -> Answer:
    """The connection breaks off."""
    return cut(good, case.rng.randrange(len(case.body)))


def stuttering(case: Case, good: Answer) -> Answer:
    """A chunked body breaks off."""
    return cut(chunked(case.body, 7), case.rng.randrange(len(case.body)))


def late(case: Case, good: Answer) -> Answer:
    """The end comes later."""
    middle = case.rng.randrange(len(case.body))
    head, body = ok(case.body)
    assert isinstance(body, Send)
    return (head, Send(body.data[:middle]), Pause(), Send(body.data[middle:]))


class Pause:
    """Do nothing for a moment."""

    async def perform(self, wire: object) -> None:
        """Wait."""
        await wire.wait(0.005)  # type: ignore[attr-defined]


FAULTS: list[Callable[[Case, Answer], Answer]] = [
    sound, flipped, swapped, truncated, longer, broken, stuttering, late
]  # fmt: skip


async def in_time(reactor: IReactor, getting: Coroutine[object, object, Got], case: Case) -> Got:
    """Wait for what a client gets, and name the *case* that makes it wait for ever."""
    d = Deferred.fromCoroutine(getting)
    try:
        return await d.addTimeout(30, reactor)  # type: ignore[arg-type]
    except defer.TimeoutError:
        pytest.fail(f"a client of {case} got no end")


@pytest.mark.limit(3600)
@ensureDeferred
async def test_campaign(
    cold: ColdSite, scripted: Scripted, reactor: IReactor, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """V1: no transfer that goes wrong in whatever way ends as a complete wrong body, and no right one is refused."""
    wrong, refused, count = [], [], campaign_count(80, 10_000)
    complete = 0
    for number in range(count):
        case = Case(rng, number)
        got = await in_time(reactor, cold.get(case.offer(cold, scripted), *filter(None, [case.asked])), case)
        came = got.whole and got.status in (200, 206)
        complete += came
        if came and not case.right(got):
            wrong.append(case)
        if case.must_come and not came:
            refused.append((case, got.status, len(got.body), cold.ended[-1]))
        scripted.requests.clear()
        del cold.artifacts[f"/{number}"]
    assert ([], []) == (wrong, refused)
    await nothing_flies(cold)
    assert count // 4 < complete < count


@pytest.mark.limit(3600)
@ensureDeferred
async def test_departures(
    cold: ColdSite, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 81: clients who leave at any moment, of transfers that go wrong in any way, leave nothing behind."""
    for number in range(campaign_count(30, 3000)):
        case = Case(rng, number)
        path = case.offer(cold, scripted)
        clients = [await cold.client(path, *filter(None, [case.asked])) for _ in range(rng.randrange(1, 4))]
        for client in clients:
            await client.heard(rng.choice([0, 1, rng.randrange(len(case.body))]))
            await client.leave()
        scripted.requests.clear()
    await nothing_flies(cold)
