from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from tests.unit.catalog.units import saved, some, unit
from twisted_pulp.catalog import contents, repositories, versions
from twisted_pulp.catalog._tables import version, version_content, version_seen
from twisted_pulp.errors import DraftLost, NotInCatalog


@pytest.fixture
def repository(connection: Connection) -> int:
    """A repository without versions."""
    return repositories.create(connection, "one", "file", 1.0).id


def made(
    connection: Connection, repository: int, *add: int, remove: tuple[int, ...] = ()
) -> versions.VersionRow | None:
    """Make a version."""
    draft = versions.begin(connection, repository, 1.0)
    versions.remove(connection, draft, remove)
    versions.add(connection, draft, add)
    return versions.finish(connection, draft, 2.0, None)


def ids(connection: Connection, repository: int, number: int) -> list[int]:
    """Return what a version has."""
    return [each.id for each in versions.contents(connection, repository, number)]


def rows(connection: Connection) -> int:
    """Return how many rows the content of all versions costs."""
    return connection.scalars(select(func.count()).select_from(version_content)).one()


def test_first(connection: Connection, repository: int) -> None:
    """A version has what was added, and says how much; nobody sees it before it is complete."""
    a, b, c = some(connection, 3)
    draft = versions.begin(connection, repository, 1.0)
    assert (repository, 1, 0) == (draft.repository_id, draft.number, draft.base)
    assert 2 == versions.add(connection, draft, [a, b])
    assert 1 == versions.add(connection, draft, [b, c, c])
    assert versions.latest(connection, repository) is None
    assert [] == versions.list(connection, repository)
    for ask in (versions.get, versions.contents, versions.counts, versions.delete):
        assert_unknown(connection, ask, repository)
    row = versions.finish(connection, versions.begin(connection, repository, 1.0), 2.0, None)
    assert row is None


def assert_unknown(connection: Connection, ask: Callable[..., Any], repository: int) -> None:
    """Check that version 1 is unknown to *ask*."""
    with pytest.raises(NotInCatalog, match="there is no version 1"):
        ask(connection, repository, 1)


def test_finish(connection: Connection, repository: int) -> None:
    """A finished version is there, with its counts."""
    a, b, c = some(connection, 3)
    first = made(connection, repository, a, b)
    assert first is not None
    expected = versions.VersionRow(first.id, repository, 1, 2.0, added=2, removed=0, present=2)
    assert expected == first == versions.get(connection, repository, 1)
    second = made(connection, repository, c, remove=(a,))
    assert second is not None
    assert (2, 1, 1, 2) == (second.number, second.added, second.removed, second.present)
    assert [first, second] == versions.list(connection, repository)
    assert second == versions.latest(connection, repository)
    assert ([], [a, b], [b, c]) == tuple(ids(connection, repository, number) for number in (0, 1, 2))


def test_unchanged(connection: Connection, repository: int) -> None:
    """A version that is no different from the one before is None, and nothing is left of it."""
    a, b = some(connection, 2)
    assert made(connection, repository) is None
    made(connection, repository, a)
    draft = versions.begin(connection, repository, 3.0)
    assert 1 == versions.add(connection, draft, [a, b])
    versions.seen(connection, draft, [a, b])
    assert 2 == versions.remove(connection, draft, [b, a, a])
    assert 0 == versions.remove(connection, draft, [a])
    assert 1 == versions.add(connection, draft, [a])
    assert versions.finish(connection, draft, 4.0, None) is None
    assert [1] == [each.number for each in versions.list(connection, repository)]
    assert (1, 1, 0) == (
        rows(connection),
        *[connection.scalar(select(func.count()).select_from(each)) for each in (version, version_seen)],
    )
    assert 2 == versions.begin(connection, repository, 5.0).number


def test_place(connection: Connection, repository: int) -> None:
    """A unit replaces what has its place, also what the same draft or the same call added; the last one wins."""
    old, new, newest, typed, elsewhere = saved(
        connection,
        unit("old", "x"),
        unit("new", "x"),
        unit("newest", "x"),
        unit("typed", "x", "other"),
        unit("elsewhere", "y"),
    )
    made(connection, repository, old, typed, elsewhere)
    draft = versions.begin(connection, repository, 1.0)
    assert 1 == versions.add(connection, draft, [new])
    assert 1 == versions.add(connection, draft, [new, newest])
    row = versions.finish(connection, draft, 2.0, None)
    assert row is not None
    assert (1, 1, 3) == (row.added, row.removed, row.present)
    assert [newest, typed, elsewhere] == ids(connection, repository, 2)
    assert made(connection, repository, old, newest) is None
    made(connection, repository, newest, old)
    assert [old, typed, elsewhere] == ids(connection, repository, 3)


def test_other_repository(connection: Connection, repository: int) -> None:
    """What one repository does is nothing to another that has the same content."""
    old, new = saved(connection, unit("old", "x"), unit("new", "x"))
    other = repositories.create(connection, "two", "file", 1.0).id
    made(connection, repository, old)
    made(connection, other, old)
    draft = versions.begin(connection, other, 1.0)
    made(connection, repository, new)
    versions.recover(connection, repository)
    assert 0 == versions.add(connection, draft, [old])
    assert ([old], [new], [old]) == (
        ids(connection, repository, 1),
        ids(connection, repository, 2),
        ids(connection, other, 1),
    )


def test_mirror(connection: Connection, repository: int) -> None:
    """A mirror loses what the upstream has no more, and keeps what it has still or anew."""
    kept, gone, back, new = some(connection, 4)
    made(connection, repository, kept, gone, back)
    draft = versions.begin(connection, repository, 1.0)
    versions.remove(connection, draft, [back])
    versions.add(connection, draft, [kept, back, new])
    versions.seen(connection, draft, [kept, kept])
    versions.seen(connection, draft, [kept, back, new])
    assert 1 == versions.remove_unseen(connection, draft)
    versions.finish(connection, draft, 2.0, None)
    assert [kept, back, new] == ids(connection, repository, 2)
    assert 0 == connection.scalar(select(func.count()).select_from(version_seen))


def test_unknown_content(connection: Connection, repository: int) -> None:
    """Content that is not there is not added in silence."""
    draft = versions.begin(connection, repository, 1.0)
    with pytest.raises(NotInCatalog, match="there is no content 12345"):
        versions.add(connection, draft, [12345])


def test_unknown_repository(connection: Connection) -> None:
    """No version is begun of what is not there."""
    with pytest.raises(NotInCatalog, match="there is no repository 7"):
        versions.begin(connection, 7, 1.0)


@pytest.mark.parametrize(
    "use",
    [
        lambda connection, draft: versions.add(connection, draft, [1]),
        lambda connection, draft: versions.seen(connection, draft, [1]),
        lambda connection, draft: versions.remove(connection, draft, [1]),
        versions.remove_unseen,
        lambda connection, draft: versions.finish(connection, draft, 2.0, {"etag": "x"}),
    ],
    ids=["add", "seen", "remove", "remove_unseen", "finish"],
)
def test_lost(connection: Connection, repository: int, use: Callable[..., Any]) -> None:
    """Of two drafts of a repository at once, the older is refused whatever it tries, though both have one number."""
    old = versions.begin(connection, repository, 1.0)
    [unit] = some(connection, 1)
    versions.add(connection, old, [unit])
    new = versions.begin(connection, repository, 1.0)
    assert old.number == new.number
    with pytest.raises(DraftLost, match=f"version 1 of repository {repository} is not being made any more"):
        use(connection, old)
    versions.abort(connection, old)
    assert 1 == versions.add(connection, new, [unit])
    assert versions.finish(connection, new, 2.0, None) is not None
    with pytest.raises(DraftLost):
        use(connection, new)
    versions.abort(connection, new)
    assert [unit] == ids(connection, repository, 1)


def test_recover(connection: Connection, repository: int) -> None:
    """What a dead process left behind is undone: the repository has what its latest version has."""
    a, b = some(connection, 2)
    other = repositories.create(connection, "two", "file", 1.0).id
    made(connection, repository, a)
    for each in (repository, other):
        draft = versions.begin(connection, each, 1.0)
        versions.remove(connection, draft, [a])
        versions.add(connection, draft, [b])
        versions.seen(connection, draft, [b])
    assert 1 == versions.recover(connection, other)
    assert 1 == versions.recover(connection)
    assert 0 == versions.recover(connection)
    assert made(connection, repository, a) is None
    assert 1 == rows(connection)


def test_abort(connection: Connection, repository: int) -> None:
    """An aborted version leaves nothing."""
    a, b = some(connection, 2)
    made(connection, repository, a)
    draft = versions.begin(connection, repository, 1.0)
    versions.add(connection, draft, [b])
    versions.abort(connection, draft)
    versions.abort(connection, draft)
    assert 1 == rows(connection)
    assert 2 == versions.begin(connection, repository, 1.0).number


def test_synced(connection: Connection, repository: int) -> None:
    """What a sync saw is kept, even if nothing changed; it is forgotten when the content changes without a sync."""
    [a] = some(connection, 1)
    made(connection, repository, a)
    draft = versions.begin(connection, repository, 1.0)
    assert versions.finish(connection, draft, 2.0, {"etag": "x"}) is None
    assert {"etag": "x", "version": 1} == repositories.by_id(connection, repository).synced
    assert made(connection, repository, a) is None
    assert {"etag": "x", "version": 1} == repositories.by_id(connection, repository).synced
    made(connection, repository, remove=(a,))
    assert repositories.by_id(connection, repository).synced is None


def test_delete(connection: Connection, repository: int) -> None:
    """A version in the middle goes; the others have what they had, and what was only in it is an orphan."""
    a, b, c = some(connection, 3)
    made(connection, repository, a)
    made(connection, repository, b, remove=(a,))
    made(connection, repository, a, c, remove=(b,))
    versions.delete(connection, repository, 2)
    assert [1, 3] == [each.number for each in versions.list(connection, repository)]
    assert ([a], [a, c]) == (ids(connection, repository, 1), ids(connection, repository, 3))
    assert [b] == contents.orphans(connection, 9.0, 10)
    with pytest.raises(NotInCatalog, match="there is no version 2"):
        versions.contents(connection, repository, 2)


def test_delete_latest(connection: Connection, repository: int) -> None:
    """Without its latest version a repository has what the one before has; the number is not used again."""
    a, b, c = some(connection, 3)
    made(connection, repository, a, b)
    made(connection, repository, c, remove=(a,))
    repositories.update(connection, "one", synced={"etag": "x"})
    versions.delete(connection, repository, 2)
    assert repositories.by_id(connection, repository).synced is None
    draft = versions.begin(connection, repository, 1.0)
    assert (3, 1) == (draft.number, draft.base)
    assert 1 == versions.add(connection, draft, [a, c])
    row = versions.finish(connection, draft, 2.0, None)
    assert row is not None
    assert (1, 0, 3) == (row.added, row.removed, row.present)
    assert ([a, b], [a, b, c]) == (ids(connection, repository, 1), ids(connection, repository, 3))


def test_delete_only(connection: Connection, repository: int) -> None:
    """A repository without versions is empty."""
    [a] = some(connection, 1)
    made(connection, repository, a)
    versions.delete(connection, repository, 1)
    assert 0 == rows(connection)
    assert versions.latest(connection, repository) is None


def test_retain(connection: Connection, repository: int) -> None:
    """Only the latest versions are kept, each as it was, and what is in none of them is an orphan."""
    units = some(connection, 5)
    repositories.update(connection, "one", retain=2)
    for number, each in enumerate(units):
        made(connection, repository, each, remove=tuple(units[number - 1 : number]))
    kept = versions.list(connection, repository)
    assert [(4, 1, 1, 1), (5, 1, 1, 1)] == [(each.number, each.added, each.removed, each.present) for each in kept]
    assert (units[3:4], units[4:]) == (ids(connection, repository, 4), ids(connection, repository, 5))
    assert units[:3] == contents.orphans(connection, 9.0, 10)
    assert 2 == rows(connection)


def test_contents(connection: Connection, repository: int) -> None:
    """A version is read page by page, with what is known of each unit, of all types or one."""
    a, b, c = saved(connection, unit("a", "x"), unit("b", None, "other"), unit("c"))
    made(connection, repository, a, b, c)
    expected = versions.ContentRow(a, "file", '["a"]', "x", {"name": "a"})
    assert [expected] == versions.contents(connection, repository, 1, limit=1)
    assert [b, c] == [each.id for each in versions.contents(connection, repository, 1, after=a, limit=2)]
    assert [c] == [each.id for each in versions.contents(connection, repository, 1, "file", after=a)]
    assert {"file": 2, "other": 1} == versions.counts(connection, repository, 1)


def test_many(connection: Connection, repository: int) -> None:
    """More than one statement takes come and go in parts."""
    units = some(connection, 1201)
    draft = versions.begin(connection, repository, 1.0)
    assert 1201 == versions.add(connection, draft, units)
    versions.finish(connection, draft, 1.0, None)
    draft = versions.begin(connection, repository, 1.0)
    versions.seen(connection, draft, units[:600])
    assert 601 == versions.remove_unseen(connection, draft)
    assert 600 == versions.remove(connection, draft, units)
    assert 1201 == versions.add(connection, draft, units)
    assert versions.finish(connection, draft, 1.0, None) is None
