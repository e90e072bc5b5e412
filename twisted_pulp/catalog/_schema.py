"""The schema of a database: made, brought up to date, or refused."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_mock_engine,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import ExecutableDDLElement

from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.catalog._migrations import HEAD
from twisted_pulp.errors import CatalogDamaged

__all__ = ["bring_up_to_date", "revision_of"]

# Alembic's own table.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), key="number", nullable=False),
    PrimaryKeyConstraint("number", name="alembic_version_pkc"),
)
# Any number; whoever changes the schema holds it.
_LOCK = 0x7077_6C70


def revision_of(connection: Connection) -> str | None:
    """
    Give the revision of the database: None for one without tables, "" for one that no migration has seen.

    :raises CatalogDamaged: it has tables, but not ours.
    """
    tables = inspect(connection).get_table_names()
    if _version.name in tables:
        return connection.scalar(select(_version.c.number)) or ""
    if tables:
        raise CatalogDamaged(f"the database is none of this program: it has a table {min(tables)}")
    return None


def bring_up_to_date(connection: Connection) -> None:
    """
    Make the tables, or bring them up to date, in the transaction of *connection*.

    :raises CatalogNewer: a newer version made them.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    revision = revision_of(connection)
    if revision is None:
        _make(connection)
        connection.execute(_version.insert().values(number=HEAD))
    elif revision != HEAD:
        from twisted_pulp.catalog._migrate import migrate

        migrate(connection, revision or None)


def _make(connection: Connection) -> None:
    """Make all tables and indexes."""
    made: list[str] = []

    def write(ddl: ExecutableDDLElement, *_: object) -> None:
        made.append(str(ddl.compile(dialect=connection.dialect)))

    ours = create_mock_engine(connection.engine.url, write)
    metadata.create_all(ours, checkfirst=False)
    _version.create(ours, checkfirst=False)
    if connection.dialect.name == "postgresql":
        made = [";".join(made)]  # one message instead of sixty, for which it takes half the time
    for statement in made:
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
