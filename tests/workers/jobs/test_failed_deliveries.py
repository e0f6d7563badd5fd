"""Messages of webhooks that fail are tried again, die or disable; the secret can be changed."""

import threading
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from app.db.queries import deliveries, events
from app.db.queries.projects import get
from app.db.session import transaction
from app.services.overview import ProblemCode, read_overview
from app.services.webhook_posts import Message, post_message
from app.services.webhooks import change_secret, change_webhook, replay_dead
from tests.receivers import OK, Answer, after
from tests.workers.jobs.delivering import (
    PATIENCE,
    Told,
    happen,
    numbers,
    project,
    receiver,
    settings,
    subscribe,
    told,
)

__all__ = ["happen", "project", "receiver", "settings", "subscribe", "told"]


class TestFailures:
    def test_an_answer_that_asks_for_time_gets_it(self, told: Told) -> None:
        told.answer((429, {"Retry-After": "3600"}))
        told.send()
        waits = "SELECT extract(epoch FROM retry_at - now()) FROM webhooks"
        assert 3590 < told.run(waits).scalar_one() <= 3600
        with transaction(told.factory) as session:
            claimed = deliveries.claim_due(session, uuid4(), 30, 10, slow=True)
        assert claimed == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((302, {"Location": "http://127.0.0.1:1/"}), "redirects are not followed"),
            ((404, {}), "it answered 404"),
        ],
    )
    def test_the_reason_is_kept(self, told: Told, answer: Answer, words: str) -> None:
        told.answer(answer)
        told.send()
        assert len(told.receiver.received) == 1
        kept = told.run("SELECT last_error, last_status FROM webhook_deliveries").one()
        assert words in kept[0]
        assert kept[1] == answer[0]

    def test_a_receiver_that_is_not_there_and_one_that_hangs(self, told: Told) -> None:
        hanging = threading.Event()
        told.receiver.answer = after(hanging, PATIENCE)
        told.send(webhook_seconds=0.2)
        hanging.set()
        said = "SELECT last_error FROM webhook_deliveries"
        assert "no answer within 0.2 s" in told.run(said).scalar_one()
        told.run("UPDATE webhooks SET url = 'http://127.0.0.1:1/'")
        told.send()
        assert "cannot be reached" in told.run(said).scalar_one()
        assert told.row.n_failures == 2

    def test_a_name_that_leads_to_a_private_address_is_not_asked(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = told.receiver.port
        monkeypatch.setattr(
            "socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", port))]
        )
        unlisted = told.settings.model_copy(update={"webhook_hosts": ()})
        message = Message(f"https://example.org:{port}/", "msg_1", (b"x",), b"{}")
        outcome = post_message(message, unlisted)
        assert "SVP_WEBHOOK_HOSTS" in (outcome.fault or "")
        assert told.receiver.received == []

    def test_a_message_dies_after_three_days_and_the_next_is_tried(self, told: Told) -> None:
        told.happen(1)
        told.answer((500, {}))
        told.send()
        told.run("UPDATE webhook_deliveries SET first_tried_at = now() - interval '71 h'")
        told.send()
        assert told.states == ["pending", "pending"]
        told.run(
            "UPDATE webhook_deliveries SET first_tried_at = now() - interval '72 h' "
            "WHERE first_tried_at IS NOT NULL AND n_attempts > 0"
        )
        told.send()
        assert told.states == ["dead", "pending"]
        told.answer(OK)
        told.send()
        assert told.states == ["dead", "delivered"]
        with transaction(told.factory) as session:
            assert replay_dead(session, told.project, told.webhook) == 1
        told.send()
        assert told.states == ["delivered", "delivered"]
        assert numbers(told.receiver, told.secret) == [0, 0, 0, 1, 0]
        assert len({got.id for got in told.receiver.received}) == 2

    def test_gone_disables_at_once_with_a_notice(self, told: Told) -> None:
        told.happen(1)
        told.answer((410, {}))
        told.send()
        assert told.row.disabled_at is not None
        assert "410" in (told.row.disabled_reason or "")
        assert told.states == ["dead", "dead"]
        with transaction(told.factory) as session:
            facts = events.newest_facts(session, told.project, "webhook.disabled")
            problems = read_overview(session, get(session, told.project)).problems
        assert facts is not None
        assert (facts["webhook"], facts["n_dead"]) == (told.webhook, 2)
        assert ProblemCode.WEBHOOK_DISABLED in [problem.code for problem in problems]
        told.happen(2)
        assert len(told.states) == 2

    def test_failing_for_days_disables(self, told: Told) -> None:
        told.answer((503, {}))
        told.send()
        told.run("UPDATE webhooks SET failing_since = now() - interval '119 h'")
        told.send()
        assert told.row.disabled_at is None
        told.run("UPDATE webhooks SET failing_since = now() - interval '120 h'")
        told.send()
        assert told.row.disabled_at is not None
        with transaction(told.factory) as session:
            change_webhook(session, told.project, told.webhook, {"is_enabled": True}, told.settings)
        row = told.row
        assert (row.disabled_at, row.failing_since, row.n_failures) == (None, None, 0)


class TestNewSecret:
    """Signatures are checked by Standard Webhooks' own library."""

    def change(self, told: Told, *, ends_old: bool = False) -> str:
        with transaction(told.factory) as session:
            return change_secret(session, told.project, told.webhook, ends_old=ends_old)[0]

    def test_for_a_day_both_are_good_and_then_the_new_one_alone(self, told: Told) -> None:
        new = self.change(told)
        told.send()
        (got,) = told.receiver.received
        assert got.verified(new) == got.verified(told.secret)
        assert len(got.headers["webhook-signature"].split()) == 2
        told.run("UPDATE webhooks SET former_until = former_until - interval '24 h'")
        told.happen(1)
        told.send()
        got = told.receiver.received[-1]
        assert got.verified(new)["data"]["facts"] == {"n": 1}
        with pytest.raises(WebhookVerificationError):
            got.verified(told.secret)

    def test_one_that_others_know_ends_at_once(self, told: Told) -> None:
        new = self.change(told, ends_old=True)
        told.send()
        (got,) = told.receiver.received
        got.verified(new)
        with pytest.raises(WebhookVerificationError):
            got.verified(told.secret)

    def test_of_two_changes_the_first_secret_ends(self, told: Told) -> None:
        second, third = self.change(told), self.change(told)
        told.send()
        (got,) = told.receiver.received
        assert got.verified(second) == got.verified(third)
        with pytest.raises(WebhookVerificationError):
            got.verified(told.secret)

    def test_what_signs_no_more_is_not_kept(self, told: Told) -> None:
        self.change(told)
        kept = "SELECT count(former_secret), count(former_until) FROM webhooks"
        for minutes, n in ((1, 1), (-1, 0)):
            told.run(
                "UPDATE webhooks SET former_until = now() + make_interval(mins => :m)", m=minutes
            )
            with transaction(told.factory) as session:
                deliveries.forget_former_secrets(session)
            assert told.run(kept).one() == (n, n)
