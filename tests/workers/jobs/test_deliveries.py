"""Messages of webhooks arrive: signed, in order, at least once, whatever fails on the way."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from app.config import Settings, environment_without_settings
from app.db.queries import deliveries, events
from app.db.session import DELIVERY_CHANNEL, make_engine, make_session_factory, transaction
from app.services.deliveries import next_message, record_outcome
from app.services.webhook_posts import Outcome
from app.services.webhooks import (
    replay_delivery,
    send_test,
)
from tests.loop import Factory, create_draft
from tests.receivers import OK, Received, Receiver, after, receiving
from tests.support import wait_for
from tests.workers.jobs.delivering import (
    PATIENCE,
    Happen,
    arrived,
    deliverer,
    happen,
    numbers,
    project,
    receiver,
    run,
    send_once,
    settings,
    states,
    subscribe,
    webhook_row,
)
from workers.jobs.deliveries import QUICK, TURN
from workers.jobs.wakeups import Listener

__all__ = ["deliverer", "happen", "project", "receiver", "settings", "subscribe"]


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
