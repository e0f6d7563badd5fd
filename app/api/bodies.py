"""Request bodies as routes read them: after the caller is known, unpacked, within their limit."""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.api.deps import READING, bearer, get_caller
from app.api.encodings import UNPACKERS, Unpacker
from app.config import Settings
from app.domain.errors import BodyTooLarge
from app.domain.json_text import find_unstorable, is_storable
from app.domain.quotes import shown

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
STEP_BYTES = 256 * 1024
# A body may always unpack to this much, whatever its packed size.
FREE_UNPACKED_BYTES = 16 * 1024**2
READ_IN_THREAD_BYTES = 32 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def takes_large_bodies(endpoint: Endpoint) -> Endpoint:
    """Give an endpoint the limit of imports; it reads the body itself, after its dependencies."""
    endpoint.takes_large_bodies = True  # type: ignore[attr-defined]  # read by Route
    return endpoint


def takes_bodies_up_to(setting: str) -> Callable[[Endpoint], Endpoint]:
    """Return what gives an endpoint the limit of a setting, in place of that of other JSON."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.body_setting = setting  # type: ignore[attr-defined]  # read by Route
        return endpoint

    return mark


class Route(APIRoute):
    """A route that knows its caller before it reads a byte of the body.

    FastAPI alone would read and parse the whole body before it asks who sent it.
    """

    @cached_property
    def parameter_names(self) -> list[str]:
        """Names of the query parameters of the route and of what it depends on."""
        known: set[str] = set()
        dependants = [self.dependant]
        while dependants:
            dependant = dependants.pop()
            known.update(parameter.alias for parameter in dependant.query_params)
            dependants.extend(dependant.dependencies)
        return sorted(known)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves one request."""
        serve = super().get_route_handler()
        parses_body = self.body_field is not None
        is_large = getattr(self.endpoint, "takes_large_bodies", False)
        setting = getattr(self.endpoint, "body_setting", None)

        async def serve_known(request: Request) -> Response:
            if request.method in READING:
                return await serve(request)
            await get_caller(request, await bearer(request))
            settings: Settings = request.app.state.settings
            body = Body(request, settings, is_large=is_large, setting=setting)
            bounded = BoundedRequest(request.scope, body)
            if parses_body:
                await bounded.body()
            return await serve(bounded)

        return serve_known


async def check_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not know, and NUL characters in any parameter.

    Raises:
        HTTPException: 422; names what the route knows.
    """
    route, given = request.scope["route"], request.query_params.multi_items()
    assert isinstance(route, Route)  # noqa: S101 - all routes with a token are
    for name, value in given:
        if name not in route.parameter_names:
            known = ", ".join(route.parameter_names) or "none"
            raise HTTPException(
                422, f"There is no query parameter {shown(name)} here; this route takes {known}."
            )
        if not is_storable(value):
            raise HTTPException(422, f"query.{name}: remove the NUL character.")
    if len(given) > len(request.query_params):
        raise HTTPException(422, "A query parameter is given twice; give each once.")
    for name, value in request.path_params.items():
        if isinstance(value, str) and not is_storable(value):
            raise HTTPException(422, f"path.{name}: remove the NUL character.")


class Body:
    """The `receive` of one request: unpacks, and refuses what is over the limit.

    Raises, when it is made or called:
        HTTPException: 415, the Content-Encoding is not taken.
        BodyTooLarge: by its announced length, as it is read, or as it unpacks.
        BodyInvalid: it is not what its encoding says, or truncated.
    """

    def __init__(
        self, request: Request, settings: Settings, *, is_large: bool, setting: str | None = None
    ) -> None:
        self._receive: Receive = request.receive
        self._unpacker = _unpacker(request)
        name = setting or ("max_body_bytes" if is_large else "max_json_bytes")
        self._limit: int = getattr(settings, name)
        self._setting = f"SVP_{name.upper()}"
        self._max_expansion = settings.max_expansion
        self._n_read = self._n_unpacked = 0
        self._is_whole = False
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._limit:
            raise self._too_large("body")

    async def __call__(self) -> Message:
        """Return the next message of the request."""
        if self._unpacker is None:
            return await self._next_message()
        while True:
            unpacked = await run_in_threadpool(self._unpacker.read, STEP_BYTES)
            if unpacked:
                self._count_unpacked(len(unpacked))
                return {"type": "http.request", "body": unpacked, "more_body": True}
            if self._is_whole:
                self._unpacker.finish()
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._next_message()
            if message["type"] != "http.request":
                return message
            self._unpacker.feed(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)

    async def _next_message(self) -> Message:
        message = await self._receive()
        self._n_read += len(message.get("body", b""))
        if self._n_read > self._limit:
            raise self._too_large("body")
        return message

    def _count_unpacked(self, n_bytes: int) -> None:
        self._n_unpacked += n_bytes
        if self._n_unpacked > self._limit:
            raise self._too_large("unpacked body")
        if self._n_unpacked > FREE_UNPACKED_BYTES + self._max_expansion * self._n_read:
            raise BodyTooLarge(
                f"The body unpacks to more than {self._max_expansion} times its size; send it "
                "less packed, or raise SVP_MAX_EXPANSION."
            )

    def _too_large(self, noun: str) -> BodyTooLarge:
        return BodyTooLarge(
            f"The {noun} is over the limit of {self._limit} bytes; send it in several requests, "
            f"or raise {self._setting}."
        )


class BoundedRequest(Request):
    """A request whose JSON is strict, and parsed in a thread when it is long."""

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            JSONDecodeError: it is no JSON (NaN and half surrogate pairs are none).
            HTTPException: 422, a text in it cannot be stored.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            if len(body) > READ_IN_THREAD_BYTES:
                self._json = await run_in_threadpool(_parse, body)
            else:
                self._json = _parse(body)
        return self._json


def _parse(body: bytes) -> Any:
    value = orjson.loads(body.removeprefix(BYTE_ORDER_MARK))
    place = find_unstorable(value) if b"\\u0000" in body else None
    if place is not None:
        raise HTTPException(
            422, f"body{place}: a NUL character cannot be stored; remove it and send it again."
        )
    return value


def _unpacker(request: Request) -> Unpacker | None:
    """Return what unpacks the body; None: it is sent plain."""
    encodings = [
        name.strip().lower()
        for value in request.headers.getlist("content-encoding")
        for name in value.split(",")
    ]
    packed = [name for name in encodings if name not in ("", "identity")]
    if not packed:
        return None
    if len(packed) > 1 or packed[0] not in UNPACKERS:
        raise HTTPException(
            415,
            f"Content-Encoding {', '.join(packed)[:100]} is not taken; send the body plain, or "
            "with gzip or zstd.",
            headers={"Accept-Encoding": "gzip, zstd"},
        )
    return UNPACKERS[packed[0]]()
