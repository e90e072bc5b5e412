"""Who is logged in, for how long, and who may not try again."""

from typing import Any

import pytest
from attrs import define
from twisted.internet.task import Clock

from twisted_pulp.dashboard import _sessions
from twisted_pulp.dashboard._sessions import Sessions


@define
class Row:
    """A token of the catalog."""

    id: int = 7
    name: str = "me"
    scope: str = "write"


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    """Sessions, of which there are none."""
    return Sessions(clock.seconds)


def test_found(sessions: Sessions) -> None:
    """Who has the cookie has the session, and nobody else; the cookie itself is not kept."""
    cookie = sessions.open(Row())
    found = sessions.find(cookie)
    assert found is not None
    assert (7, "me", "write") == (found.token, found.name, found.scope)
    assert [None, None, None] == [sessions.find(each) for each in (None, "", cookie[:-1])]
    assert cookie not in str(sessions._all)
    sessions.close(found)
    assert None is sessions.find(cookie)


@pytest.mark.parametrize(
    ("step", "steps", "alive"), [(8 * 3600, 3, True), (8 * 3600 + 1, 1, False), (3600, 169, False)]
)
def test_ends(sessions: Sessions, clock: Clock, step: float, steps: int, alive: bool) -> None:
    """A session that is not used for eight hours ends, and any after a week."""
    cookie, found = sessions.open(Row()), None
    for _ in range(steps):
        clock.advance(step)
        found = sessions.find(cookie)
    assert alive is (found is not None)
    assert alive is (len(sessions) == 1)


def test_many(sessions: Sessions, clock: Clock) -> None:
    """When there are too many, the one ends that was not used for longest."""
    first, second = sessions.open(Row()), sessions.open(Row())
    clock.advance(1)
    assert None is not sessions.find(first)
    for _ in range(_sessions._MOST - 1):
        sessions.open(Row())
    assert _sessions._MOST == len(sessions)
    assert None is sessions.find(second)
    assert None is not sessions.find(first)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", ["read"]), ("write", ["read", "write"]), ("admin", ["read", "write", "admin"]), ("none", [])],
)
def test_scopes(sessions: Sessions, scope: str, allowed: list[str]) -> None:
    """A scope allows what is below it; only an admin sees what is others'."""
    session: Any = sessions.find(sessions.open(Row(scope=scope)))
    assert allowed == [each for each in ("read", "write", "admin") if session.may(each)]
    admin = scope == "admin"
    assert (True, admin, admin) == (session.sees(7), session.sees(8), session.sees(None))
    assert (None if admin else 7) == session.only


def test_csrf(sessions: Sessions) -> None:
    """What stands in the forms of one session counts in no other."""
    one: Any = sessions.find(sessions.open(Row()))
    other: Any = sessions.find(sessions.open(Row()))
    assert one.wrote(one.csrf)
    assert not any(one.wrote(each) for each in (other.csrf, "", "ü", one.csrf[:-1]))


def test_guessing(sessions: Sessions, clock: Clock) -> None:
    """Ten wrong tokens in a minute are enough, for the address that gave them."""
    for _ in range(10):
        assert 0 == sessions.wait("a")
        sessions.failed("a")
    assert (60, 0) == (sessions.wait("a"), sessions.wait("b"))
    clock.advance(59)
    assert 1 == sessions.wait("a")
    clock.advance(1)
    assert 0 == sessions.wait("a")


def test_many_addresses(sessions: Sessions) -> None:
    """However many addresses guess, so many are remembered."""
    for number in range(_sessions._ADDRESSES + 5):
        sessions.failed(str(number))
    assert 5 == len(sessions._failures)
