"""How much of an SQLite catalog is kept in memory."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from twisted_pulp.catalog._engine_sqlite import sqlite

_MOST = 32 << 20


def test_bounded(tmp_path: Path) -> None:
    """All connections together keep no more than so many bytes, however large the catalog is."""
    database = sqlite(make_url(f"sqlite:///{tmp_path}/catalog.sqlite"), False)
    try:
        kept = 0
        for engine, connections in ((database.writing, database.writers), (database.reading, database.readers)):
            with engine.connect() as connection:
                size = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
                assert size < 0  # else it is a number of pages
                kept += -size * 1024 * connections
        assert kept <= _MOST
    finally:
        database.writing.dispose()
        database.reading.dispose()
