"""The tables of the processes that share a catalog, and of what they share besides."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, String, Table

from twisted_pulp.catalog._linked import metadata

__all__ = ["metadata", "node", "seal"]

_NAME = 255

#: A process that shares the catalog. That it lives is told by `beat`, which it makes grow; `seen`, the wall clock's
#: time of that, is for people only. `roles` and `urls`: lists of texts; `figures`: numbers by name.
node = Table(
    "node",
    metadata,
    Column("name", String(_NAME), primary_key=True),
    Column("host", String(_NAME), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(_NAME), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("urls", JSON, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("beat", BigInteger, nullable=False, server_default="0"),
)

#: By which the key that secrets are sealed with is told from others; one row.
seal = Table(
    "seal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mark", String(64), nullable=False),
)
