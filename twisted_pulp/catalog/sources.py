"""All the places that a file can come from, and which of them failed."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, Select, Update, bindparam, select, update

from twisted_pulp.catalog._bulk import insert
from twisted_pulp.catalog._tables import content_artifact, source

__all__ = ["NewSource", "SourceRow", "failed", "of_artifact", "of_file", "save", "succeeded"]


@frozen
class NewSource:
    """
    A place that a file can come from.

    :ivar content_artifact_id: the file, as `contents.attach` numbers it.
    :ivar url: where it is, without credentials.
    :ivar remote_id: the Remote that reaches it, or None.
    :ivar priority: lower is tried first; default 1.
    """

    content_artifact_id: int
    url: str
    remote_id: int | None = None
    priority: int = 1


@frozen
class SourceRow:
    """
    A source of the catalog.

    :ivar failed: seconds since the epoch of its last failure, or None when it worked since.
    :ivar failure: what that was.
    """

    id: int
    content_artifact_id: int
    remote_id: int | None
    url: str
    priority: int
    failed: float | None
    failure: str | None


def save(connection: Connection, new: Sequence[NewSource]) -> None:
    """Add sources; those there already (the same file and URL) take over the Remote and the priority."""
    latest = {(each.content_artifact_id, each.url): each for each in new}
    rows = [(file, each.remote_id, url, each.priority) for (file, url), each in sorted(latest.items(), key=_key)]
    columns = "content_artifact_id", "remote_id", "url", "priority"
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        insert(connection, source, columns, some, unique=_UNIQUE, change=("remote_id", "priority"))


_UNIQUE = "content_artifact_id", "url"


def _key(item: tuple[tuple[int, str], NewSource]) -> tuple[int, str]:
    return item[0]


def of_file(connection: Connection, content_artifact_id: int) -> list[SourceRow]:
    """
    Return the sources of one file in the order in which to try them.

    The priority decides; of the same priority, those that never failed or worked since come first, then those whose
    failure is longest ago. A source that failed is never left out.
    """
    return _rows(connection, _ORDERED.where(source.c.content_artifact_id == content_artifact_id))


def of_artifact(connection: Connection, artifact_id: int, limit: int = 100) -> list[SourceRow]:
    """Return the sources of all files that have these bytes, ordered as `of_file` does, *limit* at most."""
    joined = _ORDERED.join(content_artifact).where(content_artifact.c.artifact_id == artifact_id)
    return _rows(connection, joined.limit(limit))


_ORDERED = select(source).order_by(source.c.priority, source.c.failed.nulls_first(), source.c.id)


def _rows(connection: Connection, statement: Select[*tuple[object, ...]]) -> list[SourceRow]:
    columns = "id", "content_artifact_id", "remote_id", "url", "priority", "failed", "failure"
    return [SourceRow(*(row[name] for name in columns)) for row in connection.execute(statement).mappings()]


def failed(connection: Connection, source_id: int, when: float, why: str) -> None:
    """
    Remember that a source failed.

    :param when: seconds since the epoch.
    :param why: the error's words, without secrets.
    """
    connection.execute(_OUTCOME, {"source": source_id, "failed": when, "failure": why})


def succeeded(connection: Connection, source_id: int) -> None:
    """Forget that a source failed."""
    connection.execute(_OUTCOME, {"source": source_id, "failed": None, "failure": None})


_OUTCOME: Update = (
    update(source)
    .where(source.c.id == bindparam("source"))
    .values(failed=bindparam("failed"), failure=bindparam("failure"))
)
