"""The table of predictions that are asked for now."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, created_now, reference


class PredictionRequest(Base):
    """Contents that a worker is to predict at once; gone when its asker has the answer, or left.

    Unlogged: after a crash of Postgres there is nobody who waits for it.
    """

    __tablename__ = "prediction_requests"
    __table_args__ = (
        Index(
            "ix_prediction_requests_waiting",
            "created_at",
            postgresql_where=text("claimed_at IS NULL"),
        ),
        {"prefixes": ["UNLOGGED"]},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    model_id: Mapped[int] = reference("models.id")
    contents: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))  # UTF-8, or image files
    top: Mapped[int]  # how many classes of each are wanted
    created_at: Mapped[datetime] = created_now()
    called_at: Mapped[datetime | None]  # when a worker last began to start what predicts
    claimed_at: Mapped[datetime | None]
    answer: Mapped[dict[str, Any] | None]
