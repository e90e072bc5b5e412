"""Advisory locks of PostgreSQL: of those that live, and of those that stand still."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from twisted.internet.task import Clock

from twisted_pulp.catalog._advisory import AdvisoryHold
from twisted_pulp.catalog._engine_postgresql import NAMED

KEY, LEASE = -4_611_686_018_427_387_905, 0.3

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
Connect = Callable[[str], Engine]


@pytest.fixture
def connect(database: str) -> Iterator[Connect]:
    """What connects as the program of a name does."""
    engines: list[Engine] = []

    def connecting(name: str) -> Engine:
        made = create_engine(database, poolclass=NullPool, connect_args={"application_name": name})
        engines.append(made)
        return made

    yield connecting
    for each in engines:
        each.dispose()


@pytest.fixture
def third(connect: Connect) -> Iterator[Connection]:
    """A connection of a process that has no lock."""
    with connect(NAMED + "three").connect() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    """By which they wait."""
    return Clock()


Holds = tuple[AdvisoryHold, AdvisoryHold]


@pytest.fixture
def holds(connect: Connect, clock: Clock) -> Iterator[Holds]:
    """The lock of one process, which has it, and the same of another one."""
    both = (
        AdvisoryHold(connect(NAMED + "one"), KEY, LEASE, clock.seconds),
        AdvisoryHold(connect(NAMED + "two"), KEY, LEASE, clock.seconds),
    )
    assert both[0].take()
    yield both
    for each in both:
        each.give()


def waits(hold: AdvisoryHold, clock: Clock, leases: float, lease: float = LEASE) -> bool:
    """Try to take it for so many leases by the clock; return whether it was had."""
    for _ in range(round(leases * 12)):
        clock.advance(lease / 12)
        if hold.take():
            return True
    return False


def wait(connection: Connection) -> None:
    """Let more than a lease pass on the server."""
    connection.scalar(text(f"SELECT pg_sleep({LEASE + 0.1})"))


def test_lives(holds: Holds, third: Connection, clock: Clock) -> None:
    """Whoever says now and then that it lives keeps its lock, however late that is by the clock of the server."""
    one, two = holds
    for _ in range(2):
        assert not two.take()
        wait(third)
        assert not waits(two, clock, 0.5)
        assert one.held()
    one.give()
    assert waits(two, clock, 0.1)
    assert not one.held()


def test_stands_still(holds: Holds, third: Connection, connect: Connect, clock: Clock) -> None:
    """Who has said nothing for a lease loses its lock, and what it has not committed; nobody else loses anything."""
    one, two = holds
    with connect(NAMED + "one").connect() as late:
        late.execute(text("CREATE TABLE written (a int)"))
        assert not two.take()
        wait(third)
        assert not waits(two, clock, 0.5)
        assert waits(two, clock, 2)
        assert not one.held()
        with pytest.raises(DBAPIError, match="terminat"):
            late.commit()
    assert third.scalar(text("SELECT to_regclass('written') IS NULL"))


def test_heard(connect: Connect, clock: Clock) -> None:
    """However long one has watched, of whom the server has heard within a lease keeps its lock."""
    one, two = (AdvisoryHold(connect(NAMED + name), KEY, 3600, clock.seconds) for name in ("one", "two"))
    assert one.take()
    assert not waits(two, clock, 2, 3600)
    one.give()
    two.give()


def test_waiter_stood_still(holds: Holds, third: Connection, clock: Clock) -> None:
    """Who waits and has stood still itself, as all have when their machine was suspended, takes nothing at once."""
    one, two = holds
    assert not two.take()
    for _ in range(2):
        wait(third)
        clock.advance(3600)
        assert not two.take()
    assert one.held()


def test_others(connect: Connect, third: Connection, clock: Clock) -> None:
    """Programs that do not say that they live, such as older versions of this, keep their locks."""
    one, two = (AdvisoryHold(connect(name), KEY, LEASE, clock.seconds) for name in ("twisted_pulp", NAMED + "two"))
    assert one.take()
    assert not two.take()
    wait(third)
    assert not waits(two, clock, 3)
    assert one.held()
    one.give()
    two.give()
