"""Messages of webhooks arrive: signed, in order, at least once, whatever fails on the way."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.config import Settings, environment_without_settings
from app.db.queries import deliveries, events
from app.db.session import DELIVERY_CHANNEL, make_engine, make_session_factory, transaction
from app.db.tables import Webhook
from app.services.deliveries import next_message, record_outcome
from app.services.overview import ProblemCode, read_overview
from app.services.webhook_posts import Outcome
from app.services.webhooks import (
    WebhookIn,
    change_webhook,
    create_webhook,
    replay_dead,
    replay_delivery,
    send_test,
)
from tests.loop import Factory, create_draft
from tests.receivers import OK, Received, Receiver, after, receiving
from tests.support import wait_for
from workers.jobs.deliveries import QUICK, TURN, Deliverer, Turn
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


@pytest.mark.usefixtures("deliverer")
class TestArrival:
    def test_a_message_is_signed_and_says_what_happened(
        self, receiver: Receiver, subscribe: Callable[..., Any], happen: Happen, project: int
    ) -> None:
        _, secret = subscribe(receiver.url)
        happen(7)
        wait_for(lambda: bool(receiver.received), PATIENCE)
        (got,) = receiver.received
        said = got.verified(secret)
        assert said["type"] == "item.flagged"
        assert said["data"]["project"] == {"id": project, "name": "reviews"}
        assert said["data"]["facts"] == {"n": 7}
        assert datetime.now(UTC) - datetime.fromisoformat(said["timestamp"]) < timedelta(minutes=1)
        assert got.path == "/events?of=test"
        assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert got.headers["content-type"] == "application/json"

    def test_it_comes_within_a_second(
        self, receiver: Receiver, subscribe: Callable[..., Any], happen: Happen
    ) -> None:
        subscribe(receiver.url)
        seconds = []
        for n in range(5):
            happen(n)
            seconds.append(arrived(receiver, n + 1))
        assert min(seconds) < 1.0, "woken by the commit, not by the look of every second"

    def test_many_messages_come_in_order_each_once(
        self, receiver: Receiver, subscribe: Callable[..., Any], happen: Happen
    ) -> None:
        _, secret = subscribe(receiver.url)
        for n in range(3 * TURN):
            happen(n)
        wait_for(lambda: len(receiver.received) >= 3 * TURN, PATIENCE)
        assert numbers(receiver, secret) == list(range(3 * TURN))
        assert len({got.id for got in receiver.received}) == 3 * TURN

    def test_receivers_that_begin_to_hang_keep_no_other_waiting(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
    ) -> None:
        with transaction(session_factory) as session:
            other = create_draft(session, "other").id
        hanging = threading.Event()
        with receiving() as dead:
            for _ in range(QUICK):
                subscribe(dead.url)
            _, secret = subscribe(receiver.url, of=other)
            happen(0)
            happen(1, of=other)
            wait_for(lambda: len(dead.received) == QUICK and bool(receiver.received), PATIENCE)
            dead.answer = after(hanging, PATIENCE)
            happen(0)  # all are known as quick ones
            wait_for(lambda: len(dead.received) == 2 * QUICK, PATIENCE)
            first = time.monotonic()
            for n in range(2, 20):
                happen(n, of=other)
            wait_for(lambda: len(receiver.received) == 19, PATIENCE)
            assert time.monotonic() - first < 5
            assert numbers(receiver, secret) == list(range(1, 20))
            hanging.set()

    def test_a_test_message_comes_although_nothing_happened(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        session_factory: Factory,
        project: int,
    ) -> None:
        webhook, secret = subscribe(receiver.url)
        with transaction(session_factory) as session:
            send_test(session, project, webhook)
        wait_for(lambda: bool(receiver.received), PATIENCE)
        assert receiver.types(secret) == ["webhook.test"]

    def test_one_that_fails_at_first_comes_later_and_those_behind_it_wait(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        project: int,
    ) -> None:
        webhook, secret = subscribe(receiver.url)
        receiver.answer = lambda _: (500, {})
        for n in range(3):
            happen(n)
        wait_for(lambda: webhook_row(session_factory, webhook).n_failures == 1, PATIENCE)
        receiver.answer = lambda _: OK
        with transaction(session_factory) as session:  # instead of the pause
            send_test(session, project, webhook)
        wait_for(lambda: len(receiver.received) == 5, PATIENCE)
        assert numbers(receiver, secret) == [0, 0, 1, 2, None]
        assert receiver.received[0].id == receiver.received[1].id
        wait_for(lambda: set(states(session_factory)) == {"delivered"}, PATIENCE)
        row = webhook_row(session_factory, webhook)
        assert (row.n_failures, row.failing_since, row.retry_at) == (0, None, None)


class TestFailures:
    def test_an_answer_that_asks_for_time_gets_it(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        receiver.answer = lambda _: (429, {"Retry-After": "3600"})
        send_once(session_factory, settings, webhook)
        waits = "SELECT extract(epoch FROM retry_at - now()) FROM webhooks"
        assert 3590 < run(session_factory, waits).scalar_one() <= 3600
        with transaction(session_factory) as session:
            claimed = deliveries.claim_due(session, uuid4(), 30, 10, slow=True)
        assert claimed == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((302, {"Location": "http://127.0.0.1:1/"}), "redirects are not followed"),
            ((404, {}), "it answered 404"),
        ],
    )
    def test_the_reason_is_kept(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        answer: tuple[int, dict[str, str]],
        words: str,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        receiver.answer = lambda _: answer
        send_once(session_factory, settings, webhook)
        assert len(receiver.received) == 1
        kept = run(session_factory, "SELECT last_error, last_status FROM webhook_deliveries").one()
        assert words in kept[0]
        assert kept[1] == answer[0]

    def test_a_receiver_that_is_not_there_and_one_that_hangs(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        hanging = threading.Event()
        receiver.answer = after(hanging, PATIENCE)
        send_once(session_factory, settings.model_copy(update={"webhook_seconds": 0.2}), webhook)
        hanging.set()
        said = "SELECT last_error FROM webhook_deliveries"
        assert "no answer within 0.2 s" in run(session_factory, said).scalar_one()
        run(session_factory, "UPDATE webhooks SET url = 'http://127.0.0.1:1/'")
        send_once(session_factory, settings, webhook)
        assert "cannot be reached" in run(session_factory, said).scalar_one()
        assert webhook_row(session_factory, webhook).n_failures == 2

    def test_a_name_that_leads_to_a_private_address_is_not_asked(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        webhook, _ = subscribe("https://example.org/x")
        happen(0)
        monkeypatch.setattr(
            "socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", receiver.port))]
        )
        unlisted = settings.model_copy(update={"webhook_hosts": ()})
        from app.services.webhook_posts import Message, post_message  # noqa: PLC0415

        outcome = post_message(
            Message(f"https://example.org:{receiver.port}/", "msg_1", b"x", b"{}"), unlisted
        )
        assert "SVP_WEBHOOK_HOSTS" in (outcome.fault or "")
        assert receiver.received == []
        assert webhook_row(session_factory, webhook).n_failures == 0

    def test_a_message_dies_after_three_days_and_the_next_is_tried(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        project: int,
    ) -> None:
        webhook, secret = subscribe(receiver.url)
        for n in range(2):
            happen(n)
        receiver.answer = lambda _: (500, {})
        send_once(session_factory, settings, webhook)
        run(
            session_factory,
            "UPDATE webhook_deliveries SET first_tried_at = now() - interval '71 h'",
        )
        send_once(session_factory, settings, webhook)
        assert states(session_factory) == ["pending", "pending"]
        run(
            session_factory,
            "UPDATE webhook_deliveries SET first_tried_at = now() - interval '72 h' "
            "WHERE first_tried_at IS NOT NULL AND n_attempts > 0",
        )
        send_once(session_factory, settings, webhook)
        assert states(session_factory) == ["dead", "pending"]
        receiver.answer = lambda _: OK
        send_once(session_factory, settings, webhook)
        assert states(session_factory) == ["dead", "delivered"]
        with transaction(session_factory) as session:
            assert replay_dead(session, project, webhook) == 1
        send_once(session_factory, settings, webhook)
        assert states(session_factory) == ["delivered", "delivered"]
        assert numbers(receiver, secret) == [0, 0, 0, 1, 0]
        assert len({got.id for got in receiver.received}) == 2

    def test_gone_disables_at_once_with_a_notice(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        project: int,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        happen(1)
        receiver.answer = lambda _: (410, {})
        send_once(session_factory, settings, webhook)
        row = webhook_row(session_factory, webhook)
        assert row.disabled_at is not None
        assert "410" in (row.disabled_reason or "")
        assert states(session_factory) == ["dead", "dead"]
        with transaction(session_factory) as session:
            facts = events.newest_facts(session, project, "webhook.disabled")
            from app.db.queries.projects import get  # noqa: PLC0415

            problems = read_overview(session, get(session, project)).problems
        assert facts is not None
        assert (facts["webhook"], facts["n_dead"]) == (webhook, 2)
        assert ProblemCode.WEBHOOK_DISABLED in [problem.code for problem in problems]
        happen(2)
        assert len(states(session_factory)) == 2

    def test_failing_for_days_disables(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        project: int,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        receiver.answer = lambda _: (503, {})
        send_once(session_factory, settings, webhook)
        run(session_factory, "UPDATE webhooks SET failing_since = now() - interval '119 h'")
        send_once(session_factory, settings, webhook)
        assert webhook_row(session_factory, webhook).disabled_at is None
        run(session_factory, "UPDATE webhooks SET failing_since = now() - interval '120 h'")
        send_once(session_factory, settings, webhook)
        assert webhook_row(session_factory, webhook).disabled_at is not None
        with transaction(session_factory) as session:
            change_webhook(session, project, webhook, {"is_enabled": True}, settings)
        row = webhook_row(session_factory, webhook)
        assert (row.disabled_at, row.failing_since, row.n_failures) == (None, None, 0)


class TestClaims:
    def test_of_two_deliverers_one_has_a_webhook(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        with session_factory() as one, session_factory() as two:
            assert deliveries.claim_due(one, uuid4(), 30, 10, slow=True) == [webhook]
            assert deliveries.claim_due(two, uuid4(), 30, 10, slow=True) == []
            one.commit()
            assert deliveries.claim_due(two, uuid4(), 30, 10, slow=True) == []
        run(session_factory, "UPDATE webhooks SET claimed_until = now() - interval '1 s'")
        with transaction(session_factory) as session:
            assert deliveries.claim_due(session, uuid4(), 30, 10, slow=True) == [webhook]

    def test_a_lost_claim_records_nothing(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        old, new = uuid4(), uuid4()
        with transaction(session_factory) as session:
            deliveries.claim_due(session, old, 30, 10, slow=True)
            sent = next_message(session, webhook, old, 30)
        run(session_factory, "UPDATE webhooks SET claimed_until = now() - interval '1 s'")
        with transaction(session_factory) as session:
            deliveries.claim_due(session, new, 30, 10, slow=True)
        assert sent is not None
        with transaction(session_factory) as session:
            recorded = record_outcome(session, sent, old, Outcome(200, None, 0, 0), 30)
            assert not recorded.goes_on
            assert next_message(session, webhook, old, 30) is None
        assert states(session_factory) == ["pending"]

    def test_a_message_of_a_replayed_one_keeps_its_id(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
        project: int,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        happen(0)
        send_once(session_factory, settings, webhook)
        delivery = run(session_factory, "SELECT id FROM webhook_deliveries").scalar_one()
        with transaction(session_factory) as session:
            replay_delivery(session, project, webhook, delivery)
        send_once(session_factory, settings, webhook)
        assert receiver.received[0].id == receiver.received[1].id

    def test_messages_that_ended_long_ago_are_removed(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        webhook, _ = subscribe(receiver.url)
        for n in range(2):
            happen(n)
        send_once(session_factory, settings, webhook)
        with transaction(session_factory) as session:
            assert deliveries.remove_ended(session, 30, 10) == 0
        run(session_factory, "UPDATE webhook_deliveries SET ended_at = ended_at - interval '31 d'")
        run(session_factory, "UPDATE webhook_deliveries SET created_at = now() - interval '90 d'")
        with transaction(session_factory) as session:
            assert deliveries.remove_ended(session, 30, 10) == 1
        assert states(session_factory) == ["pending"]


DELIVER = """
import sys, threading
from app.config import Settings
from app.db.session import make_engine, make_session_factory
from workers.jobs.deliveries import Deliverer
settings = Settings(webhook_hosts=("127.0.0.1",), webhook_seconds=2.0)
factory = make_session_factory(make_engine(sys.argv[1]), None)
deliverer = Deliverer(factory, settings, threading.Event(), threading.Event())
deliverer._claim_seconds = 1.0
deliverer.run()
"""


class TestKilled:
    def test_kill_9_again_and_again_loses_nothing_and_keeps_the_order(
        self,
        receiver: Receiver,
        subscribe: Callable[..., Any],
        happen: Happen,
        database_url: str,
    ) -> None:
        _, secret = subscribe(receiver.url)
        rng = random.Random(3)

        def slowly(_: Received) -> tuple[int, dict[str, str]]:
            time.sleep(0.02)
            return OK

        receiver.answer = slowly
        n = 150
        for number in range(n):
            happen(number)
        for _ in range(5):
            process = subprocess.Popen(
                [sys.executable, "-c", DELIVER, database_url],
                env=environment_without_settings(),
                stdout=subprocess.DEVNULL,
            )
            before = len(receiver.received)
            try:
                arrived(receiver, before + 6)
                time.sleep(0.1 * rng.random())
            finally:
                process.kill()
                process.wait()
        process = subprocess.Popen(
            [sys.executable, "-c", DELIVER, database_url],
            env=environment_without_settings(),
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: n - 1 in numbers(receiver, secret), 60)
        finally:
            process.kill()
            process.wait()
        got = numbers(receiver, secret)
        assert sorted(set(got)) == list(range(n))
        assert all(b in (a, a + 1) for a, b in pairwise(got)), "a double follows its first"
        assert len({each.id for each in receiver.received}) == n


def test_with_a_broker_messages_are_announced_too(
    database_url: str, project: int, subscribe: Callable[..., Any], receiver: Receiver
) -> None:
    subscribe(receiver.url)
    engine = make_engine(database_url)
    factory = make_session_factory(engine, lambda *_: None)
    woken, stopped = threading.Event(), threading.Event()
    listener = Listener(database_url, {DELIVERY_CHANNEL: woken}, stopped)
    listener.start()
    wait_for(woken.is_set, PATIENCE)
    woken.clear()
    with transaction(factory) as session:
        events.append(session, project, "item.flagged", {})
    assert woken.wait(5)
    stopped.set()
    listener.join(PATIENCE)
    engine.dispose()
