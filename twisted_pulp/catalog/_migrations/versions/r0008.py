"""Processes on one catalog share what they do: claims, shares of caps, and what one fetches for another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new tables."""
    op.create_table(
        "claim",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        _count("fence"),
        _count("beat"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_claim")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_claim_holder"), "claim", ["holder"], unique=False)
    op.create_table(
        "share",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        _count("slots", sa.Integer),
        _count("wanted", sa.Integer),
        _count("beat"),
        sa.PrimaryKeyConstraint("host", "holder", name=op.f("pk_share")),
        sqlite_with_rowid=False,
    )
    _fetches()


def _count(name: str, kind: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False, server_default="0")


def _fetches() -> None:
    op.create_table(
        "fetch",
        sa.Column("job_id", _ID, nullable=False, autoincrement=False),
        sa.Column("parent_id", _ID, nullable=False),
        sa.Column("parent_fence", sa.BigInteger(), nullable=False),
        sa.Column("remote_id", _ID, nullable=True),
        sa.Column("wanted", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_fetch_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_fetch")),
    )
    op.create_index(op.f("ix_fetch_parent_id"), "fetch", ["parent_id"], unique=False)
    op.create_table(
        "fetched",
        sa.Column("job_id", _ID, nullable=False, autoincrement=False),
        sa.Column("turn", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("artifact_id", _ID, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        _count("bytes"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_fetched_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "turn", name=op.f("pk_fetched")),
        sqlite_with_rowid=False,
    )
