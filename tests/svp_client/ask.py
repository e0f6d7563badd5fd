"""Asks a method of either client, over a transport that answers as a test wants."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx

from svp_client import AsyncClient, Client, Retries

URL = "http://service"
QUICK = Retries(n=3, first_seconds=0.001)
Answer = Callable[[httpx.Request], httpx.Response]
Ask = Callable[..., Any]


def ask_sync(answer: Answer, method: str, *args: Any, retries: Retries = QUICK, **more: Any) -> Any:
    """Return what a method of `Client` returns; a list of what it yields."""
    http = httpx.Client(transport=httpx.MockTransport(answer))
    with http, Client(URL, "token", retries=retries, http=http) as client:
        found = getattr(client, method)(*args, **more)
        return list(found) if inspect.isgenerator(found) else found


def ask_async(
    answer: Answer, method: str, *args: Any, retries: Retries = QUICK, **more: Any
) -> Any:
    """Return what a method of `AsyncClient` returns; a list of what it yields."""

    async def ask() -> Any:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        async with http, AsyncClient(URL, "token", retries=retries, http=http) as client:
            found = getattr(client, method)(*args, **more)
            return [x async for x in found] if inspect.isasyncgen(found) else await found

    return asyncio.run(ask())


class Answers:
    """Gives prepared answers in turn, the last one forever; an exception is raised.

    Attributes:
        requests: what was asked so far, with its body.
    """

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Return or raise the next answer."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
