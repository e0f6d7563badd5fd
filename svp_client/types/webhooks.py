"""Answers about webhooks and their messages."""

from typing import TypedDict


class Webhook(TypedDict):
    """A webhook without its secret."""

    id: int
    url: str
    events: list[str]
    description: str
    is_enabled: bool
    disabled_at: str | None
    disabled_reason: str | None
    n_pending: int
    n_dead: int
    n_failures: int
    failing_since: str | None
    retry_at: str | None
    former_until: str | None
    created_at: str


class WebhookCreated(Webhook):
    """A webhook that is new, or has a new secret: what signs its messages is shown only here."""

    secret: str


class Delivery(TypedDict):
    """A message to a webhook."""

    id: int
    message_id: str
    event_id: int | None
    type: str
    state: str
    n_attempts: int
    last_status: int | None
    last_error: str | None
    created_at: str
    tried_at: str | None
    ended_at: str | None
