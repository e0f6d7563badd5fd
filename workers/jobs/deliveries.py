"""Sends the messages of webhooks: several webhooks at once, each one's messages in order.

Those that fail or answer slowly have threads of their own, so that they keep no others waiting.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import deliveries as queries
from app.db.session import transaction
from app.services.deliveries import next_message, record_outcome
from app.services.webhook_posts import post_message
from app.services.webhooks import disable_failing

POLL_SECONDS = 1.0
THREADS = 4  # of each lane
# Messages of one webhook in one turn: then the others that wait come first.
TURN = 20
CLAIM_SPARE_SECONDS = 15.0
CLEAN_SECONDS = 600.0
CLEAN_AT_ONCE = 2000


@dataclass
class Lane:
    """Threads for webhooks that are quick, or for those that are slow."""

    is_slow: bool
    pool: ThreadPoolExecutor
    busy: set[int] = field(default_factory=set)


class Deliverer(threading.Thread):
    """Looks for messages at every wake-up and every second until `stopped`."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        settings: Settings,
        woken: threading.Event,
        stopped: threading.Event,
    ) -> None:
        super().__init__(name="deliverer", daemon=True)
        self._factory = factory
        self._settings = settings
        self._woken = woken
        self._stopped = stopped
        self._claim_seconds = settings.webhook_seconds + CLAIM_SPARE_SECONDS
        self._lanes: Sequence[Lane] = [
            Lane(
                is_slow, ThreadPoolExecutor(THREADS, f"deliverer-{'slow' if is_slow else 'quick'}")
            )
            for is_slow in (False, True)
        ]
        self._log = structlog.get_logger()
        self._to_clean_in = CLEAN_SECONDS

    def run(self) -> None:
        """Look until `stopped`; then end what is under way."""
        while not self._stopped.is_set():
            has_waited = not self._woken.wait(POLL_SECONDS)
            self._woken.clear()
            try:
                for lane in self._lanes:
                    self._claim(lane)
                self._clean(POLL_SECONDS if has_waited else 0.0)
            except SQLAlchemyError as error:  # the next look tries again
                self._log.warning("deliveries.look_failed", reason=str(error).strip())
                self._stopped.wait(POLL_SECONDS)
        for lane in self._lanes:
            lane.pool.shutdown(cancel_futures=True)

    def _claim(self, lane: Lane) -> None:
        free = THREADS - len(lane.busy)
        if free <= 0:
            return
        token = uuid4()
        with transaction(self._factory) as session:
            claimed = queries.claim_due(
                session, token, self._claim_seconds, free, slow=lane.is_slow
            )
        for webhook_id in claimed:
            lane.busy.add(webhook_id)
            lane.pool.submit(self._take_turn, lane, webhook_id, token)

    def _take_turn(self, lane: Lane, webhook_id: int, token: UUID) -> None:
        """Send the next messages of a webhook, one after the other, and give its claim back."""
        try:
            for _ in range(TURN):
                if self._stopped.is_set() or not self.send_next(webhook_id, token):
                    break
            with transaction(self._factory) as session:
                queries.release(session, webhook_id, token)
        except Exception as error:  # noqa: BLE001 - the claim ends, and the message is sent again
            self._log.warning(
                "delivery.not_recorded", webhook=webhook_id, reason=str(error).strip()
            )
        finally:
            lane.busy.discard(webhook_id)
            self._woken.set()

    def send_next(self, webhook_id: int, token: UUID) -> bool:
        """Send the webhook's oldest message; return whether the next one may follow at once."""
        with transaction(self._factory) as session:
            sent = next_message(session, webhook_id, token, self._claim_seconds)
        if sent is None:
            return False
        outcome = post_message(sent.message, self._settings)
        with transaction(self._factory) as session:
            recorded = record_outcome(session, sent, token, outcome, self._claim_seconds)
        if outcome.fault is not None:
            self._log.info("delivery.failed", webhook=webhook_id, reason=outcome.fault)
        if recorded.disable_because is not None:
            with transaction(self._factory) as session:
                disable_failing(session, sent.project_id, webhook_id, recorded.disable_because)
            self._log.warning(
                "webhook.disabled", webhook=webhook_id, reason=recorded.disable_because
            )
        return recorded.goes_on and outcome.seconds <= queries.SLOW_SECONDS

    def _clean(self, passed_seconds: float) -> None:
        """Remove messages that ended long ago, now and then."""
        self._to_clean_in -= passed_seconds
        if self._to_clean_in > 0:
            return
        self._to_clean_in = CLEAN_SECONDS
        n = CLEAN_AT_ONCE
        while n == CLEAN_AT_ONCE and not self._stopped.is_set():
            with transaction(self._factory) as session:
                n = queries.remove_ended(session, self._settings.webhook_keep_days, CLEAN_AT_ONCE)
