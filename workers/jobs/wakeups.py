"""Wake-ups from Postgres: a thread that listens and wakes the threads that look at rows.

What a notification holds is not read: it only means "look at the rows".
"""

import threading
from collections.abc import Mapping
from typing import LiteralString

import psycopg
import structlog

from app.db.session import DELIVERY_CHANNEL, PREDICTION_CHANNEL, WAKEUP_CHANNEL

LISTEN_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.2
LAST_PAUSE_SECONDS = 10.0
_LISTEN: Mapping[str, LiteralString] = {
    WAKEUP_CHANNEL: f"LISTEN {WAKEUP_CHANNEL}",
    DELIVERY_CHANNEL: f"LISTEN {DELIVERY_CHANNEL}",
    PREDICTION_CHANNEL: f"LISTEN {PREDICTION_CHANNEL}",
}


class Listener(threading.Thread):
    """Sets the event of a channel at every wake-up until `stopped`; reopens a lost connection."""

    def __init__(
        self, url: str, woken: Mapping[str, threading.Event], stopped: threading.Event
    ) -> None:
        super().__init__(name="listener", daemon=True)
        self._url = _driver_url(url)
        self._woken = woken
        self._stopped = stopped

    def run(self) -> None:
        """Listen until `stopped`."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                    for channel in self._woken:
                        connection.execute(_LISTEN[channel])
                    pause = FIRST_PAUSE_SECONDS
                    self._listen(connection)
            except (psycopg.Error, OSError) as error:
                reason = str(error).strip()
                structlog.get_logger().warning("worker.listening_failed", reason=reason)
                self._stopped.wait(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)

    def _listen(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        for woken in self._woken.values():
            woken.set()  # for what came before this connection listened
        while not self._stopped.is_set():
            for notification in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                self._woken[notification.channel].set()


def _driver_url(url: str) -> str:
    """Return the URL as the driver reads it: SQLAlchemy's may name the driver."""
    return f"postgresql://{url.split('://', 1)[1]}"
