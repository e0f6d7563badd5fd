"""The table of events."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.db.tables.base import Base, created_now, primary_key, reference


class Event(Base):
    """An event: one row per change of state, and why. Append-only: a trigger keeps it so."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "project_id", "id"),)

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    name: Mapped[str]
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = created_now()
