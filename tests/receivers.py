"""A receiver of webhooks on the loopback: keeps what it was sent and answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

Answer = tuple[int, dict[str, str]]
OK: Answer = (204, {})


def after(event: threading.Event, seconds: float) -> "Callable[[Received], Answer]":
    """Return what answers once the event is set, or after so many seconds."""

    def answer(_: "Received") -> Answer:
        event.wait(seconds)
        return OK

    return answer


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the body's JSON, if the signature is right by Standard Webhooks' own library."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Answers by `answer`, which gets each request; requests are kept in `received`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], Answer] = lambda _: OK
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                found = Received(self.path, headers, self.rfile.read(length))
                receiver.received.append(found)
                status, more = receiver.answer(found)
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events?of=test"

    def types(self, secret: str) -> list[str]:
        """Return the types of the messages, in the order in which they came."""
        return [each.verified(secret)["type"] for each in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver that listens."""
    receiver = Receiver()
    receiver.thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.thread.join()
        receiver.server.server_close()
