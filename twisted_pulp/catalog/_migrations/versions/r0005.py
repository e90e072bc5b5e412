"""The work of the daemon is kept: jobs with their items, schedules; and tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_READY = "state = 'waiting' AND run_after IS NULL"
_LATER = "state = 'waiting' AND run_after IS NOT NULL"
_SCHEDULED = "schedule IS NOT NULL AND state IN ('waiting', 'running', 'paused')"


def upgrade() -> None:
    """Make the new tables."""
    _jobs()
    _items()
    op.create_table(
        "schedule",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        _count("fired"),
        sa.Column("last_uid", sa.String(length=22), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sa.UniqueConstraint("name", name=op.f("uq_schedule_name")),
    )
    op.create_table(
        "token",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=255), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("used", sa.Float(), nullable=True),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("name", name=op.f("uq_token_name")),
        sa.UniqueConstraint("hash", name=op.f("uq_token_hash")),
        sqlite_autoincrement=True,
    )


def _count(name: str, kind: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False, server_default="0")


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", _ID, nullable=False),
        sa.Column("uid", sa.String(length=22), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        _count("rank", sa.Integer),
        sa.Column("remote", sa.String(length=255), nullable=False, server_default=""),
        sa.Column("owner", _ID, nullable=False, server_default="0"),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("schedule", sa.String(length=255), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("run_after", sa.Float(), nullable=True),
        sa.Column("started", sa.Float(), nullable=True),
        sa.Column("finished", sa.Float(), nullable=True),
        _count("attempts", sa.Integer),
        _count("failures", sa.Integer),
        _count("deaths", sa.Integer),
        sa.Column("holder", sa.String(length=255), nullable=True),
        *map(_count, ("fence", "beat", "total", "done", "failed", "bytes")),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("parked", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("uid", name=op.f("uq_job_uid")),
        sqlite_autoincrement=True,
    )
    for columns in (["state", "id"], ["kind", "id"], ["kind", "state", "id"], ["remote", "id"], ["owner", "id"]):
        op.create_index(op.f("ix_job_" + "_".join(columns)), "job", columns, unique=False)
    op.create_index(op.f("uq_job_key"), "job", ["key", "owner"], unique=True)
    _some("ix_job_ready", ["remote", "rank", "id"], _READY)
    _some("ix_job_run_after", ["run_after"], _LATER)
    _some("ix_job_finished", ["finished"], "finished IS NOT NULL")
    _some("uq_job_schedule", ["schedule"], _SCHEDULED, unique=True)


def _some(name: str, columns: list[str], where: str, unique: bool = False) -> None:
    only = sa.text(where)
    op.create_index(op.f(name), "job", columns, unique=unique, sqlite_where=only, postgresql_where=only)


def _items() -> None:
    op.create_table(
        "item",
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("digests", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        _count("attempts", sa.Integer),
        _count("bytes"),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_item_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_item")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_item_job_id_state_number"), "item", ["job_id", "state", "number"], unique=False)
