"""The table of upstreams' hosts."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table

from twisted_pulp.catalog._dialects import BY_KEY
from twisted_pulp.catalog._job_tables import metadata

__all__ = ["metadata", "pace"]

#: A host that bears only so many requests at once. `heard`: when it answered last, in seconds since the epoch.
pace = Table(
    "pace",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("port", Integer, primary_key=True, autoincrement=False),
    Column("allowed", Integer, nullable=False),
    Column("heard", Float, nullable=False),
    **BY_KEY,
)
