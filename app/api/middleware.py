"""Plain ASGI middleware: a request id for every request, and the limit on bodies."""

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.api.errors import problem

MAX_REQUEST_ID = 64


class RequestId:
    """Takes X-Request-ID or makes one; binds it to log events and jobs, and answers it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")[:MAX_REQUEST_ID]
        request_id = given if given.isprintable() and given else uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


class BodyLimitExceeded(Exception):
    """The body that is being read has become too large."""


class BodyLimit:
    """Refuses bodies over the limit, by their announced length and while they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self.max_bytes:
            await self._refuse()(scope, receive, send)
            return
        n_read = 0
        has_started = False

        async def limited_receive() -> Message:
            nonlocal n_read
            message = await receive()
            n_read += len(message.get("body", b""))
            if n_read > self.max_bytes:
                raise BodyLimitExceeded
            return message

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, limited_receive, watched_send)
        except BodyLimitExceeded:
            if has_started:
                raise
            await self._refuse()(scope, receive, send)

    def _refuse(self) -> ASGIApp:
        return problem(
            413,
            "body_too_large",
            f"The body is over the limit of {self.max_bytes} bytes; send it in several requests, "
            "or raise SVP_MAX_BODY_BYTES.",
        )
