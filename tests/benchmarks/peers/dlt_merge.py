"""dlt: the same table merged on `id` into one flat table, with its default settings.

Reads as dlt's own verified source for Airtable does: pyairtable's `iterate`, a resource for the table, the
columns that hold something. Where that source replaces the table, this one merges, as an import that is run
again must. Runs in the peers' environment.
"""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import dlt
import psycopg2.extensions
import pyairtable


def pages() -> Iterator[list[dict[str, Any]]]:
    """The table's pages, each record's id and cells on one level."""
    api = pyairtable.Api(os.environ["SOURCE_TOKEN"], endpoint_url=os.environ["SOURCE_URL"])
    table = api.table(os.environ["SOURCE_BASE"], os.environ["SOURCE_TABLE"])
    for page in table.iterate():
        yield [{"id": record["id"], **record["fields"]} for record in page]


def address() -> str:
    """The database in the form that dlt reads: a socket stands as the host, and a password must be named."""
    parts = psycopg2.extensions.parse_dsn(os.environ["DATABASE_URL"])
    user, host = quote(parts["user"], safe=""), quote(parts["host"], safe="")
    password = quote(parts.get("password", "none"), safe="")
    return f"postgresql://{user}:{password}@{host}:{parts['port']}/{parts['dbname']}"


def main() -> None:
    """Extract, normalize and load once."""
    resource = dlt.resource(pages, name="conversations", primary_key="id", write_disposition="merge")
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        destination=dlt.destinations.postgres(credentials=address()),
        dataset_name="dlt",
    )
    pipeline.run(resource).raise_on_failed_jobs()


main()
