"""Kombu's Redis transport with a guard: without it an unreadable message ends the worker.

Kombu decodes and delivers what it takes from a list within its event loop: an error there, of a
message that is no JSON or lacks a field, passes through Celery and ends it.
"""

from queue import Empty
from typing import Any

import structlog
from kombu.transport.redis import Channel, Transport
from redis.exceptions import ResponseError

# Kombu counts KeyError, too: here it only means that a message lacks a field.
LOST_CONNECTION = tuple(error for error in Transport.connection_errors if error is not KeyError)


class GuardedChannel(Channel):
    """Drops messages that are not JSON."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (Empty, ResponseError, *self.connection_errors):
            raise
        except Exception as error:  # noqa: BLE001 - whatever was in the list is gone from it
            _say_dropped(error)
            return True


class GuardedTransport(Transport):
    """Drops messages that cannot be delivered."""

    Channel = GuardedChannel

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except LOST_CONNECTION:
            raise
        except Exception as error:  # noqa: BLE001 - Celery met a message that it cannot use
            _say_dropped(error)
            self._forget(message)

    def _forget(self, message: Any) -> None:
        """Acknowledge the message: while it is not, Celery takes no other."""
        properties = message.get("properties") if isinstance(message, dict) else None
        tag = properties.get("delivery_tag") if isinstance(properties, dict) else None
        for channel in self.channels:
            if isinstance(tag, str) and tag in channel.qos._delivered:  # noqa: SLF001
                channel.basic_ack(tag)


def _say_dropped(error: Exception) -> None:
    structlog.get_logger().warning("message.dropped", reason=f"{type(error).__name__}: {error}")
