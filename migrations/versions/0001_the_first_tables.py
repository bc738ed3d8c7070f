"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first tables."""
    op.create_table(
        "automations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("name <> '' AND name_key <> ''", name=op.f("ck_automations_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automations")),
        sa.UniqueConstraint("name_key", name=op.f("uq_automations_name_key")),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(collation="C"), nullable=False),
        sa.CheckConstraint("name <> '' AND name_key <> ''", name=op.f("ck_clients_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("name_key", name=op.f("uq_clients_name_key")),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.CheckConstraint("external_id <> ''", name=op.f("ck_customers_identified")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("external_id", name=op.f("uq_customers_external_id")),
    )
    op.create_table(
        "data_source",
        sa.Column("id", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id", name=op.f("ck_data_source_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_source")),
    )
    op.create_table(
        "import_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("triggered_by", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deleted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("missed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("records_per_second", sa.REAL(), nullable=True),
        sa.Column(
            "errors", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("conversations", sa.Integer(), nullable=True),
        sa.Column("bookings", sa.Integer(), nullable=True),
        sa.Column("leads", sa.Integer(), nullable=True),
        sa.Column("engaged", sa.Integer(), nullable=True),
        sa.Column("inconsistencies", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("batches", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("pages", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_by", sa.Text(), nullable=True),
        sa.Column("changed_data", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("source_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fingerprint", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("allow_mass_delete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refused_deletions", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.CheckConstraint(
            "(status = 'running') = (completed_at IS NULL)", name=op.f("ck_import_logs_completed")
        ),
        sa.CheckConstraint("mode IN ('full', 'incremental')", name=op.f("ck_import_logs_mode")),
        sa.CheckConstraint(
            "status <> 'succeeded' OR watermark IS NOT NULL", name=op.f("ck_import_logs_watermark")
        ),
        sa.CheckConstraint(
            "status IN ('running', 'succeeded') OR errors <> '[]'", name=op.f("ck_import_logs_told")
        ),
        sa.CheckConstraint(
            "status IN ('running', 'succeeded', 'partial', 'failed', 'cancelled', 'interrupted')",
            name=op.f("ck_import_logs_status"),
        ),
        sa.CheckConstraint(
            "trigger IN ('startup', 'scheduler', 'reconcile', 'manual')", name=op.f("ck_import_logs_trigger")
        ),
        sa.CheckConstraint(
            "least(processed, created, updated, unchanged, deleted, rejected, missed, retries) >= 0",
            name=op.f("ck_import_logs_counts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_logs")),
    )
    op.create_index(
        "ix_import_logs_changed_data",
        "import_logs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("changed_data"),
    )
    op.create_index(
        "ix_import_logs_succeeded",
        "import_logs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'succeeded'"),
    )
    op.create_index(
        "uq_import_logs_running",
        "import_logs",
        ["status"],
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "scheduler_heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("jobs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_scheduler_heartbeats")),
    )
    op.create_table(
        "scheduler_state",
        sa.Column("id", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id", name=op.f("ck_scheduler_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduler_state")),
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_locations_named")),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("fk_locations_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
        sa.UniqueConstraint("client_id", "name", name=op.f("uq_locations_client_id_name")),
        sa.UniqueConstraint("id", "client_id", name=op.f("uq_locations_id_client_id")),
    )
    op.create_table(
        "rejected_records",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cells", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "reason IN ('missing_clinic', 'missing_user_id', 'too_long', 'malformed_record',"
            " 'database_error')",
            name=op.f("ck_rejected_records_reason"),
        ),
        sa.CheckConstraint("resolved_at IS NULL OR cells IS NULL", name=op.f("ck_rejected_records_erased")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["import_logs.id"], name=op.f("fk_rejected_records_import_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_records")),
    )
    op.create_index("ix_rejected_records_external_id", "rejected_records", ["external_id"], unique=False)
    op.create_index(op.f("ix_rejected_records_import_id"), "rejected_records", ["import_id"], unique=False)
    op.create_index(
        "uq_rejected_records_open",
        "rejected_records",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "scheduler_slots",
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("job IN ('import', 'reconcile')", name=op.f("ck_scheduler_slots_job")),
        sa.CheckConstraint("state IN ('taken', 'missed', 'paused')", name=op.f("ck_scheduler_slots_state")),
        sa.ForeignKeyConstraint(["import_id"], ["import_logs.id"], name=op.f("fk_scheduler_slots_import_id")),
        sa.PrimaryKeyConstraint("slot_at", name=op.f("pk_scheduler_slots")),
    )
    op.create_index(op.f("ix_scheduler_slots_import_id"), "scheduler_slots", ["import_id"], unique=False)
    op.create_table(
        "location_automations",
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("automation_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["automation_id"], ["automations.id"], name=op.f("fk_location_automations_automation_id")
        ),
        sa.ForeignKeyConstraint(
            ["location_id"], ["locations.id"], name=op.f("fk_location_automations_location_id")
        ),
        sa.PrimaryKeyConstraint("location_id", "automation_id", name=op.f("pk_location_automations")),
    )
    op.create_index(
        op.f("ix_location_automations_automation_id"), "location_automations", ["automation_id"], unique=False
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("client_id", sa.BigInteger(), nullable=False),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("automation_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("date_status", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=False),
        sa.Column("local_hour", sa.SmallInteger(), nullable=False),
        sa.Column("engaged", sa.Boolean(), nullable=False),
        sa.Column("lead_created", sa.Boolean(), nullable=False),
        sa.Column("booked", sa.Boolean(), nullable=False),
        sa.Column("other_booking_text", sa.Text(), nullable=True),
        sa.Column("contact_name", sa.Text(), nullable=True),
        sa.Column("contact_email", sa.Text(), nullable=True),
        sa.Column("contact_phone", sa.Text(), nullable=True),
        sa.Column("first_import_id", sa.BigInteger(), nullable=False),
        sa.Column("last_import_id", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "date_status IN ('read', 'absent', 'unreadable')", name=op.f("ck_conversations_date_status")
        ),
        sa.CheckConstraint("external_id <> ''", name=op.f("ck_conversations_identified")),
        sa.CheckConstraint(
            "NOT booked OR other_booking_text IS NULL", name=op.f("ck_conversations_one_booking")
        ),
        sa.CheckConstraint(
            "deleted_at IS NULL OR (NOT booked AND coalesce(contact_name, contact_email,"
            " contact_phone, other_booking_text) IS NULL)",
            name=op.f("ck_conversations_erased"),
        ),
        sa.CheckConstraint("local_hour BETWEEN 0 AND 23", name=op.f("ck_conversations_local_hour")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_conversations_customer_id")),
        sa.ForeignKeyConstraint(
            ["first_import_id"], ["import_logs.id"], name=op.f("fk_conversations_first_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["last_import_id"], ["import_logs.id"], name=op.f("fk_conversations_last_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["location_id", "automation_id"],
            ["location_automations.location_id", "location_automations.automation_id"],
            name=op.f("fk_conversations_location_id_automation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["location_id", "client_id"],
            ["locations.id", "locations.client_id"],
            name=op.f("fk_conversations_location_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("external_id", name=op.f("uq_conversations_external_id")),
    )
    op.create_index(
        "ix_conversations_customer_latest",
        "conversations",
        ["customer_id", sa.literal_column("occurred_at DESC"), sa.literal_column("external_id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_conversations_figures",
        "conversations",
        ["local_date", "location_id", "automation_id"],
        unique=False,
        postgresql_include=["local_hour", "engaged", "lead_created", "booked", "occurred_at"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        op.f("ix_conversations_first_import_id"), "conversations", ["first_import_id"], unique=False
    )
    op.create_index(
        op.f("ix_conversations_last_import_id"), "conversations", ["last_import_id"], unique=False
    )
    op.create_index(
        "ix_conversations_location_id_automation_id",
        "conversations",
        ["location_id", "automation_id"],
        unique=False,
    )
    op.create_index(
        "ix_conversations_location_id_client_id", "conversations", ["location_id", "client_id"], unique=False
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("raw_text", sa.Text(), nullable=False),
        sa.Column("booked_for", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("raw_text <> ''", name=op.f("ck_bookings_worded")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_bookings_conversation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint("conversation_id", name=op.f("uq_bookings_conversation_id")),
    )
    op.create_table(
        "leads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("'chatbot'"), nullable=False),
        sa.CheckConstraint("source <> ''", name=op.f("ck_leads_sourced")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_leads_conversation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leads")),
        sa.UniqueConstraint("conversation_id", name=op.f("uq_leads_conversation_id")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("leads")
    op.drop_table("bookings")
    op.drop_index("ix_conversations_location_id_client_id", table_name="conversations")
    op.drop_index("ix_conversations_location_id_automation_id", table_name="conversations")
    op.drop_index(op.f("ix_conversations_last_import_id"), table_name="conversations")
    op.drop_index(op.f("ix_conversations_first_import_id"), table_name="conversations")
    op.drop_index(
        "ix_conversations_figures",
        table_name="conversations",
        postgresql_include=["local_hour", "engaged", "lead_created", "booked", "occurred_at"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.drop_index("ix_conversations_customer_latest", table_name="conversations")
    op.drop_table("conversations")
    op.drop_index(op.f("ix_location_automations_automation_id"), table_name="location_automations")
    op.drop_table("location_automations")
    op.drop_index(op.f("ix_scheduler_slots_import_id"), table_name="scheduler_slots")
    op.drop_table("scheduler_slots")
    op.drop_index(
        "uq_rejected_records_open",
        table_name="rejected_records",
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.drop_index(op.f("ix_rejected_records_import_id"), table_name="rejected_records")
    op.drop_index("ix_rejected_records_external_id", table_name="rejected_records")
    op.drop_table("rejected_records")
    op.drop_table("locations")
    op.drop_table("scheduler_state")
    op.drop_table("scheduler_heartbeats")
    op.drop_index(
        "uq_import_logs_running", table_name="import_logs", postgresql_where=sa.text("status = 'running'")
    )
    op.drop_index(
        "ix_import_logs_succeeded", table_name="import_logs", postgresql_where=sa.text("status = 'succeeded'")
    )
    op.drop_index(
        "ix_import_logs_changed_data", table_name="import_logs", postgresql_where=sa.text("changed_data")
    )
    op.drop_table("import_logs")
    op.drop_table("data_source")
    op.drop_table("customers")
    op.drop_table("clients")
    op.drop_table("automations")
