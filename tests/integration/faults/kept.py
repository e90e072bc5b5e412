"""A data directory, looked at from outside: what anybody could see of it at this moment."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen
from sqlalchemy import Connection, NullPool, create_engine, select

from tests.integration.faults.upstream import Units
from twisted_pulp.catalog._tables import artifact, content, content_artifact, version, version_content

__all__ = ["Kept", "looked", "whole"]


@frozen
class Kept:
    """
    What there is.

    :ivar versions: number of each complete version -> its units.
    :ivar stored: sha256 of each artifact that the catalog knows -> its size.
    :ivar there: sha256 of each file in the storage -> its size; all of them whole.
    :ivar have: sha256s of the units whose files the catalog has.
    """

    versions: Mapping[int, Units]
    stored: Mapping[str, int]
    there: Mapping[str, int]
    have: frozenset[str]


def looked(data: Path, database: str | None = None) -> Kept:
    """Look at everything; no partial file is visible, and the catalog knows nothing that is not there."""
    there = whole(data / "storage")
    path = data / "catalog.sqlite"
    if database is None and not path.exists():
        return Kept({}, {}, there, frozenset())
    engine = create_engine(
        (database or f"sqlite:///{path}").replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool
    )
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "version"):
            return Kept({}, {}, there, frozenset())
        stored = dict(connection.execute(select(artifact.c.sha256, artifact.c.size)).all())
        having = select(content.c.key).join(content_artifact).where(content_artifact.c.artifact_id.is_not(None))
        have = frozenset(json.loads(key)[1] for key in connection.scalars(having))
        versions = _versions(connection)
    assert stored.items() <= there.items()
    return Kept(versions, stored, there, have)


def whole(storage: Path) -> dict[str, int]:
    """Return sha256 and size of each file in *storage*: read-only, and what its name says."""
    there = {}
    for path in storage.glob("artifact/*/*/*"):
        body, facts = path.read_bytes(), path.lstat()
        assert (path.name, stat.S_IFREG | 0o444) == (hashlib.sha256(body).hexdigest(), facts.st_mode)
        there[path.name] = len(body)
    return there


def _versions(connection: Connection) -> dict[int, Units]:
    complete = connection.execute(select(version.c.number, version.c.repository_id).where(version.c.complete))
    found = {}
    for number, repository in complete.all():
        row = version_content.c
        inside = (row.repository_id == repository, row.added <= number, row.removed.is_(None) | (row.removed > number))
        keys = connection.scalars(select(content.c.key).join(version_content).where(*inside))
        found[number] = frozenset((path, digest) for path, digest in map(json.loads, keys))
    return found
