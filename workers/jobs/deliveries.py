"""Sends the messages of webhooks: several webhooks at once, each one's messages in order.

Those that fail, answer slowly, or never answered yet have places of their own, so that they keep no
others waiting.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from app.db.queries import deliveries as queries
from app.db.session import transaction
from app.services.deliveries import next_message, record_outcome
from app.services.webhook_posts import post_message
from app.services.webhooks import disable_failing
from workers.jobs.watchers import Watcher

# Webhooks served at once. One that keeps a quick thread for long counts as slow meanwhile.
QUICK, SLOW = 8, 16
MOST_THREADS = 64
# Messages of one webhook in one turn: then the others that wait come first.
TURN = 20
CLAIM_SPARE_SECONDS = 15.0
CLEAN_SECONDS = 600.0
CLEAN_AT_ONCE = 2000


@dataclass
class Turn:
    """One webhook's turn: when its present message was begun, by the monotonic clock."""

    is_slow: bool
    began_at: float = field(default_factory=time.monotonic)

    def counts_as_slow(self) -> bool:
        """Return whether it takes a place among the slow ones."""
        return self.is_slow or time.monotonic() - self.began_at > queries.SLOW_SECONDS


class Deliverer(Watcher):
    """Sends the messages that wait."""

    part = "deliveries"

    def prepare(self) -> None:
        """Make the places of turns."""
        self._claim_seconds = self._settings.webhook_seconds + CLAIM_SPARE_SECONDS
        self._pool = ThreadPoolExecutor(MOST_THREADS, "deliverer")
        self._turns: dict[int, Turn] = {}
        self._clean_at = time.monotonic() + CLEAN_SECONDS

    def look(self) -> None:
        """Begin turns of the webhooks that have messages, and clean up now and then."""
        self._claim(is_slow=False)
        self._claim(is_slow=True)
        self._clean()

    def end(self) -> None:
        """End the turns that are under way."""
        self._pool.shutdown(cancel_futures=True)

    def _claim(self, *, is_slow: bool) -> None:
        """Begin turns of webhooks that have messages, as far as there are places."""
        turns = list(self._turns.values())
        n_busy = sum(turn.counts_as_slow() == is_slow for turn in turns)
        free = min((SLOW if is_slow else QUICK) - n_busy, MOST_THREADS - len(turns))
        if free <= 0:
            return
        token = uuid4()
        with transaction(self._factory) as session:
            claimed = queries.claim_due(session, token, self._claim_seconds, free, slow=is_slow)
        for webhook_id in claimed:
            self._turns[webhook_id] = turn = Turn(is_slow)
            self._pool.submit(self._take_turn, turn, webhook_id, token)

    def _take_turn(self, turn: Turn, webhook_id: int, token: UUID) -> None:
        """Send the next messages of a webhook, one after the other, and give its claim back."""
        try:
            self.send(webhook_id, token, TURN, turn)
            with transaction(self._factory) as session:
                queries.release(session, webhook_id, token)
        except Exception as error:  # noqa: BLE001 - the claim ends, and the message is sent again
            reason = str(error).strip()
            self._log.warning("delivery.not_recorded", webhook=webhook_id, reason=reason)
        finally:
            self._turns.pop(webhook_id, None)
            self._woken.set()

    def send(self, webhook_id: int, token: UUID, limit: int, turn: Turn) -> None:
        """Send up to `limit` messages of a webhook, oldest first, until one fails or takes long."""
        with transaction(self._factory) as session:
            sent = next_message(session, webhook_id, token, self._claim_seconds)
        while sent is not None:
            turn.began_at = time.monotonic()
            outcome = post_message(sent.message, self._settings)
            limit -= 1
            with transaction(self._factory) as session:
                recorded = record_outcome(session, sent, token, outcome, self._claim_seconds)
                goes_on = recorded.goes_on and limit > 0 and not self._stopped.is_set()
                if goes_on and outcome.seconds <= queries.SLOW_SECONDS:
                    following = next_message(session, webhook_id, token, self._claim_seconds)
                else:
                    following = None
            if outcome.fault is not None:
                self._log.info("delivery.failed", webhook=webhook_id, reason=outcome.fault)
            if recorded.disable_because is not None:
                self._disable(sent.project_id, webhook_id, recorded.disable_because)
            sent = following

    def _disable(self, project_id: int, webhook_id: int, because: str) -> None:
        with transaction(self._factory) as session:
            disable_failing(session, project_id, webhook_id, because)
        self._log.warning("webhook.disabled", webhook=webhook_id, reason=because)

    def _clean(self) -> None:
        """Remove messages that ended long ago and secrets that sign no more, now and then."""
        if time.monotonic() < self._clean_at:
            return
        self._clean_at = time.monotonic() + CLEAN_SECONDS
        with transaction(self._factory) as session:
            queries.forget_former_secrets(session)
        n = CLEAN_AT_ONCE
        while n == CLEAN_AT_ONCE and not self._stopped.is_set():
            with transaction(self._factory) as session:
                n = queries.remove_ended(session, self._settings.webhook_keep_days, CLEAN_AT_ONCE)
