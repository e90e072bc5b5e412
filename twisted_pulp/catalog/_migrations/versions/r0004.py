"""Files that pages of upstreams name are remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new table."""
    op.create_table(
        "linked",
        sa.Column("remote_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["remote_id"], ["remote.id"], name=op.f("fk_linked_remote_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("remote_id", "name", name=op.f("pk_linked")),
    )
