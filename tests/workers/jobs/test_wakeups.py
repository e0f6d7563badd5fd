"""Wake-ups, of Postgres where no broker is set, else over Redis: none ends a worker."""

import random
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import WAKEUP_CHANNEL, make_session_factory, transaction, wake_after_commit
from app.domain.states import JobState
from app.queue import TASK_NAME, make_celery, make_publisher
from app.services import workers
from tests.support import wait_for
from tests.workers.jobs.test_recovery import FINISH_ALONE, job_id, project_id, read_job
from workers.jobs.presence import Presence
from workers.jobs.runner import JobRunner
from workers.jobs.wakeups import Listener
from workers.jobs.worker import serve_rows

__all__ = ["job_id", "project_id"]  # fixtures

N_WAKEUPS = 20_000
N_WRITERS = 4


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def listener(database_url: str, woken: threading.Event) -> Iterator[Listener]:
    """A listener on the test's database that is already listening."""
    stopped = threading.Event()
    thread = Listener(database_url, {WAKEUP_CHANNEL: woken}, stopped)
    thread.start()
    wait_for(woken.is_set, 10)
    woken.clear()
    yield thread
    stopped.set()
    thread.join(10)


class TestWithoutBroker:
    def test_settings_make_no_publisher_and_no_files(self, settings: Settings) -> None:
        assert make_publisher(settings) is None
        assert not settings.data_folder.exists()
        with pytest.raises(ValueError, match="SVP_BROKER_URL"):
            make_celery(settings)

    def test_commit_wakes_and_rollback_does_not(
        self, engine: Engine, listener: Listener, woken: threading.Event
    ) -> None:
        assert listener.is_alive()
        factory = make_session_factory(engine, None)
        with factory() as session:
            wake_after_commit(session, 1, "gpu")
            session.rollback()
        assert not woken.wait(0.2)
        with transaction(factory) as session:
            wake_after_commit(session, 1, "gpu")
            wake_after_commit(session, 2, "cpu")
        assert woken.wait(5)

    def test_listener_hears_again_after_its_connection_was_cut(
        self, engine: Engine, listener: Listener, woken: threading.Event
    ) -> None:
        assert listener.is_alive()
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE query = 'LISTEN svp_jobs' AND datname = current_database()"
                )
            )
        wait_for(woken.is_set, 10)  # it looks once it hears again
        woken.clear()
        with transaction(make_session_factory(engine, None)) as session:
            wake_after_commit(session, 1, "gpu")
        assert woken.wait(5)

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_20_000_wakeups_of_four_writers_with_garbage_leave_it_at_work(
        self,
        database_url: str,
        settings: Settings,
        session_factory: sessionmaker[Session],
        job_id: int,
        listener: Listener,
        woken: threading.Event,
    ) -> None:
        with transaction(session_factory) as session:
            session.execute(text("UPDATE jobs SET state = 'cancelled'"))
        runner = JobRunner(settings, session_factory, FINISH_ALONE)
        stopped = threading.Event()
        worker = threading.Thread(target=serve_rows, args=(runner, woken, stopped))
        worker.start()

        def write(seed: int) -> None:
            rng = random.Random(seed)
            with psycopg.connect(database_url, autocommit=True) as connection:
                for _ in range(N_WAKEUPS // N_WRITERS):
                    garbage = "".join(chr(rng.randrange(1, 0x700)) for _ in range(rng.randrange(9)))
                    connection.execute("SELECT pg_notify('svp_jobs', %s)", (garbage,))

        with ThreadPoolExecutor(N_WRITERS) as pool:
            list(pool.map(write, range(N_WRITERS)))
        assert worker.is_alive()
        assert listener.is_alive()
        with transaction(make_session_factory(session_factory.kw["bind"], None)) as session:
            session.execute(text("UPDATE jobs SET state = 'queued'"))
            wake_after_commit(session, job_id, "gpu")
        seconds = wait_for(lambda: read_job(session_factory, job_id).attempts >= 1, 5)
        print(f"claimed {seconds:.2f} s after the last wake-up")  # noqa: T201
        stopped.set()
        runner.stop()
        worker.join(20)
        runner.close()


GARBAGE: list[object] = [
    b"", b"{", b"\xff\xfe", b"null", b"[]", b"7", b'"text"', b"{}", b'{"body": "x"}',
    b'{"properties": null, "body": null, "headers": 3}',
    b'{"properties": {}, "body": "e30=", "headers": {}}',
    b'{"properties": {"delivery_tag": "t", "delivery_info": {}}, "body": "e30=", "headers": {}}',
    (b'{"properties": {"delivery_tag": "u", "delivery_info": {}}, "body": "W10=", '
    b'"headers": {"task": "svp.run_job"}, "content-type": "application/json"}'),
    (b'{"properties": {"delivery_tag": "v", "delivery_info": {}, "body_encoding": "base64"}, '
    b'"body": "W10=", "headers": {"task": "svp.run_job", "id": "x"}, '
    b'"content-type": "application/json", "content-encoding": "utf-8"}'),
    (b'{"properties": {"delivery_tag": "w", "delivery_info": {}, "body_encoding": "base64"}, '
    b'"body": "////", "headers": {"task": "none", "id": "x"}, "content-type": "text/x"}'),
]  # fmt: skip


@pytest.fixture
def over_redis(settings: Settings, redis_url: str) -> Settings:
    return settings.model_copy(update={"broker_url": SecretStr(redis_url)})


@pytest.mark.slow
@pytest.mark.nightly
class TestOverRedis:
    @pytest.mark.timeout(900)
    def test_20_000_wakeups_with_garbage_and_a_broadcast_shutdown_leave_it_at_work(
        self,
        session_factory: sessionmaker[Session],
        job_id: int,
        over_redis: Settings,
        redis_url: str,
        start_worker: Callable[..., subprocess.Popen[bytes]],
        tmp_path: Path,
    ) -> None:
        with transaction(session_factory) as session:
            session.execute(text("UPDATE jobs SET state = 'cancelled'"))
        worker = start_worker(SVP_BROKER_URL=redis_url)
        wait_for(lambda: bool(_present(session_factory)), 60)
        celery = make_celery(over_redis)

        def write(seed: int) -> None:
            rng = random.Random(seed)
            with redis.Redis.from_url(redis_url) as client, make_celery(over_redis) as mine:
                for _ in range(N_WAKEUPS // N_WRITERS):
                    if rng.random() < 0.2:
                        client.lpush("gpu", rng.choice(GARBAGE))
                    else:
                        arguments = rng.choice([[10**6], ["x"], [], [None], [10**40]])
                        mine.send_task(TASK_NAME, args=arguments, queue="gpu", retry=False)

        with ThreadPoolExecutor(N_WRITERS) as pool:
            list(pool.map(write, range(N_WRITERS)))
        celery.control.broadcast("shutdown")
        with redis.Redis.from_url(redis_url) as client:
            wait_for(lambda: client.llen("gpu") == 0, 600)
            for one in GARBAGE:
                client.lpush("gpu", one)
            wait_for(lambda: client.llen("gpu") == 0, 20)
        said = (tmp_path / "worker.log").read_text()
        assert worker.poll() is None, said[-3000:]
        assert "messages_failed" not in said
        with transaction(session_factory) as session:
            session.execute(text("UPDATE jobs SET state = 'queued'"))
        celery.send_task(TASK_NAME, args=[job_id], queue="gpu", retry=False)
        wait_for(lambda: read_job(session_factory, job_id).state != JobState.QUEUED, 10)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0


def _present(factory: sessionmaker[Session]) -> list[str]:
    with transaction(factory) as session:
        return workers.present(session)


class TestPresence:
    def test_worker_is_there_until_it_stops_or_hangs(
        self, settings: Settings, session_factory: sessionmaker[Session]
    ) -> None:
        runner = JobRunner(settings, session_factory, FINISH_ALONE)
        stopped = threading.Event()
        thread = Presence(settings, runner, stopped)
        thread.start()
        wait_for(lambda: len(_present(session_factory)) == 1, 10)
        stopped.set()
        thread.join(10)
        assert _present(session_factory) == []
        runner.turned_at -= 60
        hanging = Presence(settings, runner, threading.Event())
        hanging.start()
        assert _present(session_factory) == []

    def test_worker_that_was_killed_is_missed_after_30_seconds(
        self, session: Session, settings: Settings
    ) -> None:
        workers.say(session, uuid4(), "host:1", settings.queues)
        assert workers.present(session) == ["host:1"]
        session.execute(text("UPDATE workers SET seen_at = now() - interval '31 s'"))
        assert workers.present(session) == []
