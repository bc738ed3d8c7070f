"""A home-made import: get or create, a record at a time, a commit each, as the older system did.

Every record asks for its clinic, location, automation and customer and makes what is missing, then inserts or
updates its conversation, booking and lead. Runs in the peers' environment.
"""

import os
from typing import Any

import psycopg2
import psycopg2.extensions
import pyairtable

TABLES = """
    CREATE TABLE IF NOT EXISTS clients (id serial PRIMARY KEY, name text UNIQUE);
    CREATE TABLE IF NOT EXISTS locations (id serial PRIMARY KEY, client_id int REFERENCES clients, name text,
        UNIQUE (client_id, name));
    CREATE TABLE IF NOT EXISTS automations (id serial PRIMARY KEY, name text UNIQUE);
    CREATE TABLE IF NOT EXISTS customers (id serial PRIMARY KEY, external_id text UNIQUE,
        name text, email text, phone text);
    CREATE TABLE IF NOT EXISTS conversations (id serial PRIMARY KEY, external_id text UNIQUE,
        client_id int REFERENCES clients, location_id int REFERENCES locations,
        automation_id int REFERENCES automations, customer_id int REFERENCES customers,
        occurred_at text, engaged boolean);
    CREATE TABLE IF NOT EXISTS bookings (id serial PRIMARY KEY,
        conversation_id int UNIQUE REFERENCES conversations, raw_text text);
    CREATE TABLE IF NOT EXISTS leads (id serial PRIMARY KEY,
        conversation_id int UNIQUE REFERENCES conversations);
"""

Cursor = psycopg2.extensions.cursor


def put(cursor: Cursor, table: str, key: dict[str, object], values: dict[str, object]) -> int:
    """Get a row by its key and update it, or insert it; answers its id."""
    where = " AND ".join(f"{name} = %s" for name in key)
    cursor.execute(f"SELECT id FROM {table} WHERE {where}", list(key.values()))  # noqa: S608 (constants)
    found = cursor.fetchone()
    if found is None:
        row = key | values
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        cursor.execute(
            f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING id",  # noqa: S608 (constants)
            list(row.values()),
        )
        found = cursor.fetchone()
    elif values:
        sets = ", ".join(f"{name} = %s" for name in values)
        cursor.execute(
            f"UPDATE {table} SET {sets} WHERE id = %s",  # noqa: S608 (constants)
            [*values.values(), found[0]],
        )
    return int(found[0])


def put_record(cursor: Cursor, record: dict[str, Any]) -> None:
    """One record into all its tables."""
    cells = record["fields"]
    client = put(cursor, "clients", {"name": cells.get("Clinic")}, {})
    location = put(cursor, "locations", {"client_id": client, "name": cells.get("Clinic")}, {})
    automation = put(cursor, "automations", {"name": cells.get("Automation", "Website Chatbot")}, {})
    contact = {"name": cells.get("Name"), "email": cells.get("Email"), "phone": cells.get("Phone")}
    customer = put(cursor, "customers", {"external_id": cells.get("User ID")}, contact)
    conversation = put(
        cursor,
        "conversations",
        {"external_id": record["id"]},
        {
            "client_id": client,
            "location_id": location,
            "automation_id": automation,
            "customer_id": customer,
            "occurred_at": cells.get("Conversation Date", record["createdTime"]),
            "engaged": cells.get("Engaged") == "Yes",
        },
    )
    if "2025" in cells.get("Booking", ""):
        put(cursor, "bookings", {"conversation_id": conversation}, {"raw_text": cells["Booking"]})
    if cells.get("Lead Created"):
        put(cursor, "leads", {"conversation_id": conversation}, {})


def main() -> None:
    """Read everything, then write it a record at a time."""
    api = pyairtable.Api(os.environ["SOURCE_TOKEN"], endpoint_url=os.environ["SOURCE_URL"])
    records = api.table(os.environ["SOURCE_BASE"], os.environ["SOURCE_TABLE"]).all()
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        connection.commit()
        for record in records:
            put_record(cursor, record)
            connection.commit()
    connection.close()


main()
