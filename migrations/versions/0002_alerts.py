"""What the receivers of alerts were told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "alerts",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cause <> '' AND receiver <> ''", name=op.f("ck_alerts_named")),
        sa.PrimaryKeyConstraint("cause", "receiver", name=op.f("pk_alerts")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("alerts")
