"""Migrations, by alembic: imported only where there is something to migrate, because that takes time."""

from __future__ import annotations

import os
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.errors import CatalogNewer

__all__ = ["migrate", "scripts"]


def scripts() -> ScriptDirectory:
    """Give the migrations of this package."""
    return ScriptDirectory(os.path.join(os.path.dirname(__file__), "_migrations"))


def migrate(connection: Connection, revision: str | None, target: str = "head") -> None:
    """
    Bring the tables from *revision* up to *target*, in the transaction of *connection*.

    :param revision: None: there are no tables.
    :raises CatalogNewer: this package does not know *revision*.
    """
    directory = scripts()
    try:
        directory.get_revision(revision or "head")
    except CommandError as error:
        raise CatalogNewer(f"the database is at revision {revision}, which this version does not know") from error

    def steps(at: Any, _: object) -> Any:
        return directory._upgrade_revs(target, at)

    from alembic.operations import Operations

    context = MigrationContext.configure(
        connection, opts={"target_metadata": metadata, "fn": steps, "transaction_per_migration": False}
    )
    with Operations.context(context):
        context.run_migrations()
