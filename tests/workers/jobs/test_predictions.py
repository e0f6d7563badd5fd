"""Given items are predicted by a process of the worker: as the model's file alone does."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.config import Settings, environment_without_settings
from app.db.session import PREDICTION_CHANNEL, make_engine, make_session_factory, transaction
from app.db.tables import Split
from models.predictor import load
from svp_client import Client, ClientError
from tests.app.conftest import admin, change_settings, http, make_client
from tests.loop import Factory
from tests.projects import TINY, ServedProject
from tests.support import wait_for
from tests.workers.jobs.test_delivered_models import contents, newest
from workers.jobs.predictions import COMMAND, PredictionStarter
from workers.jobs.wakeups import Listener

__all__ = ["admin", "http", "make_client"]
pytestmark = pytest.mark.slow

PATIENCE = 60.0


@pytest.fixture(params=["text", "image"])
def served(
    request: pytest.FixtureRequest, session_factory: Factory, settings: Settings
) -> ServedProject:
    """A project whose round 1 has trained a proxy on 6 labels."""
    served = ServedProject(session_factory, settings, TINY[request.param])
    served.add(range(40))
    served.start()
    served.do_job()
    served.label(6)
    served.do_job()
    return served


@pytest.fixture
def starter(
    settings: Settings, database_url: str, session_factory: Factory
) -> Iterator[PredictionStarter]:
    """The part of a worker that predicts."""
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "worker_threads": 1}
    )
    engine = make_engine(database_url)
    stopped, woken = threading.Event(), threading.Event()
    starter = PredictionStarter(make_session_factory(engine, None), configured, woken, stopped)
    listener = Listener(database_url, {PREDICTION_CHANNEL: woken}, stopped)
    starter.start()
    listener.start()
    with transaction(session_factory) as session:
        session.execute(
            text("INSERT INTO workers (id, name, queues) VALUES (gen_random_uuid(), 'w', 'cpu')")
        )
    yield starter
    stopped.set()
    woken.set()
    starter.join(PATIENCE)
    listener.join(PATIENCE)
    assert starter.process is None
    engine.dispose()


@pytest.fixture
def client(admin: Client, http: object, starter: PredictionStarter) -> Client:
    change_settings(http, predict_seconds=PATIENCE)  # type: ignore[arg-type]
    assert starter.is_alive()
    return admin


def test_the_models_file_says_the_same(
    served: ServedProject, client: Client, tmp_path: Path
) -> None:
    model = newest(served)
    (tmp_path / "m.safetensors").write_bytes(served.store.get(model.weights_hash))
    items = contents(served, Split.POOL, 40)
    alone = load(tmp_path / "m.safetensors")(items)
    found = client.predict(served.id, items, top=2)
    assert (found["model_id"], found["role"]) == (model.id, "proxy")
    assert [p["class"] for p in found["predictions"]] == alone.classes
    confidences = [p["confidence"] for p in found["predictions"]]
    assert confidences == pytest.approx(alone.confidences.tolist(), abs=1e-6)
    for prediction in found["predictions"]:
        assert sum(guess["confidence"] for guess in prediction["top"]) == pytest.approx(1)


def test_it_is_kept_replaced_when_killed_and_ends_with_the_worker(
    served: ServedProject, client: Client, starter: PredictionStarter
) -> None:
    items = contents(served, Split.POOL, 3)
    client.predict(served.id, items)
    first = starter.process
    assert first is not None
    started = time.monotonic()
    client.predict(served.id, items)
    assert time.monotonic() - started < 2
    assert starter.process is first
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: first.poll() is not None, 10)
    assert client.predict(served.id, items)["predictions"][2]["class"] is not None
    assert starter.process is not first


def test_a_model_whose_file_is_gone_says_so_and_the_next_request_is_answered(
    served: ServedProject, client: Client, session_factory: Factory
) -> None:
    model = newest(served)
    items = contents(served, Split.POOL, 1)
    with transaction(session_factory) as session:
        session.execute(text("UPDATE models SET weights_hash = repeat('0', 64)"))
    with pytest.raises(ClientError, match="409 prediction_not_possible"):
        client.predict(served.id, items)
    with transaction(session_factory) as session:
        session.execute(
            text("UPDATE models SET weights_hash = :hash"), {"hash": model.weights_hash}
        )
    assert client.predict(served.id, items)["predictions"][0]["class"] in ("a", "b")


def test_it_ends_when_nobody_asks(settings: Settings, database_url: str) -> None:
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "predict_idle_seconds": 1.0}
    )
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        env={**environment_without_settings(), **configured.to_environment()},
    )
    assert process.wait(PATIENCE) == 0
    process.stdin.close()  # type: ignore[union-attr]
