"""Data quality: which records are not in the figures, and why; one record's own view by `?record=`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core import actions, grids, lookup, masking, outcome, panels, readable, samples, visit, words
from core.emptiness import unfilled
from core.links import RECORD, link
from core.names import CONTACT_NAMES, DATE_STATUSES, MENDING, REASONS
from core.questions import ask_now
from core.records import Column
from core.rules import Ruleset, decide

OPEN, RESOLVED = "Open", "Resolved"
MOST_FOUND = 50
TYPED = "recTyped"


def address_of(external_id: str) -> str | None:
    """Where Airtable shows the record."""
    base = None if settings.demo else settings.airtable_base_id
    return lookup.record_address(base, settings.airtable_table_name, external_id)


# Find a record


def find() -> None:
    """Type an Airtable id or a User ID, read whether it is in."""
    typed = st.text_input(
        "Find a record",
        key="find",
        placeholder="Airtable record id or address, or User ID",
        max_chars=600,
        help="Tells whether a record is in the figures, since which import, or why not.",
    )
    wanted = lookup.sought(typed)
    if wanted:
        tell(wanted)


def tell(wanted: str) -> None:
    """What is known of the records with this Airtable id or User ID, in a line each."""
    conversations, rejections = known(wanted)
    for row in rejections:
        line(row["external_id"], *rejected_words(row), ":material/block:")
    for row in conversations:
        line(row["external_id"], *conversation_words(row))
    if not conversations and not rejections:
        unknown(wanted)
    elif len(conversations) >= MOST_FOUND:
        st.caption(f"The newest {MOST_FOUND} are shown.")


def known(wanted: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Conversations and rejections of an Airtable id or User ID; a resolved one says nothing beside a row."""
    column = settings.columns[Column.USER_ID]
    conversations = ask_now(lookup.conversations, wanted, MOST_FOUND)
    rejections = ask_now(lookup.rejections_of, wanted, column, MOST_FOUND)
    current = [row for row in rejections if row["resolved_at"] is None]
    refused = {row["external_id"] for row in current}
    # What a rejected record was before says nothing beside why it was rejected.
    shown = [row for row in conversations if row["external_id"] not in refused]
    return shown, current or ([] if conversations else rejections[:1])


def line(external_id: str, state: str, more: str, icon: str) -> None:
    """One record in a link to its own view, and what there is to know below: a link does not wrap."""
    with st.container(gap=None):
        link("quality", f"**{words.plain(external_id)}** · {state}", icon, record=external_id)
        st.caption(more)


def rejected_words(row: Mapping[str, Any]) -> tuple[str, str]:
    """Since when a rejected record is not in, and why."""
    if row["resolved_at"] is not None:
        return "Not in", f"It was rejected, and Airtable no longer has it ({view.told(row['resolved_at'])})."
    return f"Not in, since import {row['import_id']}", f"{REASONS[row['reason']]}. {MENDING[row['reason']]}"


def conversation_words(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Since when a conversation is in, where it counts, and its icon."""
    if row["deleted_at"] is not None:
        state = f"Not in, since import {row['last_import_id']}"
        return state, "Airtable no longer has it, or it was rejected.", ":material/delete:"
    counted = f"Counted on {words.day(row['local_date'])} for {words.plain(row['clinic'])}."
    if row["booking_of_another_year"]:
        counted += (
            f" It makes no booking: its Booking cell names no year of {', '.join(settings.booking_years)}."
        )
    return f"In, since import {row['first_import_id']}", counted, ":material/check_circle:"


def unknown(wanted: str) -> None:
    """No import has read such a record: what may be the reason."""
    if view.standing.as_of is None:
        st.warning("No import has succeeded yet.", icon=":material/search_off:")
        return
    as_of = view.told(view.standing.as_of)
    where = "the demo's table" if settings.demo else f"the table {settings.airtable_table_name}"
    shown = f" and its view {settings.airtable_view}" if settings.airtable_view else ""
    st.warning(
        f"No import has read {words.plain(wanted)}. The data are as of {as_of}, and come from "
        f"{words.plain(where + shown)} alone. If it is newer, {outcome.ask_for('import the changes')}; if it "
        "is in another table or view, it is not counted. Capital and small letters are different ones.",
        icon=":material/search_off:",
    )


def lower(sentence: str) -> str:
    """A sentence in the middle of another one."""
    return sentence[0].lower() + sentence[1:]


# One record


def one(external_id: str) -> None:
    """A record's own view; its contact data stay hidden until an operator opens them."""
    link("quality", "Data quality", ":material/arrow_back:")
    st.title(f"Record {words.plain(external_id)}", anchor=False)
    conversations, rejections = (
        [row for row in rows if row["external_id"] == external_id] for rows in known(external_id)
    )
    if not conversations and not rejections:
        unknown(external_id)
        return
    address = address_of(external_id)
    with st.container(horizontal=True):
        if address is not None:
            st.link_button("Open in Airtable", address, icon=":material/open_in_new:")
        opened = actions.opened_contact(external_id)
    for row in rejections:
        rejected(row, opened=opened)
    for row in conversations:
        conversation(row, opened=opened)


def rejected(row: Mapping[str, Any], *, opened: bool) -> None:
    """Why a record is not in, with its cells."""
    st.warning(". ".join(rejected_words(row)), icon=":material/block:")
    link("imports", f"Import {row['import_id']}", ":material/sync:", run=str(row["import_id"]))
    cells = masking.cells(row["cells"], settings.columns, masked=not opened)
    held = [words.plain(readable.cell(cell, view.zone)) for cell in cells.values()]
    frame = pd.DataFrame({"Cell": list(cells), "Holds": held})
    st.table(frame, border="horizontal", hide_index=True)


def conversation(row: Mapping[str, Any], *, opened: bool) -> None:
    """What a record became."""
    state, more, icon = conversation_words(row)
    (st.info if row["deleted_at"] else st.success)(f"{state}. {more}", icon=icon)
    came, changed = row["first_import_id"], row["last_import_id"]
    alone = ", unchanged since" if came == changed else ""
    link("imports", f"Came with import {came}{alone}", ":material/sync:", run=str(came))
    if came != changed:
        link("imports", f"Last changed by import {changed}", ":material/sync:", run=str(changed))
    contact = ask_now(lookup.contact, row["external_id"])
    facts = {
        "Took place": f"{view.told(row['occurred_at'])} ({lower(date_words(row))})",
        "Clinic": row["clinic"],
        "Automation": row["automation"],
        "Engaged": "Yes" if row["engaged"] else "No",
        "Lead": "Yes" if row["lead_created"] else "No",
        "Booking": booking_words(row),
    }
    for name, column in CONTACT_NAMES.items():
        value = contact.get(name)
        label = "Booking cell" if column is Column.BOOKING else column.value
        facts[label] = (value if opened else masking.MASKS[column](value)) if value else words.NOTHING
    frame = pd.DataFrame({"What": list(facts), "Becomes": [words.plain(fact) for fact in facts.values()]})
    st.table(frame, border="horizontal", hide_index=True)


def date_words(row: Mapping[str, Any]) -> str:
    """Where the conversation's moment comes from."""
    return DATE_STATUSES[row["date_status"]]


def booking_words(row: Mapping[str, Any]) -> str:
    """Whether it makes a booking, and why not."""
    if row["booked"]:
        return (
            f"Yes, {words.booked_for(row['booked_for'], view.zone)}"
            if row["booked_for"]
            else "Yes, without a date"
        )
    years = ", ".join(settings.booking_years)
    return f"No: its cell names no year of {years}" if row["booking_of_another_year"] else "No"


# Rejected records


def rejected_records(counts: Mapping[str, tuple[int, int]]) -> None:
    """By reason, with what to mend."""
    total = sum(now for now, _ in counts.values())
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Rejected records", anchor=False, width="content")
        if total:
            actions.try_again_button()
    state = st.radio("State", [OPEN, RESOLVED], key="state", bind="query-params", horizontal=True)
    if state == OPEN and not total:
        st.success("No record is rejected now: all that was read is in.", icon=":material/verified:")
    for reason in REASONS:
        now, before = counts.get(reason, (0, 0))
        count = now if state == OPEN else before
        if count:
            with st.expander(f"**{words.number(count)}** {REASONS[reason]}", expanded=state == OPEN):
                of_reason(reason, resolved=state == RESOLVED)


def of_reason(reason: str, *, resolved: bool) -> None:
    """The records of one reason; a pressed row opens the record."""
    if not resolved:
        st.markdown(f"{MENDING[reason]} The next import reads what was changed.")
    title = f"{RESOLVED if resolved else 'Rejected'}, {lower(REASONS[reason])}"
    rows = ask_now(lookup.rejections, reason, resolved=resolved, limit=grids.limit(title))
    frame = pd.DataFrame(
        {
            "external_id": [row["external_id"] for row in rows],
            "address": [address_of(row["external_id"]) for row in rows],
            "rejected_at": [row["rejected_at"] for row in rows],
            "resolved_at": [row["resolved_at"] for row in rows],
            "import_id": [row["import_id"] for row in rows],
            "cells": [shown_cells(row) for row in rows],
        }
    )
    useless = {"cells"} if resolved else {"resolved_at"}
    shown = readable.records(
        frame.drop(columns=list(useless | ({"address"} if settings.demo else set()))), view.zone
    )
    links = {"Open in Airtable": st.column_config.LinkColumn(display_text="Open")}
    grids.pick(title, shown, [row["external_id"] for row in rows], links)


def shown_cells(row: Mapping[str, Any]) -> str:
    """The record's cells in one text, masked."""
    cells = masking.cells(row["cells"], settings.columns)
    return words.listed(f"{name}: {readable.cell(cell, view.zone)}" for name, cell in cells.items())


# Rule tester


def cells_typed() -> dict[str, str]:
    """A field for each cell, two in a row of a wide screen."""
    typed: dict[str, str] = {}
    columns = list(settings.columns.items())
    for first in range(0, len(columns), 2):
        for place, (column, name) in zip(st.columns(2), columns[first : first + 2], strict=False):
            with place:
                typed[name] = st.text_input(name, key=f"cell-{column.name}")
    return typed


def rule_tester() -> None:
    """Type cells, see what the rules make of them; nothing of it is kept."""
    st.header("Try the rules", anchor=False)
    st.caption(
        f"Type cells as they stand in Airtable. Bookings are those of {', '.join(settings.booking_years)}; "
        f"times without a zone are taken as in {view.zone}. What you type is not kept."
    )
    left, right = st.columns(2)
    with left:
        typed = cells_typed()
    record = {"id": TYPED, "createdTime": view.now.isoformat(), "fields": typed}
    ruleset = Ruleset(settings.columns, settings.booking_years, settings.timezone)
    decided = samples.as_json(decide(record, ruleset))
    with right:
        if not any(cell.strip() for cell in typed.values()):
            st.info("Clinic and User ID at least make a conversation.", icon=":material/edit:")
        elif decided["status"] == "rejected":
            st.warning(
                f"It would be rejected: {lower(REASONS[str(decided['reason'])])}.", icon=":material/block:"
            )
        else:
            st.success("It would be in the figures.", icon=":material/check_circle:")
            frame = readable.result(decided, view.zone)
            frame["Becomes"] = frame["Becomes"].map(words.plain)
            st.table(frame, border="horizontal", hide_index=True)


view = visit.view()
settings = view.settings
wanted = lookup.sought(st.query_params.get(RECORD, ""))
if wanted:
    one(wanted)
    st.stop()

panels.heading("Data quality", "Which records are not in the figures, and why?")
counts = ask_now(lookup.rejection_counts)
if counts or not unfilled(view):
    find()
    rejected_records(counts)
rule_tester()
