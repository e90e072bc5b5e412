"""What each host bears at once is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the new table."""
    op.create_table(
        "pace",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("host", "port", name=op.f("pk_pace")),
        sqlite_with_rowid=False,
    )
