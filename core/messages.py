"""What the HTTP API takes and answers beside the reports: typed, so that its document is true."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.reports import Report, SchedulerState
from core.text import clean

LONGEST_NOTE = 2000


class TriggerRequest(BaseModel):
    """The body of `POST /api/import/trigger`; none at all means the defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    incremental: bool = Field(default=True, description="Read what changed, or everything.")
    notes: Annotated[str | None, AfterValidator(lambda text: text and clean(text))] = Field(
        default=None, max_length=LONGEST_NOTE, description="Kept with the import's row."
    )
    allow_mass_delete: bool = Field(
        default=False, alias="allowMassDelete", description="Delete even most of the records."
    )


class Started(Report):
    """An import has begun."""

    import_id: int
    status: Literal["running"]
    mode: Literal["full", "incremental"]


class Cancelled(Report):
    """An import was asked to stop."""

    import_id: int


class SchedulerAnswer(Report):
    """The schedule after it was paused or resumed."""

    scheduler: SchedulerState


class Sample(Report):
    """Sample cells, and what the rules make of them."""

    name: str
    cells: dict[str, object]
    expected: dict[str, object]
    result: dict[str, object]
    ok: bool


class RulesReport(Report):
    """`GET /api/test/data-processor`."""

    ok: bool
    samples: list[Sample]


class Fault(Report):
    """What is wrong: `code` for programs, `message` for people."""

    code: str
    message: str


class ErrorAnswer(Report):
    """The body of every answer that is an error."""

    error: Fault


class Conflict(Report):
    """Another import is running; its id where its row is known already."""

    error: Fault
    current_import_id: int | None
