"""A home-made import: get or create through SQLAlchemy's ORM, a record at a time, a commit each.

Every record asks for its clinic, location, automation and customer and makes what is missing, then inserts or
updates its conversation, booking and lead. Runs in the peers' environment.
"""

import os
from typing import Any, TypeVar

import pyairtable
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """All tables."""


Model = TypeVar("Model", bound=Base)


class Client(Base):
    __tablename__ = "clients"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(unique=True)


class Location(Base):
    __tablename__ = "locations"
    __table_args__ = (UniqueConstraint("client_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str | None]


class Automation(Base):
    __tablename__ = "automations"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]


class Conversation(Base):
    __tablename__ = "conversations"
    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    automation_id: Mapped[int] = mapped_column(ForeignKey("automations.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    occurred_at: Mapped[str | None]
    engaged: Mapped[bool]


class Booking(Base):
    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), unique=True)
    raw_text: Mapped[str]


class Lead(Base):
    __tablename__ = "leads"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), unique=True)


def put(session: Session, model: type[Model], key: dict[str, object], **values: object) -> Model:
    """Get a row by its key and update it, or make it."""
    row = session.scalars(select(model).filter_by(**key)).one_or_none()
    if row is None:
        row = model(**key)
        session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    return row


def put_record(session: Session, record: dict[str, Any]) -> None:
    """One record into all its tables."""
    cells = record["fields"]
    client = put(session, Client, {"name": cells.get("Clinic")})
    location = put(session, Location, {"client_id": client.id, "name": cells.get("Clinic")})
    automation = put(session, Automation, {"name": cells.get("Automation", "Website Chatbot")})
    contact = {"name": cells.get("Name"), "email": cells.get("Email"), "phone": cells.get("Phone")}
    customer = put(session, Customer, {"external_id": cells.get("User ID")}, **contact)
    conversation = put(
        session,
        Conversation,
        {"external_id": record["id"]},
        client_id=client.id,
        location_id=location.id,
        automation_id=automation.id,
        customer_id=customer.id,
        occurred_at=cells.get("Conversation Date", record["createdTime"]),
        engaged=cells.get("Engaged") == "Yes",
    )
    if "2025" in cells.get("Booking", ""):
        put(session, Booking, {"conversation_id": conversation.id}, raw_text=cells["Booking"])
    if cells.get("Lead Created"):
        put(session, Lead, {"conversation_id": conversation.id})


def main() -> None:
    """Read everything, then write it a record at a time."""
    api = pyairtable.Api(os.environ["SOURCE_TOKEN"], endpoint_url=os.environ["SOURCE_URL"])
    records = api.table(os.environ["SOURCE_BASE"], os.environ["SOURCE_TABLE"]).all()
    address = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = create_engine(address)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for record in records:
            put_record(session, record)
            session.commit()
    engine.dispose()


main()
