"""The ledger: annotators' time, workers' seconds, the target's price, labels saved."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.db.session import transaction
from app.domain.costs import Basis, SelectingRound, TargetTiming, selection_by_target
from svp_client import Client
from tests.app.conftest import Start
from tests.loop import Factory, poll

ROUND = SelectingRound(n_labeled=100, n_scored=900, training=8, inference=1, selection=1)


class TestSelectionByTarget:
    def test_measured_with_as_many_labels(self) -> None:
        timing = TargetTiming(Basis.AUDIT, 100, train_seconds=200, score_seconds=0.01)
        found = selection_by_target([ROUND], [timing])
        assert found is not None
        assert (found.n_measured, found.seconds, found.times) == (1, 210, 21)

    def test_scaled_to_other_numbers_of_labels(self) -> None:
        timing = TargetTiming(Basis.TARGET_JOB, 400, train_seconds=800, score_seconds=0)
        found = selection_by_target([ROUND], [timing])
        assert found is not None
        assert (found.n_measured, found.seconds) == (0, 201)

    @pytest.mark.parametrize(("rounds", "timings"), [([], [None]), ([ROUND], [])])
    def test_nothing_tells(self, rounds: Any, timings: Any) -> None:
        assert selection_by_target(rounds, timings) is None

    @given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.integers(1, 1000))
    def test_seconds_grow_with_the_labels(self, labels: list[int], measured: int) -> None:
        timing = TargetTiming(Basis.AUDIT, measured, train_seconds=10, score_seconds=0)
        rounds = [SelectingRound(n, 0, 1, 0, 0) for n in labels]
        found = selection_by_target(rounds, [timing])
        assert found is not None
        assert found.seconds == pytest.approx(10 * sum(labels) / measured)


def execute(factory: Factory, statement: str, **values: Any) -> None:
    with transaction(factory) as session:
        session.execute(text(statement), values)


def with_prices(http: TestClient, **prices: Any) -> None:
    state = http.app.state  # type: ignore[attr-defined]
    state.settings = state.settings.model_copy(update=prices)


class TestCosts:
    def test_a_new_project_costs_nothing(self, admin: Client, text_project: int) -> None:
        costs = admin.costs(text_project)
        assert costs["annotators"]["n_labels"] == 0
        assert costs["annotators"]["minutes"] is None
        assert {cost["seconds"] for cost in costs["workers"]} == {0}
        assert (costs["target_selection"], costs["labels_saved"]) == (None, None)

    def test_labels_without_seconds_count_by_the_mean(
        self, admin: Client, start: Start, http: TestClient
    ) -> None:
        with_prices(http, annotator_hour_price=30.0, currency="EUR")
        project = start()
        first, second = poll(admin, project, 2)
        admin.submit_labels(project, [{"item_id": first, "class": "a", "seconds": 60.0}])
        admin.submit_labels(project, [{"item_id": second, "class": "b"}])
        costs = admin.costs(project)
        assert costs["annotators"] == {
            "n_labels": 2, "n_timed": 1, "minutes": 2.0, "is_estimated": True, "price": 1.0
        }  # fmt: skip
        assert (costs["total_price"], costs["prices"]["currency"]) == (1.0, "EUR")

    def test_seconds_by_purpose_and_what_the_target_would_have_cost(
        self, admin: Client, start: Start, session_factory: Factory, http: TestClient
    ) -> None:
        with_prices(http, worker_hour_price=3600.0)
        project = start()
        insert_model(session_factory, project, "proxy", n_labeled=2)
        execute(
            session_factory,
            "UPDATE rounds SET model_id = (SELECT max(id) FROM models), n_labeled = 2, "
            "seconds = CAST(:s AS jsonb), cpu_seconds = CAST(:s AS jsonb)",
            s=json.dumps({"training": 4.0, "inference": 0.5, "selection": 0.5}),
        )
        assert admin.costs(project)["target_selection"] is None
        insert_model(session_factory, project, "target", n_labeled=4, training=100.0)
        costs = admin.costs(project)
        seconds = {cost["purpose"]: cost["seconds"] for cost in costs["workers"]}
        assert seconds == {"proxy": 5.0, "target": 100.0, "analyses": 0.0, "core_sets": 0.0}
        found = costs["target_selection"]
        assert found is not None
        assert (found["basis"], found["is_estimated"]) == ("target_job", True)
        assert (found["seconds"], found["proxy_seconds"], found["price"]) == (50.5, 5.0, 50.5)

    def test_labels_saved_have_a_price(
        self, admin: Client, start: Start, session_factory: Factory, http: TestClient
    ) -> None:
        with_prices(http, annotator_hour_price=60.0)
        project = start()
        (item,) = poll(admin, project, 1)
        admin.submit_labels(project, [{"item_id": item, "class": "a", "seconds": 6.0}])
        insert_saved(session_factory, project, saved=100)
        costs = admin.costs(project)
        assert costs["labels_saved"] is not None
        assert costs["labels_saved"]["result"] is not None
        assert costs["labels_saved"]["result"]["saved"] == 100
        assert costs["saved_price"] == pytest.approx(10)


def insert_model(
    factory: Factory, project: int, role: str, n_labeled: int, training: float = 1.0
) -> None:
    execute(
        factory,
        "INSERT INTO models (project_id, role, name, recipe, recipe_hash, weights_hash, n_labeled, "
        "metrics, seconds, provenance) VALUES "
        "(:p, :role, 'm', '{}', 'r', 'w', :n, '{}', CAST(:s AS jsonb), '{}')",
        p=project,
        role=role,
        n=n_labeled,
        s=json.dumps({"training": training}),
    )


def insert_saved(factory: Factory, project: int, saved: float) -> None:
    part = {"n_labels": 1, "accuracies": [0.5]}
    result = {
        "n_labeled": 1, "n_uniform_labels": 1, "accuracy": 0.5, "low": 0.4, "high": 0.6,
        "n_needed": 101, "n_needed_low": 90, "n_needed_high": 120, "saved": saved,
        "saved_low": 89, "saved_high": 119, "extrapolates_by": 2.0, "uniform": [part],
        "selected": part,
    }  # fmt: skip
    execute(
        factory,
        "WITH made AS (INSERT INTO analyses (project_id, kind, options, result) "
        "VALUES (:p, 'labels_saved', '{}', CAST(:r AS jsonb)) RETURNING id) "
        "INSERT INTO jobs (project_id, analysis_id, kind, queue, state, max_attempts) "
        "SELECT :p, id, 'analyze', 'gpu', 'succeeded', 3 FROM made",
        p=project,
        r=json.dumps(result),
    )
