"""Every error of the product, grouped by what to do: retry, restart, stop.

A message is one clear line for the person who reads it: what happened, what to do. It never holds a
secret, a cell's content or a contact, so that it may be shown, stored and logged as it is.
"""


class ProductError(Exception):
    """The root: `code` is stable and for programs, the message is for people."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str) -> None:
        """Keep the one line that people see."""
        super().__init__(message)
        self.message = message


# Stop: trying again changes nothing until a person has changed something.


class SettingsError(ProductError):
    """A setting is wrong or missing; the message names the variable, one line for each fault."""

    code = "settings"
    exit_code = 2


class UsageError(ProductError):
    """A command or call was used in a way that does not exist."""

    code = "usage"
    exit_code = 2


class AddressError(ProductError):
    """The server cannot listen where HOST and PORT say."""

    code = "address"


class SourceMismatchError(ProductError):
    """The database holds the conversations of another source (spec, section 1)."""

    code = "source_mismatch"
    exit_code = 2


class ImportRunningError(ProductError):
    """Another import holds the lock; `import_id` names it where its row could be read."""

    code = "import_running"
    exit_code = 3

    def __init__(self, message: str, import_id: int | None) -> None:
        """Remember which import is running."""
        super().__init__(message)
        self.import_id = import_id


class NoImportRunningError(ProductError):
    """There is nothing to cancel."""

    code = "no_import_running"


class StoppingError(ProductError):
    """Nothing new is begun by a process that is being stopped."""

    code = "stopping"

    def __init__(self) -> None:
        """There is but one thing to say."""
        super().__init__("Nothing was begun: this process is being stopped.")


class NothingImportedError(ProductError):
    """A report was asked of a database that no import has filled yet."""

    code = "nothing_imported"


class EmbeddedServerError(ProductError):
    """The embedded PostgreSQL could not be made or started."""

    code = "embedded_server"


class DatabaseError(ProductError):
    """PostgreSQL answered with an error that is neither a record's fault nor passing."""

    code = "database"


class DatabaseUnavailableError(DatabaseError):
    """PostgreSQL cannot be reached, or lost the connection: retry."""

    code = "database_unavailable"


class SourceError(ProductError):
    """Airtable's answer stops the import (airtable's errors: https://airtable.com/developers/web/api/errors)."""

    code = "source"


class TokenRefusedError(SourceError):
    """401: the token is wrong or missing."""

    code = "authentication_failed"


class AccessDeniedError(SourceError):
    """403: often a wrong base or table name, or a token without the scope."""

    code = "access_denied"


class NotFoundError(SourceError):
    """404: no such base or table."""

    code = "not_found"


class UnknownColumnError(SourceError):
    """422 UNKNOWN_FIELD_NAME: a column that was asked for does not exist."""

    code = "unknown_column"


class RequestRefusedError(SourceError):
    """422 and other 4xx that no repetition mends, a wrong view or formula among them."""

    code = "request_refused"


class BillingLimitError(SourceError):
    """429 PUBLIC_API_BILLING_LIMIT_EXCEEDED: the month's calls are used up; waiting never helps."""

    code = "billing_limit"


class RateLimitError(SourceError):
    """429 for longer than the whole run may wait for it."""

    code = "rate_limited"


# Retry: the same request may succeed a moment later.


class RetryableSourceError(SourceError):
    """An outage, a broken connection or an answer that is not Airtable's."""

    code = "source_unavailable"

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """Remember how many seconds the source asked to be left alone for."""
        super().__init__(message)
        self.retry_after = retry_after


class MalformedAnswerError(RetryableSourceError):
    """A 200 that is no page: not JSON, cut short, or without its list of records."""

    code = "malformed_answer"


# Restart: the listing must begin again at its first page.


class ListingExpiredError(SourceError):
    """422 LIST_RECORDS_ITERATOR_NOT_AVAILABLE, or an offset that repeats."""

    code = "listing_expired"


# Not an error: a person or a signal asked the run to end.


class StoppedError(ProductError):
    """The run was asked to stop; whoever asked has said how it is to be recorded."""

    code = "stopped"

    def __init__(self) -> None:
        """There is nothing to say: the asker's words stand in the run's row."""
        super().__init__("Stopped.")


class SlotLostError(ProductError):
    """A slot of the schedule is not this process's to do any more: another one told it as missed."""

    code = "slot_lost"

    def __init__(self) -> None:
        """The message is for the log: whoever told it catches up."""
        super().__init__("Another process has told this slot as missed, and catches up.")


class LostRunError(ProductError):
    """Another process has declared this run ended, or begun another; its row stays as it is."""

    code = "lost_run"

    def __init__(self) -> None:
        """The message is for the log: the row already says how the run ended."""
        super().__init__("This import was declared ended by another process.")
