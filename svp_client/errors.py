"""The one error of this package, made from the answer of the service or of a proxy."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

SHOWN_CHARACTERS = 200


class ClientError(Exception):
    """A request failed; `detail` says what to do.

    Attributes:
        status: of the answer; 0 where none came.
        code: stable name of the error. Beside the service's own codes: `service_unreachable` where
            no answer came, `answer_cut_off` where it broke off, `download_damaged`, `redirected`,
            and `not_json` where something else answered, such as a proxy.
        detail: the reason, and what to do.
        errors: the single faults of a request that the service lists, each with `field` and
            `message`.
        request_id: names the request in the service's log, where the service answered.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(f"{detail} ({status} {code})" if status else f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.errors = list(errors)


def refusal(response: httpx.Response) -> ClientError:
    """Return the error of an unsuccessful answer; its body has been read."""
    status, request_id = response.status_code, response.headers.get("X-Request-ID")
    if response.has_redirect_location:
        to = response.headers["Location"]
        detail = f"{response.url} redirects to {to}. Give the client the service's final URL."
        return ClientError(status, "redirected", detail, request_id)
    try:
        problem: Any = json.loads(response.content)
    except ValueError:
        return not_json(response)
    if not isinstance(problem, dict) or not {"code", "detail"} <= set(problem):
        return not_json(response)
    faults = problem.get("errors") or ()
    return ClientError(status, str(problem["code"]), str(problem["detail"]), request_id, faults)


def not_json(response: httpx.Response) -> ClientError:
    """Return the error of an answer that the service did not write."""
    kind = response.headers.get("Content-Type", "no type").partition(";")[0]
    shown = _readable(response.text)
    said = f" It says: {shown}" if shown else ""
    detail = (
        f"The answer from {response.url} is not the service's ({kind}). Check the URL, and whether "
        f"a proxy stands in between.{said}"
    )
    request_id = response.headers.get("X-Request-ID")
    return ClientError(response.status_code, "not_json", detail, request_id)


def unreachable(url: str, error: httpx.RequestError) -> ClientError:
    """Return the error of a request that got no answer."""
    why = str(error) or type(error).__name__
    detail = f"No answer from {url}: {why}. Check the URL and whether the service runs."
    return ClientError(0, "service_unreachable", detail)


def cut_off(url: str, error: Exception) -> ClientError:
    """Return the error of an answer that broke off in the middle."""
    why = str(error) or type(error).__name__
    return ClientError(0, "answer_cut_off", f"The answer from {url} broke off: {why}. Ask again.")


def damaged(response: httpx.Response) -> ClientError:
    """Return the error of a file whose digest is not the one that was sent with it."""
    detail = (
        "The file is truncated or damaged: its SHA-256 is not the one that the service sent. "
        "Download it again; if that does not help, the stored file is damaged."
    )
    request_id = response.headers.get("X-Request-ID")
    return ClientError(response.status_code, "download_damaged", detail, request_id)


def _readable(page: str) -> str:
    """Return the start of an HTML page's text on one line."""
    without_code = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", page)
    text = " ".join(re.sub(r"(?s)<[^>]*>", " ", without_code).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
