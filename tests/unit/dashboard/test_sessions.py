"""Who is logged in, for how long, and who may not try again."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.unit.streamer.upstream import MemoryCatalog, memory_catalog
from twisted_pulp.catalog import sessions as kept
from twisted_pulp.catalog import tokens
from twisted_pulp.catalog._cluster_tables import session as table
from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.dashboard import _sessions
from twisted_pulp.dashboard._sessions import Session, Sessions
from twisted_pulp.errors import CatalogError

NOW = 1e9
HOUR = 3600


@define
class Row:
    """A token of the catalog."""

    id: int


def now(d: Any) -> Any:
    """Return what is there already."""
    found: list[Any] = []
    Deferred.fromCoroutine(d).addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


@define(eq=False)
class World:
    """
    Two processes on one catalog, and people with tokens.

    :ivar one: what the first knows of who is logged in; *other*: the second.
    """

    catalog: MemoryCatalog
    clock: Clock = field(factory=Clock)
    one: Sessions = field(init=False)
    other: Sessions = field(init=False)
    made: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.one, self.other = self.process(), self.process()

    def process(self) -> Sessions:
        """Return what a process knows that has just begun."""
        return Sessions(self.catalog, lambda: NOW + self.clock.seconds(), self.clock.seconds)

    def token(self, scope: Any = "write", expires: float | None = None) -> Row:
        """Make a token."""
        self.made += 1
        return Row(self.catalog.do(lambda c: tokens.create(c, f"me{self.made}", scope, NOW, expires=expires)[0].id))

    def open(self, **given: Any) -> str:
        """Log somebody in at the first process."""
        return str(now(self.one.open(self.token(**given))))

    def find(self, cookie: str | None) -> Session | None:
        """Return what the second process knows of who has this cookie."""
        found: Session | None = now(self.other.find(cookie))
        return found

    def count(self) -> int:
        """Return how many sessions there are."""
        return int(self.catalog.do(lambda c: c.scalar(select(func.count()).select_from(table))))

    def used(self) -> list[float]:
        """Return when sessions were used, as far as it is noted."""
        return self.catalog.do(lambda c: [each - NOW for each in c.scalars(select(table.c.used))])  # type: ignore[no-any-return]


@pytest.fixture
def world() -> World:
    """Nobody is logged in."""
    catalog = memory_catalog()
    catalog.do(metadata.create_all)
    return World(catalog)


def test_found(world: World) -> None:
    """Who has the cookie has the session, at every process, and nobody else; the cookie itself is not kept."""
    cookie = world.open()
    found = world.find(cookie)
    assert found is not None
    assert ("me1", "write") == (found.name, found.scope)
    others = None, "", cookie[:-1], cookie + "a", "a" * 43, "ü" * 43, "x" * 100_000, found.key
    assert [None] * len(others) == [world.find(each) for each in others]
    assert found.csrf == getattr(now(world.one.find(cookie)), "csrf", None)
    stored = world.catalog.do(lambda c: str(c.execute(select(table)).all()))
    assert [False, False] == [secret in stored + repr(found) for secret in (cookie, found.csrf)]


def test_restart(world: World) -> None:
    """A session outlasts the process that it was begun with."""
    cookie = world.open()
    assert None is not now(world.process().find(cookie))


def test_closed(world: World) -> None:
    """One that was ended at one process is over at all."""
    cookie, kept_open = world.open(), world.open()
    session = now(world.one.find(cookie))
    assert None is not world.find(cookie)
    now(world.one.close(session))
    assert (None, None) == (world.find(cookie), now(world.one.find(cookie)))
    assert None is not world.find(kept_open)


@pytest.mark.parametrize(
    ("step", "steps", "alive"), [(8 * HOUR, 3, True), (8 * HOUR + 1, 1, False), (HOUR, 168, True), (HOUR, 169, False)]
)
def test_ends(world: World, step: float, steps: int, alive: bool) -> None:
    """A session that is not used for eight hours ends, and any after a week; it is forgotten when the next begins."""
    cookie, found = world.open(), None
    for _ in range(steps):
        world.clock.advance(step)
        found = world.find(cookie)
    assert alive is (found is not None)
    world.open()
    assert (2 if alive else 1) == world.count()


@pytest.mark.parametrize("jump", [8 * HOUR + 1, 30 * 86_400])
def test_clock_back(world: World, jump: float) -> None:
    """A session does not last longer because the clock was put back far."""
    world.clock.advance(jump)
    cookie = world.open()
    world.clock.rightNow = 0.0
    assert None is world.find(cookie)


def test_token(world: World) -> None:
    """A session ends with its token, whether that expires or is revoked, and goes by what that allows now."""
    short, revoked, kept_open = world.open(expires=NOW + 10), world.open(), world.open()
    assert None not in [world.find(each) for each in (short, revoked, kept_open)]
    world.clock.advance(10)
    assert None is world.find(short)
    world.catalog.do(tokens.delete, 2)
    assert None is world.find(revoked)
    assert (2, True) == (world.count(), world.find(kept_open) is not None)


def test_rarely_noted(world: World) -> None:
    """That a session is used is noted once a minute, whoever sees it."""
    cookie = world.open()
    for _ in range(119):
        world.clock.advance(1)
        calls = world.catalog.calls
        now(world.one.find(cookie))
        world.find(cookie)
        assert world.catalog.calls - calls == (3 if world.clock.seconds() == 60 else 2)
    assert [60.0] == world.used()


def test_not_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, who is logged in still is."""
    cookie = world.open()
    monkeypatch.setattr(world.catalog, "write", lambda *_: fail(CatalogError("away")), raising=False)
    world.clock.advance(61)
    found = world.find(cookie)
    assert found is not None
    now(world.other.say(found, True, "words"))
    assert [0.0] == world.used()
    with pytest.raises(CatalogError):
        now(world.other.close(found))


def test_notice(world: World) -> None:
    """What is to be shown next is shown once, at whichever process; what came meanwhile is shown too."""
    cookie = world.open()
    now(world.one.say(now(world.one.find(cookie)), False, "too\0 late"))
    one, other = now(world.one.find(cookie)), world.find(cookie)
    assert other is not None
    assert (False, "too late") == now(world.other.heard(other))
    assert None is now(world.other.heard(now(world.other.find(cookie))))
    now(world.other.say(other, True, "done"))
    now(world.one.heard(one))
    assert (True, "done") == now(world.one.heard(now(world.one.find(cookie))))


def test_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are too many, the one ends that was not used for longest."""
    monkeypatch.setattr(_sessions, "_MOST", 5)
    first, second = world.open(), world.open()
    world.clock.advance(60)
    assert None is not world.find(first)
    for _ in range(4):
        world.open()
    assert 5 == world.count()
    assert None is world.find(second)
    assert None is not world.find(first)


def test_bounded(world: World) -> None:
    """Too many of which one cannot tell which came first are too many all the same."""

    def fill(connection: Connection) -> None:
        row = tokens.create(connection, "t", "read", NOW)[0]
        for number in range(20):
            kept.begin(connection, f"{number:064}", row.id, NOW, 1.0, 1.0, 100)
        kept.begin(connection, "x" * 64, row.id, NOW, 1.0, 1.0, 3)

    world.catalog.do(fill)
    assert 3 == world.count()


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", ["read"]), ("write", ["read", "write"]), ("admin", ["read", "write", "admin"]), ("none", [])],
)
def test_scopes(world: World, scope: str, allowed: list[str]) -> None:
    """A scope allows what is below it; only an admin sees what is others'."""
    session: Any = world.find(world.open(scope=scope))
    assert allowed == [each for each in ("read", "write", "admin") if session.may(each)]
    admin = scope == "admin"
    assert (True, admin, admin) == (session.sees(session.token), session.sees(8), session.sees(None))
    assert (None if admin else session.token) == session.only


def test_csrf(world: World) -> None:
    """What stands in the forms of one session counts in no other."""
    one: Any = world.find(world.open())
    other: Any = world.find(world.open())
    assert one.wrote(one.csrf)
    assert not any(one.wrote(each) for each in (other.csrf, "", "ü", one.csrf[:-1]))


def test_guessing(world: World) -> None:
    """Ten wrong tokens in a minute are enough, for the address that gave them."""
    sessions, clock = world.one, world.clock
    for _ in range(10):
        assert 0 == sessions.wait("a")
        sessions.failed("a")
    assert (60, 0) == (sessions.wait("a"), sessions.wait("b"))
    clock.advance(59)
    assert 1 == sessions.wait("a")
    clock.advance(1)
    assert 0 == sessions.wait("a")


def test_many_addresses(world: World) -> None:
    """However many addresses guess, so many are remembered."""
    sessions = world.one
    for number in range(_sessions._ADDRESSES + 5):
        sessions.failed(str(number))
    assert 5 == len(sessions._failures)
