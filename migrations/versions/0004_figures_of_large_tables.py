"""Indexes with which figures stay fast while the table grows, and vacuums that come in time for them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LATEST = [sa.text("customer_id"), sa.text("occurred_at DESC"), sa.text("external_id DESC")]
ODD = "deleted_at IS NULL AND (other_booking_text IS NOT NULL OR date_status = 'unreadable')"


def upgrade() -> None:
    """Make the indexes anew, and let autovacuum look at the table more often."""
    op.create_index(
        "ix_conversations_location_days", "conversations", ["location_id", "client_id", "local_date"]
    )
    op.drop_index("ix_conversations_location_id_client_id", table_name="conversations")
    op.drop_index("ix_conversations_customer_latest", table_name="conversations")
    op.create_index(
        "ix_conversations_customer_latest", "conversations", LATEST, postgresql_include=["deleted_at"]
    )
    op.create_index(
        "ix_conversations_odd_texts", "conversations", ["local_date"], postgresql_where=sa.text(ODD)
    )
    op.create_index(
        "ix_bookings_unreadable",
        "bookings",
        ["conversation_id"],
        postgresql_where=sa.text("booked_for IS NULL"),
    )
    op.execute("""
        ALTER TABLE conversations SET (
            autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_insert_scale_factor = 0.01
        )
    """)


def downgrade() -> None:
    """Take it back."""
    op.execute("""
        ALTER TABLE conversations RESET (
            autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor
        )
    """)
    op.drop_index("ix_bookings_unreadable", table_name="bookings")
    op.drop_index("ix_conversations_odd_texts", table_name="conversations")
    op.drop_index("ix_conversations_customer_latest", table_name="conversations")
    op.create_index("ix_conversations_customer_latest", "conversations", LATEST)
    op.create_index("ix_conversations_location_id_client_id", "conversations", ["location_id", "client_id"])
    op.drop_index("ix_conversations_location_days", table_name="conversations")
