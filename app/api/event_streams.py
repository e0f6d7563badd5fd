"""Streams of events: what happens in projects, told to whoever watches, as Server-Sent Events.

One task of the process asks the database, for all streams together, and only while there are any.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

import orjson
import structlog
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.db.queries import events as queries
from app.db.queries import jobs as job_queries
from app.db.queries import projects as project_queries
from app.db.queries.projects import Counts
from app.db.session import reading
from app.db.tables import Event, Job
from app.domain.errors import TooManyStreams
from app.schemas.events import EventOut, ProjectCountsOut
from app.schemas.jobs import JobOut

P = ParamSpec("P")
T = TypeVar("T")

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
PAGE = 500
MOST_WAITING = 2000  # messages; a reader who is so far behind connects again and resumes
MOST_OF_CALLER = 6  # browsers open no more connections to one host
MOST_OF_PROCESS = 200
RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"


def message(kind: str, body: BaseModel, event_id: int | None = None) -> bytes:
    """Return a message of a stream; only one with an id moves where a reader resumes."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    data = orjson.dumps(body.model_dump(mode="json")).decode()
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()


@dataclass(eq=False)
class Stream:
    """One reader: of which project, who it is, and up to which event it has been told.

    Events of a project become visible in the order of their ids (`events.append`).
    """

    project_id: int
    caller: Hashable
    told_id: int = 0
    waiting: asyncio.Queue[tuple[int | None, bytes] | None] = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING)
    )

    def tell(self, event_id: int | None, text: bytes) -> None:
        """Let the reader have a message; one that reads too slowly is ended."""
        if self.waiting.full():
            self.end()
        else:
            self.waiting.put_nowait((event_id, text))

    def end(self) -> None:
        """End the stream after what is under way."""
        while self.waiting.full():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


@dataclass(frozen=True)
class Found:
    """One look at the watched projects: events since an id, live jobs, and counts."""

    events: Sequence[Event]
    jobs: Sequence[Job]
    counts: Sequence[Counts]


class EventStreams:
    """The streams of one process. All of it runs in the event loop, save reading the database."""

    def __init__(
        self, factory: sessionmaker[Session], *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._factory = factory
        self._poll_seconds = poll_seconds
        self._streams: set[Stream] = set()
        self._by_caller: Counter[Hashable] = Counter()
        self._limiter = CapacityLimiter(1)
        self._poller: asyncio.Task[None] | None = None
        self._is_closed = False
        self._found_ids: dict[int, int] = {}  # project -> the newest event handed out
        self._told: dict[tuple[str, int], bytes] = {}

    @property
    def is_asking(self) -> bool:
        """Whether the database is asked at present."""
        return self._poller is not None

    def check_room(self, caller: Hashable) -> None:
        """Check that this caller may open one more stream.

        Raises:
            TooManyStreams: too many are open.
        """
        if self._by_caller[caller] >= MOST_OF_CALLER or len(self._streams) >= MOST_OF_PROCESS:
            raise TooManyStreams(
                f"Too many streams of events are open: {MOST_OF_CALLER} for each caller, "
                f"{MOST_OF_PROCESS} in all. Close one, or read GET .../events now and then."
            )

    def close(self) -> None:
        """End all streams; no new one lives longer than its first messages."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()

    async def read(
        self, project_id: int, caller: Hashable, after_id: int | None, seconds: float
    ) -> AsyncIterator[bytes]:
        """Yield a stream's text for `seconds`: events above `after_id`, then new ones as they come.

        `after_id` None: only those from now on.
        """
        stream = Stream(project_id, caller)
        until = asyncio.get_running_loop().time() + seconds
        self._enter(stream)
        try:
            yield RETRY
            async for text in self._begin(stream, after_id):
                yield text
            async for text in self._follow(stream, until):
                yield text
        finally:
            self._leave(stream)

    async def _begin(self, stream: Stream, after_id: int | None) -> AsyncIterator[bytes]:
        """Yield what the reader has missed, and how everything is."""
        newest = await self._ask(queries.newest_of, stream.project_id)
        # What comes from now on is handed out; this stream is among those that get it.
        self._found_ids.setdefault(stream.project_id, newest)
        stream.told_id = newest if after_id is None else min(after_id, newest)
        if after_id is None:  # where a reader resumes that loses the stream before the first event
            yield f"id: {newest}\n\n".encode()
        while stream.told_id < newest:
            page = await self._ask(queries.list_page, stream.project_id, stream.told_id, PAGE)
            for event in page:
                stream.told_id = event.id
                yield _of_event(event)
            if not page:
                break  # the project was deleted just now
        found = await self._ask(_look, [stream.project_id], {})
        for _, text in _of_states(found):
            yield text

    async def _follow(self, stream: Stream, until: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while True:
            left = until - loop.time()
            if self._is_closed and stream.waiting.empty():
                return
            if left <= 0:
                return
            try:
                async with asyncio.timeout(min(HEARTBEAT_SECONDS, left)):
                    told = await stream.waiting.get()
            except TimeoutError:
                yield HEARTBEAT
                continue
            if told is None:
                return
            event_id, text = told
            if event_id is None:
                yield text
            elif event_id > stream.told_id:
                stream.told_id = event_id
                yield text

    def _enter(self, stream: Stream) -> None:
        self._streams.add(stream)
        self._by_caller[stream.caller] += 1
        if self._poller is None and not self._is_closed:
            self._poller = asyncio.create_task(self._poll())

    def _leave(self, stream: Stream) -> None:
        self._streams.discard(stream)
        self._by_caller[stream.caller] -= 1
        if not self._by_caller[stream.caller]:
            del self._by_caller[stream.caller]
        if not self._streams and self._poller is not None:
            self._poller.cancel()
            self._poller = None
            self._found_ids.clear()
            self._told.clear()

    async def _poll(self) -> None:
        while True:
            watched = sorted({stream.project_id for stream in self._streams})
            try:
                known = {i: self._found_ids[i] for i in watched if i in self._found_ids}
                self._found_ids = known
                self._hand_out(await self._ask(_look, watched, dict(known)))
            except (SQLAlchemyError, OSError) as error:  # the next look tries again
                structlog.get_logger().warning("events.look_failed", reason=str(error).strip())
            await asyncio.sleep(self._poll_seconds)

    def _hand_out(self, found: Found) -> None:
        for event in found.events:
            self._tell(event.project_id, event.id, _of_event(event))
            self._found_ids[event.project_id] = event.id
        told = {}
        for (kind, of_id, project_id), text in _of_states(found):
            told[kind, of_id] = text
            if self._told.get((kind, of_id)) != text:
                self._tell(project_id, None, text)
        self._told = told

    def _tell(self, project_id: int, event_id: int | None, text: bytes) -> None:
        for stream in self._streams:
            if stream.project_id == project_id:
                stream.tell(event_id, text)

    async def _ask(
        self, use: Callable[Concatenate[Session, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Run a query in a thread, one at a time, without a transaction around it."""

        def ask() -> T:
            with reading(self._factory) as session:
                return use(session, *args, **kw)

        return await to_thread.run_sync(ask, limiter=self._limiter)


def _look(session: Session, project_ids: Sequence[int], known: Mapping[int, int]) -> Found:
    return Found(
        queries.list_new(session, known, PAGE),
        job_queries.live_of_projects(session, project_ids),
        project_queries.counts_of(session, project_ids),
    )


def _of_event(event: Event) -> bytes:
    return message("event", EventOut.model_validate(event), event.id)


def _of_states(found: Found) -> Iterator[tuple[tuple[str, int, int], bytes]]:
    """Yield ((kind, id, project id), message) of the jobs and counts as they are now."""
    for job in found.jobs:
        yield ("job", job.id, job.project_id), message("job", JobOut.model_validate(job))
    for counts in found.counts:
        body = ProjectCountsOut.model_validate(counts)
        yield ("counts", counts.id, counts.id), message("counts", body)
