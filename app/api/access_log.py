"""Logs one event for each request that was answered."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = "/health/"


class AccessLog:
    """Logs method, path, status and seconds; no query, no header: those may hold secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            # As it was sent, escapes and all: a path may hold line feeds.
            path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
            say = self._log.debug if HEALTH in path and status < 400 else self._log.info
            say(
                "request.answered",
                method=scope["method"],
                path=path,
                status=status,
                seconds=round(time.perf_counter() - started, 4),
                client=(scope.get("client") or ("", 0))[0],
            )
