"""The table of commits, and with it all of `metadata`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, String, Table

from twisted_pulp.catalog._host_tables import metadata

__all__ = ["committed", "metadata"]

#: Which of its transactions a connection to PostgreSQL has committed last; `noted`: seconds since the epoch.
committed = Table(
    "committed",
    metadata,
    Column("connection", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("noted", Float, nullable=False),
)
