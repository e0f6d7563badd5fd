"""Requests and responses of webhooks and their messages."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from app.db.tables import DeliveryState
from app.domain.event_kinds import MOST_KINDS
from app.schemas.bodies import Request, Response

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")
]


class WebhookCreate(Request):
    """A new webhook: the address that is told of a project's events."""

    url: Url
    events: list[Kind] = Field(
        ["*"],
        max_length=MOST_KINDS,
        description="Kinds: `*`, `round.*`, `item.flagged`, `round.state_changed:completed`.",
    )
    description: Description = ""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "url": "https://example.org/events",
                "events": ["round.state_changed:completed", "job.state_changed:failed"],
                "description": "Tells the team",
            }
        },
    )


class WebhookChange(Request):
    """Changes of a webhook; what is left out stays."""

    url: Url | None = None
    events: list[Kind] | None = Field(None, max_length=MOST_KINDS)
    description: Description | None = None
    is_enabled: bool | None = Field(
        None, description="false: gives up what waits; true: sends what happens from now on."
    )


class WebhookSecretChange(Request):
    """How the secret changes."""

    ends_old: bool = Field(
        default=False,
        description="false: for 24 hours messages are signed by both; true: the old one ends now.",
    )


class WebhookOut(Response):
    """A webhook without its secret.

    `n_failures` in a row since `failing_since`; it is tried again at `retry_at`. Readers see of
    the address only the host.
    """

    id: int
    url: str
    events: list[str]
    description: str
    is_enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    n_pending: int
    n_dead: int
    n_failures: int
    failing_since: datetime | None
    retry_at: datetime | None
    former_until: datetime | None = Field(
        description="Until then messages are signed by the former secret, too."
    )
    created_at: datetime


class WebhookCreated(WebhookOut):
    """A webhook that is new, or has a new secret: what signs its messages is shown only here."""

    secret: str


class DeliveryOut(Response):
    """A message to a webhook; `message_id` is its header webhook-id each time that it is sent."""

    id: int
    message_id: str
    event_id: int | None = Field(description="Null: a test.")
    type: str
    state: DeliveryState
    n_attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    tried_at: datetime | None
    ended_at: datetime | None


class DeliveryPage(Response):
    """Messages, newest first; `next_cursor` asks for the following page."""

    deliveries: list[DeliveryOut]
    next_cursor: int | None


class ReplayedOut(Response):
    """How many dead messages wait to be sent again."""

    n: int
