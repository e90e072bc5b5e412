"""Responses of upstreams that may change are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new table."""
    op.create_table(
        "cached",
        sa.Column("id", _ID, nullable=False),
        sa.Column("remote_id", _ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("artifact_id", _ID, nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("vary", sa.Text(), nullable=False),
        sa.Column("requested", sa.Float(), nullable=False),
        sa.Column("received", sa.Float(), nullable=False),
        sa.Column("used", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["remote_id"], ["remote.id"], name=op.f("fk_cached_remote_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name=op.f("fk_cached_artifact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cached")),
        sa.UniqueConstraint("url", "kind", "remote_id", name=op.f("uq_cached_url_kind_remote_id")),
    )
    op.create_index(op.f("ix_cached_artifact_id"), "cached", ["artifact_id"], unique=False)
    op.create_index(op.f("ix_cached_used"), "cached", ["used"], unique=False)
