"""The files of a version: those of its units, and the metadata that its upstream wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen
from sqlalchemy import Connection, collate, insert, literal, select

from twisted_pulp.catalog._drafts import Draft
from twisted_pulp.catalog._history import get, of_version
from twisted_pulp.catalog._tables import artifact, content_artifact, repository, version, version_content, version_file

__all__ = ["PublishedFile", "keep", "kept", "kept_from", "lacks_files", "published"]

_AT_ONCE = 1000


@frozen
class PublishedFile:
    """
    A file of a version.

    :ivar path: relative, as its unit calls it.
    :ivar sha256: of the stored artifact, in lower-case hex; None while it was not downloaded.
    :ivar size: bytes; None where it was not downloaded, and is not known.
    """

    path: str
    sha256: str | None
    size: int | None


def published(connection: Connection, repository_id: int, number: int) -> Iterator[PublishedFile]:
    """
    Give the files of a version in the order of the bytes of their paths, a few of them in memory.

    :raises NotInCatalog: when there is no such version, or it is not complete.
    """
    get(connection, repository_id, number)
    # The order must not depend on a database's language.
    path = collate(content_artifact.c.path, "C" if connection.dialect.name == "postgresql" else "BINARY")
    statement = (
        select(content_artifact.c.path, artifact.c.sha256, artifact.c.size, content_artifact.c.size)
        .join_from(version_content, content_artifact, content_artifact.c.content_id == version_content.c.content_id)
        .join(artifact, isouter=True)
        .where(*of_version(repository_id, number))
        .order_by(path, content_artifact.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for name, sha256, stored, expected in connection.execute(statement):
        yield PublishedFile(name, sha256, expected if stored is None else stored)


def lacks_files(connection: Connection, repository_id: int, number: int) -> bool:
    """Return whether files of a version have not been downloaded."""
    missing = (
        select(literal(1))
        .join_from(version_content, content_artifact, content_artifact.c.content_id == version_content.c.content_id)
        .where(*of_version(repository_id, number), content_artifact.c.artifact_id.is_(None))
    )
    return connection.execute(missing.limit(1)).first() is not None


def keep(connection: Connection, draft: Draft, files: Mapping[str, int]) -> None:
    """
    Keep metadata of the upstream with a version that is being made; it goes when the version goes.

    :param files: path -> the number of the artifact.
    """
    rows = [{"version_id": draft.version_id, "path": path, "artifact_id": each} for path, each in sorted(files.items())]
    if rows:
        connection.execute(insert(version_file), rows)


def kept(connection: Connection, repository_id: int, number: int) -> dict[str, str]:
    """
    Return the metadata that the upstream of a version wrote: path -> sha256; nothing where it was not kept.

    :raises NotInCatalog: when there is no such version, or it is not complete.
    """
    row = get(connection, repository_id, number)
    statement = select(version_file.c.path, artifact.c.sha256).join_from(version_file, artifact)
    return {each.path: each.sha256 for each in connection.execute(statement.where(version_file.c.version_id == row.id))}


def kept_from(connection: Connection, artifact_id: int) -> list[tuple[str, int]]:
    """Return where metadata that is kept comes from: its path, and the number of the repository's Remote."""
    statement = (
        select(version_file.c.path, repository.c.remote_id)
        .join_from(version_file, version)
        .join(repository)
        .where(version_file.c.artifact_id == artifact_id, repository.c.remote_id.is_not(None))
    )
    return sorted({(path, number) for path, number in connection.execute(statement)})
