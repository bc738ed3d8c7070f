"""Which import brought a conversation, and which changed it last: numbers under a check, not foreign keys."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = ("first_import_id", "last_import_id")


def upgrade() -> None:
    """Drop both keys and their indexes; the check takes their place."""
    for column in COLUMNS:
        op.drop_constraint(op.f(f"fk_conversations_{column}"), "conversations", type_="foreignkey")
        op.drop_index(op.f(f"ix_conversations_{column}"), table_name="conversations")
    op.create_check_constraint(
        op.f("ck_conversations_imports"), "conversations", "first_import_id BETWEEN 1 AND last_import_id"
    )


def downgrade() -> None:
    """Make them again."""
    op.drop_constraint(op.f("ck_conversations_imports"), "conversations", type_="check")
    for column in COLUMNS:
        op.create_index(op.f(f"ix_conversations_{column}"), "conversations", [column])
        op.create_foreign_key(
            op.f(f"fk_conversations_{column}"), "conversations", "import_logs", [column], ["id"]
        )
