"""Plain ASGI middleware: a request id for every request, and HEAD wherever GET reads."""

import asyncio
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

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


class RootPath:
    """Tells the application below which path a proxy serves it, whether that path is kept or not.

    FastAPI's own `root_path` is deprecated, and uvicorn's expects that the proxy strips it.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and self.root_path:
            scope["root_path"] = self.root_path
        await self.app(scope, receive, send)


class Head:
    """Answers HEAD as GET, without the body; a long answer ends once its headers are sent.

    Not next-batch: it leases items, which HEAD must not do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        if scope["path"].endswith("/next-batch"):
            await self.app(scope, receive, send)
            return
        is_sent, was_asked = asyncio.Event(), False

        async def send_head(message: Message) -> None:
            if is_sent.is_set():
                return
            if message["type"] == "http.response.body":
                is_sent.set()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        async def receive_until_sent() -> Message:
            nonlocal was_asked
            if not was_asked:
                was_asked = True
                return await receive()
            await is_sent.wait()
            return {"type": "http.disconnect"}  # what streams its answer stops

        await self.app({**scope, "method": "GET"}, receive_until_sent, send_head)
