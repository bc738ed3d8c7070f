"""The declared tables (spec, section 7). Migrations make them; a test holds both equal.

Figures count what is live: conversations whose `deleted_at` is null, and the bookings and leads that
exist. What charts need stands on the conversation's own row, under one covering index.
"""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _moment(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _bytewise(name: str) -> Column[str]:
    """Text that is compared byte by byte, as record ids and User IDs are (spec, section 2)."""
    return Column(name, Text(collation="C"), nullable=False)


data_source = Table(
    "data_source",
    metadata,
    Column("id", Boolean, primary_key=True, server_default=text("true")),
    Column("identity", Text, nullable=False),
    _moment("recorded_at"),
    CheckConstraint("id", name="single"),
)

import_logs = Table(
    "import_logs",
    metadata,
    _id(),
    Column("trigger", Text, nullable=False),
    Column("triggered_by", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    _moment("started_at"),
    _moment("completed_at", nullable=True),
    _count("processed"),
    _count("created"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("rejected"),
    _count("missed"),
    _count("retries"),
    Column("records_per_second", REAL),
    Column("errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("notes", Text),
    # The four totals and the inconsistency counts as the run left them.
    Column("conversations", Integer),
    Column("bookings", Integer),
    Column("leads", Integer),
    Column("engaged", Integer),
    Column("inconsistencies", JSONB),
    # How the run stands: written in each batch's own transaction, and between batches.
    _count("batches"),
    _count("pages"),
    Column("progress", JSONB),
    Column("heartbeat_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    _moment("cancel_requested_at", nullable=True),
    Column("cancel_requested_by", Text),
    Column("changed_data", Boolean, nullable=False, server_default=text("false")),
    # What the next run builds on.
    _moment("source_started_at", nullable=True),
    _moment("watermark", nullable=True),
    Column("fingerprint", Text, nullable=False, server_default=text("''")),
    Column("allow_mass_delete", Boolean, nullable=False, server_default=text("false")),
    Column("refused_deletions", ARRAY(BigInteger)),
    # A run that read the rejected records alone says nothing of all the others.
    Column("only_rejected", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("trigger IN ('startup', 'scheduler', 'reconcile', 'manual')", name="trigger"),
    CheckConstraint("mode IN ('full', 'incremental')", name="mode"),
    CheckConstraint(
        "status IN ('running', 'succeeded', 'partial', 'failed', 'cancelled', 'interrupted')", name="status"
    ),
    CheckConstraint("(status = 'running') = (completed_at IS NULL)", name="completed"),
    CheckConstraint("status IN ('running', 'succeeded') OR errors <> '[]'", name="told"),
    CheckConstraint("status <> 'succeeded' OR watermark IS NOT NULL", name="watermark"),
    CheckConstraint(
        "least(processed, created, updated, unchanged, deleted, rejected, missed, retries) >= 0",
        name="counts",
    ),
    Index("uq_import_logs_running", "status", unique=True, postgresql_where=text("status = 'running'")),
    Index("ix_import_logs_succeeded", "id", postgresql_where=text("status = 'succeeded'")),
    Index("ix_import_logs_changed_data", "id", postgresql_where=text("changed_data")),
    Index(
        "ix_import_logs_only_rejected",
        "id",
        postgresql_where=text("only_rejected AND status = 'succeeded'"),
    ),
)

clients = Table(
    "clients",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("name_key", Text(collation="C"), nullable=False, unique=True),
    CheckConstraint("name <> '' AND name_key <> ''", name="named"),
)

locations = Table(
    "locations",
    metadata,
    _id(),
    Column("client_id", BigInteger, ForeignKey("clients.id"), nullable=False),
    Column("name", Text, nullable=False),
    CheckConstraint("name <> ''", name="named"),
    UniqueConstraint("client_id", "name"),
    UniqueConstraint("id", "client_id"),
)

automations = Table(
    "automations",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("name_key", Text(collation="C"), nullable=False, unique=True),
    CheckConstraint("name <> '' AND name_key <> ''", name="named"),
)

location_automations = Table(
    "location_automations",
    metadata,
    Column("location_id", BigInteger, ForeignKey("locations.id"), primary_key=True),
    Column("automation_id", BigInteger, ForeignKey("automations.id"), primary_key=True, index=True),
)

customers = Table(
    "customers",
    metadata,
    _id(),
    _bytewise("external_id"),
    Column("name", Text),
    Column("email", Text),
    Column("phone", Text),
    CheckConstraint("external_id <> ''", name="identified"),
    UniqueConstraint("external_id"),
)

conversations = Table(
    "conversations",
    metadata,
    _id(),
    _bytewise("external_id"),
    Column("client_id", BigInteger, nullable=False),
    Column("location_id", BigInteger, nullable=False),
    Column("automation_id", BigInteger, nullable=False),
    Column("customer_id", BigInteger, ForeignKey("customers.id"), nullable=False),
    _moment("occurred_at"),
    Column("date_status", Text, nullable=False),
    Column("local_date", Date, nullable=False),
    Column("local_hour", SmallInteger, nullable=False),
    Column("engaged", Boolean, nullable=False),
    Column("lead_created", Boolean, nullable=False),
    Column("booked", Boolean, nullable=False),
    Column("other_booking_text", Text),
    # What this conversation says of its customer; erased when it is deleted.
    Column("contact_name", Text),
    Column("contact_email", Text),
    Column("contact_phone", Text),
    # Rows of `import_logs`, which nobody deletes: foreign keys would cost a first import 5 % of its time.
    Column("first_import_id", BigInteger, nullable=False),
    Column("last_import_id", BigInteger, nullable=False),
    _moment("deleted_at", nullable=True),
    UniqueConstraint("external_id"),
    # A location belongs to its client, and every location offers every automation.
    ForeignKeyConstraint(["location_id", "client_id"], ["locations.id", "locations.client_id"]),
    ForeignKeyConstraint(
        ["location_id", "automation_id"],
        ["location_automations.location_id", "location_automations.automation_id"],
    ),
    CheckConstraint("external_id <> ''", name="identified"),
    CheckConstraint("local_hour BETWEEN 0 AND 23", name="local_hour"),
    CheckConstraint("first_import_id BETWEEN 1 AND last_import_id", name="imports"),
    CheckConstraint("date_status IN ('read', 'absent', 'unreadable')", name="date_status"),
    CheckConstraint("NOT booked OR other_booking_text IS NULL", name="one_booking"),
    CheckConstraint(
        "deleted_at IS NULL OR (NOT booked AND coalesce(contact_name, contact_email, contact_phone,"
        " other_booking_text) IS NULL)",
        name="erased",
    ),
    # The days of one clinic; and the foreign key.
    Index("ix_conversations_location_days", "location_id", "client_id", "local_date"),
    Index("ix_conversations_location_id_automation_id", "location_id", "automation_id"),
    # The customer's latest name, email and phone, newest first; deleted rows too, for the foreign key. With
    # `deleted_at` it alone tells how many customers there are.
    Index(
        "ix_conversations_customer_latest",
        "customer_id",
        text("occurred_at DESC"),
        text("external_id DESC"),
        postgresql_include=["deleted_at"],
    ),
    # All that figures and charts read.
    Index(
        "ix_conversations_figures",
        "local_date",
        "location_id",
        "automation_id",
        postgresql_include=["local_hour", "engaged", "lead_created", "booked", "occurred_at"],
        postgresql_where=text("deleted_at IS NULL"),
    ),
    # What looks odd in texts and dates; most conversations do not.
    Index(
        "ix_conversations_odd_texts",
        "local_date",
        postgresql_where=text(
            "deleted_at IS NULL AND (other_booking_text IS NOT NULL OR date_status = 'unreadable')"
        ),
    ),
    # An index alone answers only for pages that were vacuumed since they changed. Small changes add up: a few
    # thousand rows spoil a good part of the pages, and by default PostgreSQL waits for a fifth of the table.
    postgresql_with={
        "autovacuum_vacuum_threshold": 1000,
        "autovacuum_vacuum_scale_factor": 0,
        "autovacuum_vacuum_insert_scale_factor": 0.01,
    },
)

bookings = Table(
    "bookings",
    metadata,
    _id(),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), nullable=False, unique=True),
    Column("raw_text", Text, nullable=False),
    _moment("booked_for", nullable=True),
    CheckConstraint("raw_text <> ''", name="worded"),
    Index("ix_bookings_unreadable", "conversation_id", postgresql_where=text("booked_for IS NULL")),
)

leads = Table(
    "leads",
    metadata,
    _id(),
    Column("conversation_id", BigInteger, ForeignKey("conversations.id"), nullable=False, unique=True),
    Column("source", Text, nullable=False, server_default=text("'chatbot'")),
    CheckConstraint("source <> ''", name="sourced"),
)

rejected_records = Table(
    "rejected_records",
    metadata,
    _id(),
    Column("import_id", BigInteger, ForeignKey("import_logs.id"), nullable=False, index=True),
    _bytewise("external_id"),
    Column("reason", Text, nullable=False),
    Column("cells", JSONB),
    _moment("rejected_at"),
    _moment("resolved_at", nullable=True),
    CheckConstraint(
        "reason IN ('missing_clinic', 'missing_user_id', 'too_long', 'malformed_record', 'database_error')",
        name="reason",
    ),
    CheckConstraint("resolved_at IS NULL OR cells IS NULL", name="erased"),
    Index("ix_rejected_records_external_id", "external_id"),
    # One open row a record.
    Index(
        "uq_rejected_records_open", "external_id", unique=True, postgresql_where=text("resolved_at IS NULL")
    ),
)

scheduler_state = Table(
    "scheduler_state",
    metadata,
    Column("id", Boolean, primary_key=True, server_default=text("true")),
    Column("paused", Boolean, nullable=False),
    Column("changed_by", Text, nullable=False),
    _moment("changed_at"),
    CheckConstraint("id", name="single"),
)

scheduler_heartbeats = Table(
    "scheduler_heartbeats",
    metadata,
    Column("process", Text, primary_key=True),
    _moment("seen_at"),
    Column("timezone", Text, nullable=False),
    Column("jobs", JSONB, nullable=False),
)

scheduler_slots = Table(
    "scheduler_slots",
    metadata,
    Column("slot_at", DateTime(timezone=True), primary_key=True),
    Column("job", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("import_id", BigInteger, ForeignKey("import_logs.id"), index=True),
    _moment("recorded_at"),
    Column("process", Text),
    CheckConstraint("job IN ('import', 'reconcile')", name="job"),
    CheckConstraint("state IN ('taken', 'missed', 'paused')", name="state"),
)

# What each receiver of alerts was told and not yet told to be over; it is named by its address's digest.
alerts = Table(
    "alerts",
    metadata,
    Column("cause", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    _moment("told_at"),
    CheckConstraint("cause <> '' AND receiver <> ''", name="named"),
)
