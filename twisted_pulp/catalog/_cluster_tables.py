"""The tables of the processes that share a catalog, and of what they share besides."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, false

from twisted_pulp.catalog._dialects import BY_KEY
from twisted_pulp.catalog._linked import metadata

__all__ = ["metadata", "node", "report", "seal", "session"]

_ID = BigInteger().with_variant(Integer, "sqlite")
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

#: Somebody who is logged in to the dashboard with a token, whichever process they ask next. `hash`: sha256 of what the
#: cookie says, which nobody else knows. `used`: when, to the minute. `notice`: to be shown on the next page; `good`:
#: whether it is good news.
session = Table(
    "session",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("token_id", _ID, ForeignKey("token.id", ondelete="CASCADE"), nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float, nullable=False),
    Column("notice", Text, nullable=True),
    Column("good", Boolean, nullable=False, server_default=false()),
    Index(None, "token_id"),
    Index(None, "used"),
    **BY_KEY,
)

#: How far the run of a job with this `fence` is, for those who watch it from other processes. `received`: bytes that
#: have come, those of files that are not finished too; `parts`: as JSON.
report = Table(
    "report",
    metadata,
    Column("job_id", _ID, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False, server_default="0"),
    Column("parts", Text, nullable=False),
)
