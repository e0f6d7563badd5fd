"""Posts one message to a webhook: signed, within its time, only where messages may go."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from app.config import Settings
from app.domain.errors import WebhookInvalid
from app.domain.webhooks import retry_after_seconds, signed_headers
from app.services.addresses import as_url_host, is_public, port_of, resolve
from app.services.downloads import FAULTS, Answer, Deadline, post
from app.services.webhooks import checked_url, is_listed, split_url

SHOWN_CHARACTERS = 200
HEADERS = {"Content-Type": "application/json", "User-Agent": "svp-webhooks/1"}


@dataclass(frozen=True)
class Message:
    """One message: where it goes, its id, the keys that sign it, and its body."""

    url: str
    id: str
    secrets: tuple[bytes, ...]
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """The outcome of one try.

    Attributes:
        status: of the answer; None: there was none.
        fault: why it failed; None: it was taken.
        retry_after_seconds: that the receiver asks for.
        seconds: that it took.
    """

    status: int | None
    fault: str | None
    retry_after_seconds: float
    seconds: float


def post_message(message: Message, settings: Settings) -> Outcome:
    """Send the message and return what became of it; never raises for a receiver's faults.

    Its host is resolved now. A private address is refused unless the operator lists the host, and
    the connection goes to the address that was checked. Redirects are not followed.
    """
    started = time.monotonic()
    status, asked = None, 0.0
    try:
        answer = _post(message, settings)
        status = answer.status
        fault = None if 200 <= status < 300 else _refusal(answer)
        if fault is not None:
            asked = retry_after_seconds(answer.headers.get("Retry-After", ""), datetime.now(UTC))
    except WebhookInvalid as error:
        fault = error.detail
    except TimeoutError:
        fault = f"no answer within {settings.webhook_seconds:g} s (SVP_WEBHOOK_SECONDS)"
    except (*FAULTS, OSError) as error:
        fault = f"it cannot be reached: {str(error) or type(error).__name__}"
    return Outcome(status, fault, asked, time.monotonic() - started)


def _post(message: Message, settings: Settings) -> Answer:
    parts = split_url(checked_url(message.url, settings))
    deadline = Deadline(settings.webhook_seconds)
    host, port = parts.hostname or "", port_of(parts)
    addresses = resolve(host, port, deadline)
    if not is_listed(parts, settings):
        addresses = [address for address in addresses if is_public(address)]
    if not addresses:
        raise WebhookInvalid(
            f"{host} has a private address; messages go there once the operator lists {host} in "
            "SVP_WEBHOOK_HOSTS"
        )
    url = parts._replace(netloc=f"{as_url_host(addresses[0])}:{port}").geturl()
    headers = {
        **HEADERS,
        "Host": parts.netloc,
        **signed_headers(message.secrets, message.id, datetime.now(UTC), message.body),
    }
    return post(url, message.body, headers, host if parts.scheme == "https" else None, deadline)


def _refusal(answer: Answer) -> str:
    """Return what the receiver said, as text that can be stored and shown."""
    if httpx.codes.is_redirect(answer.status):
        return f"it answered {answer.status}; redirects are not followed, give the final address"
    start = answer.start.decode(errors="replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    said = f": {words[:SHOWN_CHARACTERS]}" if words else ""
    return f"it answered {answer.status}{said}"
