"""Connections note what they have committed: after a crash the server's own numbers may mean something else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the new table."""
    op.create_table(
        "committed",
        sa.Column("connection", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("noted", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_committed")),
    )
