"""Calls of the API as data: the request, and how its answer is read."""

import base64
import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Generic, TypeVar

import httpx

from svp_client.errors import damaged, not_json

T = TypeVar("T")
PAGE = 1000
BLOCK_BYTES = 1 << 20
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # twice is as once (RFC 9110)

# Yields calls and pauses, is sent the answers or thrown the error, and returns the result.
Series = Generator["Call[Any] | Pause", Any, T]


@dataclass(frozen=True)
class FileBody:
    """An open file as a body, from its present position."""

    file: BinaryIO
    start: int | None

    @classmethod
    def of(cls, file: BinaryIO) -> "FileBody":
        """Return the rest of the file; only a file that seeks can be sent again."""
        return cls(file, file.tell() if file.seekable() else None)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, from the start again where it was read before."""
        if self.start is not None:
            self.file.seek(self.start)
        while block := self.file.read(BLOCK_BYTES):
            yield block


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how its answer is read.

    Attributes:
        method: of HTTP.
        path: below /api/v1.
        parse: turns the answer into the result.
        query: parameters; those that are None are left out.
        body: arguments of httpx's `build_request`: json, content, files, data, headers.
        file: a body that is streamed from a file.
        is_idempotent: whether sending it twice does what sending it once does. A request that is
            not is sent again only where the first one certainly did nothing.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    file: FileBody | None = None
    is_idempotent: bool = False

    def options(self) -> dict[str, Any]:
        """Return the arguments of httpx's `build_request`, without a file's content."""
        given = {key: value for key, value in self.query.items() if value is not None}
        return {"method": self.method, **({"params": given} if given else {}), **self.body}


@dataclass(frozen=True)
class Pages(Generic[T]):
    """A list that the API gives page by page.

    Attributes:
        first: the call of the first page, without cursor and limit.
        key: under which a page holds its entries.
    """

    first: Call[Any]
    key: str

    def page(self, cursor: int | None) -> Call[Any]:
        """Return the call of the page behind the cursor; None: of the first one."""
        return replace(self.first, query={**self.first.query, "cursor": cursor, "limit": PAGE})


@dataclass(frozen=True)
class Lines(Generic[T]):
    """A stream of JSON objects, one per line.

    `instead` are calls that lead to the call of another stream, where the service refuses this one
    with the error `refusal`.
    """

    call: Call[Any]
    refusal: str | None = None
    instead: Callable[[], "Series[Call[Any]]"] | None = None


@dataclass(frozen=True)
class Blocks(Lines[bytes]):
    """A stream of bytes, as they come."""


@dataclass(frozen=True)
class Pause:
    """A wait between two calls of a series."""

    seconds: float


@dataclass(frozen=True)
class Stream(Generic[T]):
    """A stream of Server-Sent Events that goes on for as long as somebody reads it.

    Attributes:
        call: that opens it.
        kind: of the messages whose JSON is yielded.
        after: the id of the last message that is known already; None: only new ones.
    """

    call: Call[Any]
    kind: str
    after: int | None


def get(path: str, parse: Callable[[httpx.Response], T], **query: Any) -> Call[T]:
    """Return a call that reads."""
    return Call("GET", path, parse, query, is_idempotent=True)


def as_query(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters as the API names them: two of their names are Python's own."""
    query = dict(filters)
    for name in ("class", "round"):
        query[name] = query.pop(f"{name}_", None)
    return query


def send(
    method: str,
    path: str,
    parse: Callable[[httpx.Response], T],
    json_body: Any = None,
    *,
    is_idempotent: bool | None = None,
    **query: Any,
) -> Call[T]:
    """Return a call that changes something; by default the method says whether it is idempotent."""
    body = {} if json_body is None else {"json": json_body}
    safe = method in SAFE_METHODS if is_idempotent is None else is_idempotent
    return Call(method, path, parse, query, body, is_idempotent=safe)


def raw(
    method: str, path: str, options: Mapping[str, Any], *, is_idempotent: bool | None
) -> Call[httpx.Response]:
    """Return a call whose answer is returned as it is.

    Args:
        method: of HTTP.
        path: below /api/v1.
        options: of httpx's `build_request`.
        is_idempotent: None: as the method says, where the body can be read twice.
    """
    if is_idempotent is None:
        content = options.get("content", b"")
        is_idempotent = method.upper() in SAFE_METHODS and isinstance(content, bytes | str)
    return Call(method, path, undamaged, body=options, is_idempotent=is_idempotent)


def as_json(response: httpx.Response) -> Any:
    """Return the answer's JSON.

    Raises:
        ClientError: it is none, although its status says success.
    """
    try:
        return json.loads(response.content)
    except ValueError:
        raise not_json(response) from None


def under(key: str) -> Callable[[httpx.Response], Any]:
    """Return a reader of the value under a key of the answer."""
    return lambda response: as_json(response)[key]


def as_bytes(response: httpx.Response) -> bytes:
    """Return the answer's body.

    Raises:
        ClientError: it arrived damaged.
    """
    return undamaged(response).content


def undamaged(response: httpx.Response) -> httpx.Response:
    """Return the answer; compare its body with the SHA-256 that was sent with it.

    Raises:
        ClientError: they differ.
    """
    sent = response.headers.get("Repr-Digest", "")
    if sent.startswith("sha-256=:"):
        found = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
        if sent != f"sha-256=:{found}:":
            raise damaged(response)
    return response


def as_text(response: httpx.Response) -> str:
    """Return the answer's body as text."""
    return response.content.decode()


def nothing(_response: httpx.Response) -> None:
    """Return None: the answer has no body."""
