"""What tests of webhooks' messages share: a receiver, webhooks of a project, and their sender."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries import deliveries, events
from app.db.session import DELIVERY_CHANNEL, transaction
from app.db.tables import Webhook
from app.services.webhooks import WebhookIn, create_webhook
from tests.loop import Factory, create_draft
from tests.receivers import Answer, Receiver, receiving
from tests.support import wait_for
from workers.jobs.deliveries import Deliverer, Turn
from workers.jobs.wakeups import Listener

PATIENCE = 20.0
Happen = Callable[..., None]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhook_hosts": ("127.0.0.1",), "webhook_seconds": 10.0})


@pytest.fixture
def project(session_factory: Factory) -> int:
    with transaction(session_factory) as session:
        return create_draft(session, "reviews").id


@pytest.fixture
def subscribe(session_factory: Factory, settings: Settings, project: int) -> Callable[..., Any]:
    """subscribe(url, *kinds) -> (id, secret) of a new webhook."""

    def add(url: str, *kinds: str, of: int = project) -> tuple[int, str]:
        with transaction(session_factory) as session:
            wanted = WebhookIn(url, kinds or ("item.*",))
            secret, webhook = create_webhook(session, of, wanted, settings)
            return webhook.id, secret

    return add


@pytest.fixture
def happen(session_factory: Factory, project: int) -> Happen:
    """happen(n) -> an event with this number."""

    def append(n: int, of: int = project) -> None:
        with transaction(session_factory) as session:
            events.append(session, of, "item.flagged", {"n": n})

    return append


@pytest.fixture
def deliverer(
    database_url: str, session_factory: Factory, settings: Settings
) -> Iterator[Deliverer]:
    """A deliverer as a worker has it, woken by Postgres."""
    stopped, woken = threading.Event(), threading.Event()
    threads = [
        Deliverer(session_factory, settings, woken, stopped),
        Listener(database_url, {DELIVERY_CHANNEL: woken}, stopped),
    ]
    for thread in threads:
        thread.start()
    yield threads[0]  # type: ignore[misc]
    stopped.set()
    woken.set()
    for thread in threads:
        thread.join(PATIENCE)


def numbers(receiver: Receiver, secret: str) -> list[int]:
    return [each.verified(secret)["data"]["facts"].get("n") for each in receiver.received]


def arrived(receiver: Receiver, n: int) -> float:
    """Return after how many seconds so many messages are there."""
    return wait_for(lambda: len(receiver.received) >= n, PATIENCE)


def run(factory: Factory, statement: str, **given: Any) -> Any:
    with transaction(factory) as session:
        return session.execute(text(statement), given)


def states(factory: Factory) -> list[str]:
    with transaction(factory) as session:
        return list(session.scalars(text("SELECT state FROM webhook_deliveries ORDER BY id")))


def webhook_row(factory: Factory, webhook: int) -> Webhook:
    with transaction(factory) as session:
        return session.get_one(Webhook, webhook)


def send_once(factory: Factory, settings: Settings, webhook: int) -> None:
    """Send the webhook's oldest message now, whatever pause it has."""
    sender = Deliverer(factory, settings, threading.Event(), threading.Event())
    run(factory, "UPDATE webhooks SET retry_at = NULL")
    token = uuid4()
    with transaction(factory) as session:
        claimed = [
            found
            for slow in (False, True)
            for found in deliveries.claim_due(session, token, 30, 10, slow=slow)
        ]
    assert claimed == [webhook]
    sender.send(webhook, token, 1, Turn(is_slow=False))
    with transaction(factory) as session:
        deliveries.release(session, webhook, token)


@dataclass
class Told:
    """A webhook that is told of events; its messages are sent one by one, at once."""

    receiver: Receiver
    factory: Factory
    settings: Settings
    project: int
    webhook: int
    secret: str
    happen: Happen

    def answer(self, answer: Answer) -> None:
        """Let the receiver answer so from now on."""
        self.receiver.answer = lambda _: answer

    def send(self, **changes: Any) -> None:
        """Send the oldest message now, under other settings where some are given."""
        send_once(self.factory, self.settings.model_copy(update=changes), self.webhook)

    def run(self, statement: str, **given: Any) -> Any:
        """Execute a statement; return its result."""
        return run(self.factory, statement, **given)

    @property
    def row(self) -> Webhook:
        return webhook_row(self.factory, self.webhook)

    @property
    def states(self) -> list[str]:
        return states(self.factory)


@pytest.fixture
def told(
    receiver: Receiver,
    subscribe: Callable[..., Any],
    happen: Happen,
    session_factory: Factory,
    settings: Settings,
    project: int,
) -> Told:
    """A webhook to the receiver, and one event that waits."""
    webhook, secret = subscribe(receiver.url)
    happen(0)
    return Told(receiver, session_factory, settings, project, webhook, secret, happen)
