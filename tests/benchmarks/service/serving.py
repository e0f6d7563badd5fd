"""The service under load: Postgres and the API as processes of their own, and a light client.

The client writes ready-made requests to a socket and reads the answer's length: load generator,
API and Postgres share the machine's cores, so it must cost next to nothing.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings, environment_without_settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.session import make_engine, transaction
from app.db.tables import Role
from app.services.tokens import create_token
from svp_client import Client, Retries

PORT = int(os.environ.get("SVP_BENCH_PORT", "8765"))
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Served:
    """A running API: its settings, sessions on its database, and its process."""

    settings: Settings
    factory: sessionmaker[Session]
    api: psutil.Process

    @property
    def database_url(self) -> str:
        """URL of its database."""
        assert self.settings.database_url is not None
        return self.settings.database_url.get_secret_value()

    def token(self, name: str, role: Role = Role.ANNOTATOR) -> str:
        """Return a new token."""
        with transaction(self.factory) as session:
            return create_token(session, name, role, project_id=None)[0]

    def client(self) -> Client:
        """Return a client with an admin's token."""
        url = f"http://127.0.0.1:{PORT}"
        return Client(url, self.token("admin", Role.ADMIN), timeout=600, retries=Retries(n=0))


@contextmanager
def worker(settings: Settings) -> Iterator[None]:
    """Run `svp worker` during the block."""
    with (settings.data_folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli.main", "worker"],
            env={**environment_without_settings(), **settings.to_environment()},
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


@contextmanager
def serve(folder: Path, **more: Any) -> Iterator[Served]:
    """Yield the API, with `more` settings, over a Postgres whose data stay in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(folder / "postgres")
    settings = Settings(
        data_folder=folder,
        port=PORT,
        database_url=SecretStr(postgres.start()),
        annotation_lease_seconds=3600,
        **more,
    )
    assert settings.database_url is not None
    engine = make_engine(settings.database_url.get_secret_value())
    migrate(engine)
    try:
        with serve_api(settings) as process:
            yield Served(settings, sessionmaker(engine, expire_on_commit=False), process)
    finally:
        engine.dispose()
        postgres.stop()


@contextmanager
def serve_api(settings: Settings, source: Path | None = None) -> Iterator[psutil.Process]:
    """Yield the process of an API with these settings, of this source or that of another folder."""
    environment = environment_without_settings()
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli.main", "api"],
        env={**environment, **settings.to_environment()},
        cwd=source,
    )
    try:
        _wait_until_ready(settings.port)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("The API does not start.")


class Wire:
    """One kept-alive connection of one annotator."""

    def __init__(
        self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._token = token
        self._reader = reader
        self._writer = writer

    async def ask(self, method: str, path: str, body: object = None) -> tuple[float, Any]:
        """Return (seconds until the whole answer was here, its JSON).

        Raises:
            RuntimeError: the answer is no success; holds its body.
        """
        content = b"" if body is None else orjson.dumps(body)
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        started = time.perf_counter()
        self._writer.write(head.encode() + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
        found = await self._reader.readexactly(length)
        seconds = time.perf_counter() - started
        if not answer.startswith(b"http/1.1 20"):
            raise RuntimeError(f"{method} {path}: {found.decode()}")
        return seconds, orjson.loads(found)


@asynccontextmanager
async def wires(tokens: Sequence[str], port: int = PORT) -> AsyncIterator[list[Wire]]:
    """Yield a connection for each token."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in tokens]
    yield [Wire(token, *stream) for token, stream in zip(tokens, streams, strict=True)]
    for _, writer in streams:
        writer.close()


def milliseconds(seconds: Sequence[float]) -> Mapping[str, float]:
    """Return count, median, p95, p99 and the largest."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        "n": len(seconds),
        **{
            name: round(1000 * value, 2)
            for name, value in [
                ("p50", cuts[49]), ("p95", cuts[94]), ("p99", cuts[98]), ("max", max(seconds)),
            ]
        },
    }  # fmt: skip
