"""Which process took a slot, and which imports read the rejected records alone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was taken before was taken by nobody who still lives."""
    op.add_column("scheduler_slots", sa.Column("process", sa.Text(), nullable=True))
    op.add_column(
        "import_logs",
        sa.Column("only_rejected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        op.f("ix_import_logs_only_rejected"),
        "import_logs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("only_rejected AND status = 'succeeded'"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_import_logs_only_rejected"), table_name="import_logs")
    op.drop_column("import_logs", "only_rejected")
    op.drop_column("scheduler_slots", "process")
