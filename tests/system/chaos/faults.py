"""The faults: each is one function that breaks something for a while and repairs only that."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import psutil
import psycopg
from psycopg import sql

from tests.system.chaos.people import World
from tests.system.chaos.services import RigService

Fault = Callable[[World, random.Random], str]
FIND_SECONDS = 30.0
N_HALF_SENT = 100
GARBAGE_LINES = (b"", b"{", b"[]", b"null", b'{"headers": 3}', b"\xff\x00\xfe", b'["a", 1]' * 99)
GARBAGE_PAYLOADS = ("", "{", "[]", "null", "-1", "1e400", "9" * 4000, "\u2028 gpu", "1 gpu; x")
CLOCK_STEPS = (-3600, -120, -30, 30, 120, 3600)


def faults_of(world: World) -> dict[str, Fault]:
    """Return the kinds of faults that can be tried on the service, by name."""
    killed = ["api", "worker", "child", "postgres", "backend"]
    stopped = ["worker", "child", "api", "backend"]
    is_rig = isinstance(world.service, RigService)
    killed.append("redis" if is_rig else "supervisor")
    faults: dict[str, Fault] = {f"kill {kind}": partial(_kill, kind) for kind in killed}
    faults |= {f"stop {kind}": partial(_stop, kind) for kind in stopped}
    faults |= {f"disk of {disk} full": partial(_fill, disk) for disk in world.service.disks}
    faults |= {
        "broker garbage": _send_broker_garbage,
        "half-sent requests": _send_halves,
        "garbage bodies": _send_garbage_bodies,
        "clock moved": _move_clock,
    }
    if is_rig:
        faults["postgres cut off"] = _cut
    return faults


def _find(world: World, kind: str, rng: random.Random) -> psutil.Process | None:
    """Return a live process of the kind; one that is just starting is waited for."""
    deadline = time.monotonic() + FIND_SECONDS
    while time.monotonic() < deadline:
        if found := world.service.find(kind):
            return rng.choice(found)
        time.sleep(0.1)
    return None


def _kill(kind: str, world: World, rng: random.Random) -> str:
    process = _find(world, kind, rng)
    if process is None:
        return "none found"
    with suppress(psutil.NoSuchProcess):
        process.kill()
    return f"process {process.pid}"


def _stop(kind: str, world: World, rng: random.Random) -> str:
    process, seconds = _find(world, kind, rng), rng.uniform(5, 30)
    if process is None:
        return "none found"
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGCONT)
    return f"process {process.pid} for {seconds:.0f} s"


def _fill(disk: str, world: World, rng: random.Random) -> str:
    seconds = rng.uniform(10, 30)
    world.service.disks[disk].fill()
    try:
        time.sleep(seconds)
    finally:
        world.service.disks[disk].free()
    return f"for {seconds:.0f} s"


def _send_broker_garbage(world: World, rng: random.Random) -> str:
    """Garbage where wake-ups arrive: NOTIFY payloads, and Redis' lists or the broker's folder."""
    told = []
    url = world.service.database_url
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as connection:
        for channel in _channels(connection):
            for payload in rng.choices(GARBAGE_PAYLOADS, k=30):
                notify = sql.SQL("SELECT pg_notify({}, {})")
                connection.execute(notify.format(channel, payload))
            told.append(f"channel {channel}")
    if isinstance(world.service, RigService):
        port = world.service.rig.redis_port
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as redis:
            for queue in (b"cpu", b"gpu"):
                for line in rng.choices(GARBAGE_LINES, k=20):
                    redis.sendall(_redis_command(b"LPUSH", queue, line))
            redis.recv(4096)
            told.append("lists of Redis")
    for folder in world.service.data_folder.glob("broker/messages"):
        for i, line in enumerate(rng.choices(GARBAGE_LINES, k=20)):
            (folder / f"{time.time_ns()}_{i}.cpu.msg").write_bytes(line)
        told.append("message files")
    return ", ".join(told) or "nothing listens"


def _channels(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the channels that some connection said it listens to."""
    rows = connection.execute(
        "SELECT DISTINCT substring(query FROM '(?i)LISTEN \"?(\\w+)') FROM pg_stat_activity "
        "WHERE query ILIKE 'LISTEN %'"
    )
    return [name for (name,) in rows if name]


def _redis_command(*words: bytes) -> bytes:
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n%s" % (len(words), parts)


def _send_halves(world: World, rng: random.Random) -> str:
    """Requests that stop within their head or body, held open for a while."""
    address = _address(rng.choice(world.service.urls))
    project = world.newest_project() or 1
    head = (
        f"POST /api/v1/projects/{project}/labels HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
        f"Authorization: Bearer {world.service.admin_token}\r\nContent-Type: application/json\r\n"
    ).encode()
    whole = head + b'\r\n{"labels": ['
    sockets = []
    for _ in range(N_HALF_SENT):
        with suppress(OSError):
            one = socket.create_connection(address, timeout=2)
            sockets.append(one)
            one.sendall(whole[: rng.randrange(len(whole))])
    time.sleep(rng.uniform(5, 15))
    for one in sockets:
        one.close()
    return f"{len(sockets)} connections"


def _address(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    return parsed.host, parsed.port or 80


def _send_garbage_bodies(world: World, rng: random.Random) -> str:
    """Bodies that no route can read, with and without a token; none may bring an answer 500."""
    project = world.newest_project() or 1
    admin = {"Authorization": f"Bearer {world.service.admin_token}"}
    bodies = [
        os.urandom(20_000), b"[" * 50_000, b"\x1f\x8b" + os.urandom(500), b'{"labels": 3}',
        b'{"labels": [{"item_id": 99999999999999999999, "class": "\\u0000"}]}',
        b"\xef\xbb\xbf{}\n\n",
        b'{"external_id": "\\ud800"}\n' * 50, b"[[]," * 200_000,
    ]  # fmt: skip
    paths = ["labels", "items", "labels/withdraw", "skips", "gold", "features", "items/upload"]
    types = ["application/json", "application/x-ndjson", "multipart/form-data; boundary=x", "a/b"]
    statuses = []
    with httpx.Client(base_url=rng.choice(world.service.urls), timeout=10, trust_env=False) as http:
        for _ in range(25):
            path, body = rng.choice(paths), rng.choice(bodies)
            headers = {"Content-Type": rng.choice(types), **(admin if rng.random() < 0.7 else {})}
            if rng.random() < 0.2:
                headers["Content-Encoding"] = rng.choice(["gzip", "zstd", "rot13"])
            method = "PUT" if path in ("gold", "features") else "POST"
            with suppress(httpx.TransportError):
                url = f"/api/v1/projects/{project}/{path}"
                answer = http.request(method, url, content=body, headers=headers)
                statuses.append(answer.status_code)
                if answer.status_code >= 500:
                    where = f"garbage to {path} ({headers})"
                    world.ledger.note_server_error(where, answer.status_code, answer.text)
    return f"answers {sorted(set(statuses))}"


def _move_clock(world: World, rng: random.Random) -> str:
    """Move Postgres' clock and back again."""
    step, seconds = rng.choice(CLOCK_STEPS), rng.uniform(5, 20)
    with suppress(psycopg.Error):
        world.service.clock.move(step, 0, world.service.database_url)
    try:
        time.sleep(seconds)
    finally:
        with suppress(psycopg.Error):
            world.service.clock.move(0, step, world.service.database_url)
    return f"by {step:+d} s for {seconds:.0f} s"


def _cut(world: World, rng: random.Random) -> str:
    assert isinstance(world.service, RigService)
    seconds = rng.uniform(2, 15)
    with world.service.rig.proxy.is_cut():
        time.sleep(seconds)
    return f"one API for {seconds:.0f} s"
