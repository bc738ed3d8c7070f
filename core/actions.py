"""What a person may do on a page: buttons that viewers do not see, and what came of pressing them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import streamlit as st

from core import service, visit
from core.errors import ProductError
from core.importer import Order
from core.links import RECORD, RUN
from core.log import Log
from core.probe import ConnectionReport
from core.runs import Mode, Trigger

OPENED, TESTED, TOLD = "_opened", "_tested", "_told"
AGAIN = "Tries rejected records again."
log = Log("server")


# Imports


def import_buttons() -> None:
    """*Import changes* and *Import everything*, or *Cancel import* while one runs; nothing for viewers."""
    if not visit.view().person.may_press:
        return
    if visit.view().standing.running is not None:
        _cancel_button()
        return
    source, first = visit.view().source, visit.view().standing.as_of is None
    st.button(
        "Import changes",
        icon=":material/sync:",
        type="secondary" if first else "primary",
        help=f"Reads what changed in {source} since the last import.",
        on_click=start_import,
        args=(Mode.INCREMENTAL,),
    )
    st.button(
        "Import everything",
        icon=":material/cloud_download:",
        type="primary" if first else "secondary",
        help=f"Reads all records, and removes what {source} no longer has.",
        on_click=start_import,
        args=(Mode.FULL,),
    )


def _cancel_button() -> None:
    st.button(
        "Cancel import",
        icon=":material/cancel:",
        help="Stops at the next batch. What is already imported stays.",
        on_click=cancel_import,
    )


def try_again_button() -> None:
    """Reads the open rejected records once more; nothing for viewers, and while an import runs."""
    if visit.view().person.may_press and visit.view().standing.running is None:
        st.button(
            "Try again",
            icon=":material/replay:",
            help="Reads the open rejected records once more, and nothing else.",
            on_click=try_again,
        )


def run_again_button(ended: Mapping[str, Any]) -> None:
    """The same import once more, and its own view to watch it; nothing for viewers, and while one runs."""
    if visit.view().person.may_press and visit.view().standing.running is None:
        st.button(
            "Run it again",
            icon=":material/replay:",
            type="primary",
            help="Starts an import of the same kind, and shows how it goes.",
            on_click=run_again,
            args=(Mode(ended["mode"]), bool(ended["only_rejected"])),
        )


def allow_deletion_button() -> None:
    """A full import that may delete whatever Airtable no longer has; nothing for viewers."""
    if visit.view().person.may_press and visit.view().standing.running is None:
        st.button(
            "Import everything and allow the deletion",
            icon=":material/delete_sweep:",
            on_click=start_import,
            args=(Mode.FULL, True),
        )


def start_import(mode: Mode, allow_mass_delete: bool = False) -> None:
    """Begin an import by the person who looks at the page."""
    _act(
        lambda who: service.current().start_import(
            Order(mode, Trigger.MANUAL, who, allow_mass_delete=allow_mass_delete)
        ),
        "Import {} has started.",
    )


def run_again(mode: Mode, only_rejected: bool) -> None:
    """Begin an import of this kind by the person who looks at the page, and show its own view."""

    def start(who: str) -> int:
        notes = AGAIN if only_rejected else None
        order = Order(mode, Trigger.MANUAL, who, notes=notes, only_rejected=only_rejected)
        import_id = service.current().start_import(order)
        st.query_params[RUN] = str(import_id)
        return import_id

    _act(start, "Import {} has started.")


def cancel_import() -> None:
    """Ask the running import to stop."""
    _act(lambda who: service.current().cancel_import(who), "Import {} was asked to stop.")


def try_again() -> None:
    """Begin an import of the open rejected records alone."""
    order = partial(Order, Mode.INCREMENTAL, Trigger.MANUAL, notes=AGAIN, only_rejected=True)
    _act(lambda who: service.current().start_import(order(who)), "Import {} has started.")


# The schedule


def schedule_button(*, paused: bool) -> None:
    """The schedule's switch; nothing for viewers."""
    if not visit.view().person.may_press:
        return
    if paused:
        st.button("Resume", icon=":material/play_arrow:", on_click=resume_schedule, key="resume")
    else:
        st.button("Pause", icon=":material/pause:", on_click=pause_schedule, key="pause")


def pause_schedule() -> None:
    """Let no scheduled import start, until somebody resumes the schedule."""
    _act(lambda who: service.current().pause_scheduler(who), "Scheduled imports are paused.")


def resume_schedule() -> None:
    """Let scheduled imports start again."""
    _act(lambda who: service.current().resume_scheduler(who), "Scheduled imports are resumed.")


# Contact data and the connection


def opened_contact(external_id: str) -> bool:
    """Whether an operator has opened this record's contact data; if not, the button that opens them."""
    if not visit.view().person.may_press:
        return False
    if st.session_state.get(OPENED) == external_id:
        return True
    st.button(
        "Show contact data",
        icon=":material/visibility:",
        help="Who opened which record is logged.",
        on_click=open_contact,
        args=(external_id,),
    )
    return False


def open_contact(external_id: str) -> None:
    """Let an operator see one record's contact data, until the page shows something else; logs who."""

    def note(who: str) -> str:
        log.info("record_opened", record=external_id, by=who)
        st.session_state[OPENED] = external_id
        return external_id

    _act(note, "Opened. It is logged that you did.")


def close_contact() -> None:
    """Hide contact data again once the page shows something else."""
    if st.query_params.get(RECORD) != st.session_state.get(OPENED):
        st.session_state.pop(OPENED, None)


def connection_test() -> ConnectionReport | None:
    """The button that asks Airtable for one page, and what came of it; no button for viewers."""
    if visit.view().person.may_press and st.button("Test the connection", icon=":material/lan:"):
        with st.spinner(f"Asking {visit.view().source}."):
            st.session_state[TESTED] = service.current().test_connection()
    return cast("ConnectionReport | None", st.session_state.get(TESTED))


# What came of it


@visit.while_served()
def _act(action: Callable[[str], object], done: str) -> None:
    """Let an operator act, and tell at the top of the page what came of it."""
    who = visit.person()
    if not who.may_press:
        _tell("Only operators may do this. Ask one, or sign in as one.", good=False)
        return
    try:
        answer = action(who.name)
    except ProductError as error:
        _tell(error.message, good=False)
    else:
        _tell(done.format(answer), good=True)


def _tell(said: str, *, good: bool) -> None:
    st.session_state[TOLD] = (said, good)


def show_answer() -> None:
    """What came of the last action; said once."""
    said, good = st.session_state.pop(TOLD, (None, True))
    if said is None:
        return
    if good:
        st.toast(said, icon=":material/check_circle:")
    else:
        st.error(said, icon=":material/error:")
