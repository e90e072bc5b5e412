"""Who is logged in, and how far runs are, is known to all processes that share a catalog."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the new tables."""
    op.create_table(
        "session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("token_id", _ID, nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("used", sa.Float(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=True),
        sa.Column("good", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["token_id"], ["token.id"], name=op.f("fk_session_token_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_session")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_session_token_id"), "session", ["token_id"], unique=False)
    op.create_index(op.f("ix_session_used"), "session", ["used"], unique=False)
    op.create_table(
        "report",
        sa.Column("job_id", _ID, nullable=False, autoincrement=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_report_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_report")),
    )
