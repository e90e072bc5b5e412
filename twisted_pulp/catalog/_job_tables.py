"""The tables of the daemon's work."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from twisted_pulp.catalog._claim_tables import metadata
from twisted_pulp.catalog._dialects import BY_KEY, ONCE, some

__all__ = ["item", "job", "metadata", "schedule", "token"]

_ID = BigInteger().with_variant(Integer, "sqlite")
_NONE = "0"
_UNFINISHED = "state IN ('waiting', 'running', 'paused')"


def _count(name: str, kind: type[BigInteger | Integer] = BigInteger) -> Column[int]:
    return Column(name, kind, nullable=False, server_default=_NONE)


#: One durable piece of work. `state` is also "draft" (still being handed in) or "deleted" (its items go bit by bit).
#: `rank`: minus the priority, so that an index has what comes first at its beginning. `remote` is "" and `owner` 0
#: where there is none. `run_after`: seconds since the epoch; null: at once. `attempts`: times it was begun;
#: `failures`, `deaths`: runs in a row that failed, and that died with their process. A run writes only as long as
#: `fence` is what it was when the run began; `beat` grows while its holder lives.
job = Table(
    "job",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("uid", String(22), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rank", Integer, nullable=False, server_default=_NONE),
    Column("remote", String(255), nullable=False, server_default=""),
    Column("owner", _ID, nullable=False, server_default=_NONE),
    Column("key", String(255), nullable=True),
    Column("fingerprint", String(64), nullable=True),
    Column("schedule", String(255), nullable=True),
    Column("payload", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("run_after", Float, nullable=True),
    Column("started", Float, nullable=True),
    Column("finished", Float, nullable=True),
    _count("attempts", Integer),
    _count("failures", Integer),
    _count("deaths", Integer),
    Column("holder", String(255), nullable=True),
    _count("fence"),
    _count("beat"),
    _count("total"),
    _count("done"),
    _count("failed"),
    _count("bytes"),
    Column("result", JSON, nullable=True),
    Column("error", Text, nullable=True),
    Column("parked", Boolean, nullable=False, server_default=false()),
    Index(None, "state", "id"),
    Index(None, "kind", "id"),
    Index(None, "kind", "state", "id"),
    Index(None, "remote", "id"),
    Index(None, "owner", "id"),
    some("ix_job_ready", "remote", "rank", "id", where="state = 'waiting' AND run_after IS NULL"),
    some("ix_job_run_after", "run_after", where="state = 'waiting' AND run_after IS NOT NULL"),
    some("ix_job_finished", "finished", where="finished IS NOT NULL"),
    Index("uq_job_key", "key", "owner", unique=True),
    # Two jobs of one schedule are never there at once, whoever makes them.
    some("uq_job_schedule", "schedule", where=f"schedule IS NOT NULL AND {_UNFINISHED}", unique=True),
    **ONCE,
)

#: One file of a job. `url`: fit to be shown; where that hides something, `secret` has the URL itself, sealed.
#: `digests`: as JSON text, those expected.
item = Table(
    "item",
    metadata,
    Column("job_id", _ID, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, nullable=True),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=True),
    Column("digests", Text, nullable=True),
    Column("state", String(16), nullable=False),
    _count("attempts", Integer),
    _count("bytes"),
    Column("sha256", String(64), nullable=True),
    Column("error", Text, nullable=True),
    Column("finished", Float, nullable=True),
    Index(None, "job_id", "state", "number"),
    **BY_KEY,
)

#: What is done again and again. `spec`: kind, payload, and how often. `next_at`: seconds since the epoch. `fired`: how
#: often it was; of several processes that want to, the first to count up makes the job, whose uid is `last_uid`.
schedule = Table(
    "schedule",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("spec", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("next_at", Float, nullable=False),
    _count("fired"),
    Column("last_uid", String(22), nullable=True),
)

#: Who may use the API. A token is 256 random bits, so that one round of sha256 keeps it from whoever reads `hash`:
#: there is nothing to be guessed that slow hashing would protect. `scopes`: words.
token = Table(
    "token",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float, nullable=True),
    Column("expires", Float, nullable=True),
    UniqueConstraint("name"),
    UniqueConstraint("hash"),
    **ONCE,
)
