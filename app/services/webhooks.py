"""Webhooks of a project: created with a secret that is shown once, changed, tested, disabled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import deliveries, events, projects
from app.db.queries import webhooks as queries
from app.db.session import DELIVERY_CHANNEL, announce
from app.db.tables import DeliveryState, Webhook, WebhookDelivery
from app.domain.errors import NotFound, WebhookDisabled, WebhookInvalid
from app.domain.event_kinds import checked_kinds
from app.domain.webhooks import BY_LEAD, KEEP_FORMER, new_secret, shown_secret
from app.services.addresses import PORTS, is_among, is_private_literal

MOST_OF_PROJECT = 20
MAX_URL = 2000


@dataclass(frozen=True)
class WebhookIn:
    """A wanted webhook: whom to tell, and of which kinds of events."""

    url: str
    events: Sequence[str]
    description: str = ""


def create_webhook(
    session: Session, project_id: int, wanted: WebhookIn, settings: Settings
) -> tuple[str, Webhook]:
    """Return (the secret that signs its messages, its row). The secret is never shown again.

    Raises:
        NotFound: there is no such project.
        WebhookInvalid: its address may not be used, there are no such events, or the project has
            as many webhooks as it may.
    """
    projects.lock(session, project_id)
    if len(queries.list_all(session, project_id)) >= MOST_OF_PROJECT:
        raise WebhookInvalid(
            f"A project has at most {MOST_OF_PROJECT} webhooks; delete one, or let one receiver "
            "pass messages on."
        )
    secret = new_secret()
    webhook = Webhook(
        project_id=project_id,
        url=checked_url(wanted.url, settings),
        events=checked_kinds(wanted.events),
        description=wanted.description,
        secret=secret,
    )
    session.add(webhook)
    session.flush()
    session.refresh(webhook)
    events.append(session, project_id, "webhook.created", _facts(webhook))
    return shown_secret(secret), webhook


def find_webhook(session: Session, project_id: int, webhook_id: int) -> Webhook:
    """Return one webhook of the project.

    Raises:
        NotFound: there is none.
    """
    webhook = queries.get(session, project_id, webhook_id)
    if webhook is None:
        raise NotFound("webhook", webhook_id)
    return webhook


def change_webhook(
    session: Session, project_id: int, webhook_id: int, changes: dict[str, Any], settings: Settings
) -> Webhook:
    """Change its url, description, events or is_enabled; return it.

    Disabling gives up what waits; enabling sends what happens from now on. What was given up can
    be replayed.

    Raises:
        NotFound: there is no such webhook.
        WebhookInvalid: its address may not be used, or there are no such events.
    """
    projects.lock(session, project_id)
    webhook = find_webhook(session, project_id, webhook_id)
    if "url" in changes:
        webhook.url = checked_url(changes["url"], settings)
    if "events" in changes:
        webhook.events = checked_kinds(changes["events"])
    webhook.description = changes.get("description", webhook.description)
    is_enabled = changes.get("is_enabled")
    if is_enabled is False and webhook.disabled_at is None:
        _disable(session, webhook, BY_LEAD)
    elif is_enabled is True and webhook.disabled_at is not None:
        webhook.disabled_at = webhook.disabled_reason = None
    if is_enabled is True or "url" in changes:
        _start_afresh(webhook)
    session.flush()
    changed = {name: value for name, value in changes.items() if name != "url"}
    events.append(session, project_id, "webhook.changed", {**_facts(webhook), **changed})
    announce(session, DELIVERY_CHANNEL)
    session.refresh(webhook)
    return webhook


def change_secret(
    session: Session, project_id: int, webhook_id: int, *, ends_old: bool
) -> tuple[str, Webhook]:
    """Give the webhook a new secret; return (it, the webhook). It is never shown again.

    For a day messages carry signatures by both, so that the receiver can change in between; not
    so if `ends_old`: the old one is known to others. Of two changes within a day the first secret
    ends at once.

    Raises:
        NotFound: there is no such webhook.
    """
    projects.lock(session, project_id)
    webhook = find_webhook(session, project_id, webhook_id)
    secret = new_secret()
    webhook.former_secret = None if ends_old else webhook.secret
    webhook.former_until = None if ends_old else func.now() + KEEP_FORMER
    webhook.secret = secret
    session.flush()
    session.refresh(webhook)
    facts = {**_facts(webhook), "ends_old": ends_old}
    events.append(session, project_id, "webhook.secret_changed", facts)
    return shown_secret(secret), webhook


def delete_webhook(session: Session, project_id: int, webhook_id: int) -> None:
    """Remove a webhook with its messages.

    Raises:
        NotFound: there is no such webhook.
    """
    projects.lock(session, project_id, even_archived=True)
    webhook = find_webhook(session, project_id, webhook_id)
    facts = _facts(webhook)
    queries.remove(session, webhook_id)
    events.append(session, project_id, "webhook.deleted", facts)


def disable_failing(session: Session, project_id: int, webhook_id: int, reason: str) -> bool:
    """Disable a webhook that does not work, with a notice; False if it is gone or disabled."""
    try:
        projects.lock(session, project_id, even_archived=True)
    except NotFound:
        return False
    webhook = queries.get(session, project_id, webhook_id)
    if webhook is None or webhook.disabled_at is not None:
        return False
    n_dead = _disable(session, webhook, reason)
    facts = {**_facts(webhook), "reason": reason, "n_dead": n_dead}
    session.flush()
    events.append(session, project_id, "webhook.disabled", facts)
    return True


def send_test(session: Session, project_id: int, webhook_id: int) -> WebhookDelivery:
    """Send a message that no event has caused, and try what waits now; return the message.

    Raises:
        NotFound: there is no such webhook.
        WebhookDisabled: nothing is sent to it.
    """
    webhook = _enabled(session, project_id, webhook_id)
    webhook.retry_at = None
    delivery = WebhookDelivery(webhook_id=webhook.id)
    session.add(delivery)
    session.flush()
    session.refresh(delivery)
    announce(session, DELIVERY_CHANNEL)
    return delivery


def replay_delivery(
    session: Session, project_id: int, webhook_id: int, delivery_id: int
) -> WebhookDelivery:
    """Send a message again, dead or delivered, under the same id; return it.

    Raises:
        NotFound: there is no such webhook or message.
        WebhookDisabled: nothing is sent to it.
    """
    webhook = _enabled(session, project_id, webhook_id)
    found = deliveries.get(session, webhook_id, delivery_id)
    if found is None:
        raise NotFound("delivery", delivery_id)
    delivery = found[0]
    if delivery.state != DeliveryState.PENDING:
        delivery.state = DeliveryState.PENDING
        delivery.first_tried_at = delivery.ended_at = None
    webhook.retry_at = None
    session.flush()
    announce(session, DELIVERY_CHANNEL)
    return delivery


def replay_dead(session: Session, project_id: int, webhook_id: int) -> int:
    """Send every dead message of a webhook again; return how many.

    Raises:
        NotFound: there is no such webhook.
        WebhookDisabled: nothing is sent to it.
    """
    webhook = _enabled(session, project_id, webhook_id)
    webhook.retry_at = None
    n = deliveries.revive_dead(session, webhook_id)
    announce(session, DELIVERY_CHANNEL)
    return n


def checked_url(url: str, settings: Settings) -> str:
    """Return the address if messages may go there, as far as its words tell.

    Raises:
        WebhookInvalid: they may not.
    """
    text = url.strip()
    parts = split_url(text)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookInvalid(
            "A webhook's address holds no user, password or fragment; its messages are signed."
        )
    if is_listed(parts, settings):
        return text
    if parts.scheme != "https":
        raise WebhookInvalid(f"Messages go by https://, unless {_operator(host)}")
    if is_private_literal(host):
        raise WebhookInvalid(
            f"{host} is a private address; messages go there once {_operator(host)}"
        )
    return text


def split_url(url: str) -> SplitResult:
    """Return the parts of an http(s) URL.

    Raises:
        WebhookInvalid: it is none.
    """
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        parts, has_port = SplitResult("", "", "", "", ""), False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in PORTS or not parts.hostname or not has_port or not is_plain:
        raise WebhookInvalid("The address is no URL; give one such as https://example.org/events.")
    if len(url) > MAX_URL:
        raise WebhookInvalid(f"The address has more than {MAX_URL} characters.")
    return parts


def is_listed(parts: SplitResult, settings: Settings) -> bool:
    """Return whether the operator lets messages go to the URL's host although it is private."""
    return is_among(parts, settings.webhook_hosts)


def _operator(host: str) -> str:
    return f"the operator lists {host} in SVP_WEBHOOK_HOSTS."


def _enabled(session: Session, project_id: int, webhook_id: int) -> Webhook:
    projects.lock(session, project_id)
    webhook = find_webhook(session, project_id, webhook_id)
    if webhook.disabled_at is not None:
        raise WebhookDisabled(webhook_id)
    return webhook


def _disable(session: Session, webhook: Webhook, reason: str) -> int:
    webhook.disabled_at, webhook.disabled_reason = func.now(), reason
    return queries.bury_pending(session, webhook.id, f"The webhook was disabled: {reason}.")


def _start_afresh(webhook: Webhook) -> None:
    webhook.n_failures = 0
    webhook.failing_since = webhook.retry_at = webhook.last_seconds = None


def _facts(webhook: Webhook) -> dict[str, Any]:
    """Return what an event says of a webhook; its whole address may be a secret."""
    return {"webhook": webhook.id, "host": urlsplit(webhook.url).hostname}
