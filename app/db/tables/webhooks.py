"""Tables of webhooks: who is told of which events, and each message on its way."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Double, ForeignKey, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference


class DeliveryState(StrEnum):
    """PENDING until the receiver has it; DEAD if it was given up: it can be replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Webhook(Base):
    """An address outside that is told of a project's events.

    Whoever holds its claim sends its messages, one after the other: they arrive in order.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "project_id"),)

    id: Mapped[int] = primary_key()
    project_id: Mapped[int] = reference("projects.id")
    url: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    events: Mapped[list[str]]  # kinds: app.domain.event_kinds
    secret: Mapped[bytes] = mapped_column(LargeBinary)  # as it is: it signs
    # Signs beside the other until then.
    former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = created_now()
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    n_failures: Mapped[int] = mapped_column(server_default=text("0"))  # in a row
    failing_since: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    last_seconds: Mapped[float | None] = mapped_column(Double)  # of its last answer
    served_at: Mapped[datetime | None]
    claim_token: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]


class WebhookDelivery(Base):
    """A message to one webhook: written with its event, sent by a worker. Without one: a test."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("state", DeliveryState),
        # A webhook is told of an event by one message.
        UniqueConstraint("event_id", "webhook_id"),
        Index("ix_webhook_deliveries_of_webhook", "webhook_id", "id"),
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_deliveries_ended",
            "ended_at",
            postgresql_where=text("state <> 'pending'"),
        ),
    )

    id: Mapped[int] = primary_key()
    message_id: Mapped[UUID] = mapped_column(server_default=func.gen_random_uuid())
    webhook_id: Mapped[int] = reference("webhooks.id")
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id", ondelete=CASCADE))
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    n_attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = created_now()
    first_tried_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
