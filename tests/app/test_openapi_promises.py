"""The service does what the OpenAPI document says.

schemathesis makes requests of the document, valid and not, against a real server: no answer may be
a 5xx, or of a status, media type, header or body that the document does not name.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
import structlog
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import (
    negative_data_rejection,
    not_a_server_error,
    positive_data_acceptance,
)
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.db.tables import CoreSet, Model, Role
from app.logging import configure_logging
from app.main import create_app, describe
from app.services.answers import AnswerStatus
from app.services.core_sets import CoreSetIn, create_core_set
from app.services.job_results import Selection, TrainedFacts, publish_selection
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from app.services.tokens import create_token
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from tests.loop import annotator, claim_waiting, in_order, start_labeling
from tests.support import wait_for

pytestmark = pytest.mark.slow

EXAMPLES = 12  # a route
# Some rules stand in the service alone (two classes at least), and pydantic reads "1" as 1.
STRICTER_OR_LAXER = [positive_data_acceptance, negative_data_rejection]
# 503 is their promised answer where no worker runs, or no Label Studio.
NEED_OTHERS = {
    "GET /api/v1/health/ready",
    "POST /api/v1/projects/{project}/predictions",
    "PUT /api/v1/projects/{project}/label-studio",
}


Operation = APIOperation[Any, Any, Any, Any]


def operations_of(settings: Settings) -> dict[str, Operation]:
    """Return label -> operation of the application's document."""
    schema = schemathesis.openapi.from_dict(describe(create_app(settings)))
    found: list[Any] = list(schema.get_all_operations())
    return {one.ok().label: one.ok() for one in found}


OPERATIONS = operations_of(Settings(database_url=SecretStr("postgresql://nowhere/none")))


schemathesis.serializer.alias(["application/x-ndjson", "application/octet-stream"], "text/plain")


@pytest.fixture
def base_url(settings: Settings, database_url: str) -> Iterator[str]:
    """URL of a real server on the test's database."""
    configured = settings.model_copy(update={"database_url": SecretStr(database_url)})
    config = uvicorn.Config(
        create_app(configured), port=0, log_level="critical", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    configure_logging(configured.model_copy(update={"log_format": "json"}))  # plain tracebacks
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, 30)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    structlog.reset_defaults()


@pytest.fixture
def known(session_factory: sessionmaker[Session], settings: Settings) -> dict[str, Any]:
    """Path parameters that exist: a running project with labels, a model and a core-set."""
    project = start_labeling(session_factory, settings, "fuzzed", total_budget=9)
    store = ArtifactStore(settings.artifact_store_url)
    ada = annotator(session_factory, "ada")
    with transaction(session_factory) as session:
        batch = next_batch(session, project, ada, 2, settings)
        entries = [LabelEntry(x.item.id, "ab"[i % 2]) for i, x in enumerate(batch.items)]
        outcomes = submit_labels(session, project, ada, entries, settings)
        assert [x.status for x in outcomes] == [AnswerStatus.CREATED] * 2
    claimed = claim_waiting(session_factory, settings, project)
    assert claimed is not None
    trained = TrainedFacts(
        "fasttext", {}, "0", store.put(b"weights"), 2, {"accuracy": 0.5}, PartSeconds(), {}
    )
    with transaction(session_factory) as session:
        ranked = in_order(10)
        selection = Selection(ranked.ranked, 2, PartSeconds({"training": 0.1}), "0", trained)
        publish_selection(session, claimed, selection, settings)
        create_core_set(session, project, CoreSetIn("uniform", fraction=0.5), settings)
        _, token = create_token(session, "bob", Role.ANNOTATOR, project_id=None)
        return {
            "project": project,
            "item": batch.items[0].item.id,
            "number": 1,
            "job": claimed.id,
            "model": session.query(Model.id).one()[0],
            "core_set": session.query(CoreSet.id).one()[0],
            "token": token.id,
        }


def cases(operation: Operation, known: dict[str, Any]) -> st.SearchStrategy[Case[Any]]:
    """Draw requests: valid ones and not, on what exists and on what does not."""
    mine = {p.name: known[p.name] for p in operation.path_parameters if p.name in known}
    modes = list(GenerationMode)
    on_known = [operation.as_strategy(mode, path_parameters=mine) for mode in modes]
    return st.one_of(*on_known, *[operation.as_strategy(mode) for mode in modes])


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_of_the_document(
    label: str,
    base_url: str,
    known: dict[str, Any],
    session_factory: sessionmaker[Session],
) -> None:
    excluded = STRICTER_OR_LAXER + [not_a_server_error] * (label in NEED_OTHERS)
    with transaction(session_factory) as session:
        token, _ = create_token(session, "root", Role.ADMIN, project_id=None, act_as=True)
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {token}"

    @FUZZ
    @given(case=cases(OPERATIONS[label], known))
    def ask(case: Case[Any]) -> None:
        if label.endswith("/stream"):
            case.query = {**(case.query or {}), "seconds": 0}  # it would go on for as long as asked
        answer = case.call(base_url=base_url, session=http, timeout=60)
        case.validate_response(answer, excluded_checks=excluded)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert answer.json()["code"]

    with http:
        ask()


FUZZ = hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
