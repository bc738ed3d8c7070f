"""What pages call it: codes, columns and counters by the names that people read."""

from collections.abc import Mapping

from core.palette import MEASURES
from core.records import Column

TOTALS = ("conversations", "bookings", "leads", "engaged")
COUNT_NAMES: Mapping[str, str] = {measure: MEASURES[measure].label for measure in TOTALS}
MODES: Mapping[str, str] = {"full": "Everything", "incremental": "Changes"}
JOBS: Mapping[str, str] = {"import": "Changes", "reconcile": "Everything"}
TRIGGERS: Mapping[str, str] = {
    "manual": "By hand",
    "scheduler": "The schedule",
    "reconcile": "The weekly full import",
    "startup": "The server’s start",
}
PROGRAM = "A program (API)"
INCONSISTENCIES: Mapping[str, str] = {
    "unreadable_bookings": "Bookings without a readable date",
    "bookings_of_other_years": "Booking cells of other years",
    "bookings_of_a_new_year": "Booking cells of a coming year",
    "leads_without_engagement": "Leads without engagement",
    "automations_not_seeded": "Conversations of unknown automations",
    "unreadable_dates": "Conversations without a readable date",
    "rejected_records": "Rejected records",
    "source_count": "Records that source and database disagree about",
}
COUNTERS: Mapping[str, str] = {
    "processed": "Read",
    "created": "New",
    "updated": "Changed",
    "unchanged": "Unchanged",
    "rejected": "Rejected",
    "deleted": "Deleted",
    "missed": "Changes that earlier imports had missed",
    "retries": "Requests that were tried again",
}
# Results that need nobody's eye.
WELL = frozenset({"succeeded", "cancelled", "running"})
RARE = frozenset({"missed", "retries"})
REASONS: Mapping[str, str] = {
    "missing_clinic": "The Clinic cell is empty",
    "missing_user_id": "The User ID cell is empty",
    "too_long": "A cell is over 500 characters long",
    "malformed_record": "Not a record as Airtable has them",
    "database_error": "The database refused the record",
}
MENDING: Mapping[str, str] = {
    "missing_clinic": "Fill the Clinic cell in Airtable.",
    "missing_user_id": "Fill the User ID cell in Airtable.",
    "too_long": "Shorten the cells Clinic, Automation and User ID to 500 characters in Airtable.",
    "malformed_record": "Look at the record in Airtable; if it looks right, copy it and delete the old one.",
    "database_error": "Nothing, at first: each import tries it again. If it stays, look for odd or very long "
    "text in its cells.",
}
RECORD_NAMES: Mapping[str, str] = {
    "external_id": "Airtable record",
    "occurred_at": "When",
    "clinic": "Clinic",
    "automation": "Automation",
    "engaged": "Engaged",
    "lead_created": "Lead",
    "booked": "Booking",
    "booked_for": "Booked for",
    "contact": "Contact on file (hidden)",
    "detail": "What is odd",
    "reason": "Why it was rejected",
    "rejected_at": "Rejected",
    "resolved_at": "Resolved",
    "cells": "Cells (contact data hidden)",
    "import_id": "Import",
    "address": "Open in Airtable",
    "state": "In the figures",
}
CONTACT_NAMES: Mapping[str, Column] = {
    "user_id": Column.USER_ID,
    "name": Column.NAME,
    "email": Column.EMAIL,
    "phone": Column.PHONE,
    "booking": Column.BOOKING,
}
# What the rules answer (core.samples.as_json), in words.
RESULT_NAMES: Mapping[str, str] = {
    "clinic": "Clinic",
    "automation": "Automation",
    "userId": "User ID",
    "name": "Name",
    "email": "Email",
    "phone": "Phone",
    "occurredAt": "Took place",
    "dateStatus": "Conversation Date",
    "localDate": "Counted on",
    "localHour": "Hour",
    "engaged": "Engaged",
    "leadCreated": "Lead",
    "bookingText": "Booking",
    "bookedFor": "Booked for",
    "otherBookingText": "Booking cell that makes no booking",
}
MOMENTS = frozenset({"occurredAt", "bookedFor"})
DATE_STATUSES: Mapping[str, str] = {
    "read": "Read from the cell",
    "absent": "The cell is empty: the record's own creation counts",
    "unreadable": "The cell cannot be read: the record's own creation counts",
}
