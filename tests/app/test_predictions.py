"""Predictions of given items: what is refused before a worker is asked, and while none answers."""

import base64
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db.queries import predictions as queries
from app.db.session import transaction
from app.db.tables import Role
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, change_settings, png
from tests.loop import Factory
from tests.support import wait_for


def add_model(factory: Factory, project: int, name: str = "fasttext", role: str = "proxy") -> int:
    """Return the id of a model whose file nobody has."""
    with transaction(factory) as session:
        return int(
            session.execute(
                text(
                    "INSERT INTO models (project_id, role, name, recipe, recipe_hash, weights_hash,"
                    " n_labeled, metrics, seconds, provenance, round_number) VALUES (:p, :role,"
                    " :name, '{}', '', 'none', 4, '{}', '{}', '{}', 3) RETURNING id"
                ),
                {"p": project, "name": name, "role": role},
            ).scalar_one()
        )


def add_worker(factory: Factory) -> None:
    with transaction(factory) as session:
        session.execute(
            text("INSERT INTO workers (id, name, queues) VALUES (gen_random_uuid(), 'w', 'cpu')")
        )


@pytest.fixture
def ready(text_project: int, session_factory: Factory) -> int:
    """A project with a model, and a worker that never answers."""
    add_model(session_factory, text_project)
    add_worker(session_factory)
    return text_project


def refused(client: Client, project: int, items: Any, **more: Any) -> ClientError:
    with pytest.raises(ClientError) as refusal:
        client.predict(project, items, **more)
    return refusal.value


class Answering:
    """Answers requests in a worker's place."""

    def __init__(self, factory: Factory, answer: dict[str, Any]) -> None:
        self.asked: list[Any] = []

        def answer_one() -> None:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                with transaction(factory) as session:
                    claimed = queries.claim(session)
                    if claimed is not None:
                        self.asked.append(claimed[0])
                        queries.answer(session, claimed[0].id, answer)
                        return
                time.sleep(0.02)

        self.thread = threading.Thread(target=answer_one)
        self.thread.start()


class TestRefusals:
    def test_without_a_model(self, admin: Client, text_project: int) -> None:
        found = refused(admin, text_project, ["a"])
        assert (found.status, found.code) == (404, "model_not_ready")
        assert refused(admin, text_project, ["a"], model=99).code == "not_found"

    def test_a_model_of_brought_features(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        add_model(session_factory, text_project, "probe")
        found = refused(admin, text_project, ["a"])
        assert (found.status, found.code) == (409, "prediction_not_possible")
        assert "models.predictor.load" in found.detail

    def test_without_a_worker(
        self, admin: Client, text_project: int, session_factory: Factory
    ) -> None:
        add_model(session_factory, text_project)
        found = refused(admin, text_project, ["a"])
        assert (found.status, found.code) == (503, "predictions_not_served")
        assert "svp worker" in found.detail

    def test_too_many_too_few_and_too_large(
        self, admin: Client, http: TestClient, ready: int
    ) -> None:
        assert refused(admin, ready, ["a"] * 101).status == 422
        assert refused(admin, ready, []).status == 422
        change_settings(http, max_predict_bytes=2000)
        found = refused(admin, ready, ["a" * 3000])
        assert (found.status, found.code) == (413, "body_too_large")
        assert "SVP_MAX_PREDICT_BYTES" in found.detail

    def test_a_body_above_other_jsons_limit_is_read(
        self, admin: Client, http: TestClient, ready: int, session_factory: Factory
    ) -> None:
        change_settings(http, max_json_bytes=1024)
        Answering(session_factory, {"items": [{"top": [[0, 1.0]]}]})
        assert admin.predict(ready, ["a" * 3000])["predictions"][0]["class"] == "neg"

    @pytest.mark.parametrize("item", [{}, {"text": "a", "image": "b"}, {"words": "a"}])
    def test_an_item_has_one_content(self, admin: Client, ready: int, item: dict[str, str]) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.request("POST", f"/projects/{ready}/predictions", json={"items": [item]})
        assert refusal.value.status == 422

    def test_annotators_may_not_and_readers_may(
        self, make_client: MakeClient, ready: int, session_factory: Factory
    ) -> None:
        assert refused(make_client("ada"), ready, ["a"]).status == 403
        Answering(session_factory, {"items": [{"top": [[1, 0.75]]}]})
        reader = make_client("eve", Role.READER, project_id=ready)
        assert reader.predict(ready, ["a"])["predictions"][0]["class"] == "pos"


class TestWaiting:
    def test_a_worker_that_does_not_answer_in_time_leaves_nothing_behind(
        self, admin: Client, http: TestClient, ready: int, session_factory: Factory
    ) -> None:
        change_settings(http, predict_seconds=0.3)
        found = refused(admin, ready, ["a"])
        assert (found.status, found.code) == (503, "service_busy")
        assert "SVP_PREDICT_SECONDS" in found.detail
        with transaction(session_factory) as session:
            left = session.scalar(text("SELECT count(*) FROM prediction_requests"))
        assert left == 0

    def test_who_waits_takes_no_place_from_others(
        self, admin: Client, http: TestClient, ready: int
    ) -> None:
        change_settings(http, predict_seconds=3)
        threads = [threading.Thread(target=lambda: refused(admin, ready, ["a"])) for _ in range(30)]
        for thread in threads:
            thread.start()
        assert wait_for(lambda: admin.project(ready)["id"] == ready, 2) < 2
        for thread in threads:
            thread.join()

    def test_what_cannot_be_read_is_named_and_the_rest_is_answered(
        self, admin: Client, ready: int, session_factory: Factory
    ) -> None:
        answering = Answering(
            session_factory,
            {"items": [{"top": [[1, 0.9], [0, 0.1]]}, {"top": [[0, 0.6], [1, 0.4]]}]},
        )
        items = [
            {"id": "first", "text": "good"},
            {"text": " "},
            {"id": "picture", "image": base64.b64encode(png()).decode()},
            {"text": "bad"},
        ]
        answer = admin.request(
            "POST", f"/projects/{ready}/predictions", json={"items": items, "top": 5}
        ).json()
        answering.thread.join()
        (asked,) = answering.asked
        assert (asked.contents, asked.top) == ([b"good", b"bad"], 2)
        found = answer["predictions"]
        assert [p["id"] for p in found] == ["first", None, "picture", None]
        assert [p["class"] for p in found] == ["pos", None, None, "neg"]
        assert [p["code"] for p in found] == [None, "text_empty", "content_kind_wrong", None]
        assert found[0]["top"] == [
            {"class": "pos", "confidence": 0.9},
            {"class": "neg", "confidence": 0.1},
        ]
        assert (answer["role"], answer["model_version"]) == ("proxy", "round-3")

    def test_where_nothing_can_be_read_no_worker_is_asked(self, admin: Client, ready: int) -> None:
        (found,) = admin.predict(ready, [""])["predictions"]
        assert found["code"] == "text_empty"

    def test_a_model_that_cannot_be_used_says_why(
        self, admin: Client, ready: int, session_factory: Factory
    ) -> None:
        Answering(session_factory, {"error": "Model 1 cannot be used: damaged"})
        found = refused(admin, ready, ["a"])
        assert (found.code, found.detail) == (
            "prediction_not_possible",
            "Model 1 cannot be used: damaged",
        )

    def test_old_requests_are_forgotten(
        self, admin: Client, http: TestClient, ready: int, session_factory: Factory
    ) -> None:
        with transaction(session_factory) as session:
            session.execute(
                text(
                    "INSERT INTO prediction_requests (model_id, contents, top, created_at, "
                    "claimed_at) SELECT id, '{}', 1, now() - interval '3 min', now() FROM models"
                )
            )
        Answering(session_factory, {"items": [{"top": [[0, 1.0]]}]}).thread.join(0)
        change_settings(http, predict_seconds=5)
        admin.predict(ready, ["a"])
        with transaction(session_factory) as session:
            assert session.scalar(text("SELECT count(*) FROM prediction_requests")) == 0


class TestImages:
    def test_images_are_checked_one_by_one(
        self, admin: Client, images: int, session_factory: Factory
    ) -> None:
        add_model(session_factory, images, "preact8")
        add_worker(session_factory)
        Answering(session_factory, {"items": [{"top": [[1, 1.0]]}] * 2})
        whole = base64.b64encode(png()).decode()
        items = [
            {"image": whole},
            {"image": "no base64!"},
            {"image": base64.b64encode(b"no image").decode()},
            {"image": f"data:image/png;base64,{whole}"},
            {"text": "words"},
        ]
        found = admin.request(
            "POST", f"/projects/{images}/predictions", json={"items": items}
        ).json()["predictions"]
        assert [p["code"] for p in found] == [
            None,
            "image_not_base64",
            "image_not_decodable",
            None,
            "content_kind_wrong",
        ]
