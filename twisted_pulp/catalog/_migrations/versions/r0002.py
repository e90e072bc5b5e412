"""Files are found by their paths; files that were pulled through a Remote."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Order paths by their bytes, index them, and make the new table."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite compares bytes anyhow
        op.execute('ALTER TABLE content_artifact ALTER COLUMN path TYPE TEXT COLLATE "C"')
    op.create_index(op.f("ix_content_artifact_path"), "content_artifact", ["path"], unique=False)
    op.create_table(
        "pulled",
        sa.Column("remote_id", _ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("artifact_id", _ID, nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["remote_id"], ["remote.id"], name=op.f("fk_pulled_remote_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name=op.f("fk_pulled_artifact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("remote_id", "url", name=op.f("pk_pulled")),
    )
    op.create_index(op.f("ix_pulled_artifact_id"), "pulled", ["artifact_id"], unique=False)
