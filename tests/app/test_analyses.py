"""Metrics of models, classes and analyses over HTTP."""

import io
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.db.tables import Split
from app.services import analyses, job_results
from app.services.analyses import AnalysisFacts
from app.services.job_results import Selection, TrainedFacts
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from svp_client import Client, ClientError
from svp_client.settings import Candidate
from tests.app.test_core_sets import refusal
from tests.loop import Factory, claim_waiting, import_texts, start_labeling

CALIBRATION = {
    "temperature": 1.5, "n_fitted": 20, "n_measured": 20,
    "error": {"value": 0.2, "low": 0.1, "high": 0.3, "by_chance": 0.15},
    "error_scaled": {"value": 0.1, "low": 0.05, "high": 0.2, "by_chance": 0.15},
    "bins": [{"low": 0.6, "high": 0.7, "confidence": 0.65, "n_right": 12, "n": 20}],
}  # fmt: skip


@pytest.fixture
def project(session_factory: Factory, settings: Settings, admin: Client) -> int:
    """A project whose round 1 is labeled; its proxy said `b` of everything."""
    project = start_labeling(
        session_factory, settings, "p", 60, strategy="margin", initial_budget=24,
        round_budget=8, total_budget=40, reserve=0,
    )  # fmt: skip
    with transaction(session_factory) as session:
        import_texts(
            session, settings, project, [f"e{i}" for i in range(60)], Split.EVALUATION, "a"
        )
    _label(admin, project, 24)
    claimed = claim_waiting(session_factory, settings, project)
    assert claimed is not None
    store = ArtifactStore(settings.artifact_store_url)
    buffer = io.BytesIO()
    np.savez(buffer, evaluation_index=np.arange(40))
    facts = TrainedFacts(
        "fasttext", {}, "r", "w", 24, {"accuracy": 0.75, "n_evaluation": 40},
        PartSeconds(), {},
        predictions_hash=store.put(buffer.getvalue()),
        evaluation={"confusion": [[0, 0, 10], [0, 1, 10], [1, 1, 20]], "calibration": CALIBRATION},
    )  # fmt: skip
    ranked = [RankedItem(i, -float(i), 1, 0.9, is_control=i % 2 == 0) for i in range(60)]
    with transaction(session_factory) as session:
        job_results.begin_selecting(session, claimed)
        selection = Selection(ranked, 24, PartSeconds(), "0", facts)
        job_results.publish_selection(session, claimed, selection, settings)
    _label(admin, project, 8)
    return project


def _label(admin: Client, project: int, size: int) -> None:
    items = admin.next_batch(project, size)["items"]
    labels = [{"item_id": x["item_id"], "class": "abb"[i % 3]} for i, x in enumerate(items)]
    admin.submit_labels(project, labels)


class TestModelMetrics:
    def test_show_each_class_its_confusions_and_calibration(
        self, admin: Client, project: int
    ) -> None:
        (model,) = admin.models(project)
        found = admin.model_metrics(project, model["id"])
        assert (found["model_id"], found["role"], found["round"]) == (model["id"], "proxy", 1)
        evaluation = found["evaluation"]
        assert evaluation
        assert (evaluation["n"], evaluation["accuracy"]["value"]) == (40, 0.75)
        a, b = evaluation["classes"]
        assert (a["class"], a["n"], a["n_predicted"], a["n_right"]) == ("a", 20, 10, 10)
        assert a["precision"]
        assert a["recall"]
        assert (a["precision"]["value"], a["recall"]["value"]) == (1.0, 0.5)
        assert b["f1"]
        assert b["f1"]["value"] == pytest.approx(0.8)
        assert b["f1"]["low"] < b["f1"]["value"] < b["f1"]["high"]
        assert {"label": "a", "predicted": "b", "n": 10} in evaluation["confusion"]
        assert found["calibration"]
        assert found["calibration"]["temperature"] == 1.5
        assert found["calibration"]["bins"][0]["accuracy"]["value"] == 0.6
        control = found["control"]
        assert control
        assert control["n"] == 4
        assert [c["n_predicted"] for c in control["classes"]] == [0, 4]
        assert control["classes"][0]["precision"] is None

    def test_predictions_are_downloaded(self, admin: Client, project: int) -> None:
        (model,) = admin.models(project)
        stored = np.load(io.BytesIO(admin.model_predictions(project, model["id"])))
        assert stored["evaluation_index"].tolist() == list(range(40))

    def test_a_model_from_before_has_none(
        self, admin: Client, project: int, session_factory: Factory
    ) -> None:
        with transaction(session_factory) as session:
            session.execute(text("UPDATE models SET evaluation = '{}', predictions_hash = NULL"))
        (model,) = admin.models(project)
        found = admin.model_metrics(project, model["id"])
        assert (found["evaluation"], found["calibration"]) == (None, None)
        missing = refusal(lambda: admin.model_predictions(project, model["id"]))
        assert missing == (404, "not_found")
        assert refusal(lambda: admin.model_metrics(project, 999_999)) == (404, "not_found")


def test_classes_say_what_each_round_found(admin: Client, project: int) -> None:
    found = admin.classes(project)
    a, b = found["classes"]
    assert (a["class"], a["n_labeled"], b["n_labeled"]) == ("a", 8 + 3, 16 + 5)
    first, second = found["rounds"]
    assert (first["round"], first["n_labeled"], first["n_control"]) == (0, 24, 0)
    assert (second["n_labeled"], second["n_control"], second["n_classes"]) == (4, 4, 2)
    assert found["shares_from"] == "evaluation"
    assert a["share"]
    assert (a["share"]["value"], a["is_rare"], b["is_rare"]) == (1.0, False, True)
    assert first["n_rare"] == 16


class TestAudits:
    def test_asked_for_read_and_shown_in_advice(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        assert admin.advice(project)["audit"] is None
        claim_waiting(session_factory, settings, project)  # the next round's
        asked = admin.create_audit(project, strategy="entropy", n_sample=500)
        assert (asked["options"]["strategy"], asked["options"]["n_sample"]) == ("entropy", 500)
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        assert claimed.analysis_id == asked["id"]
        cost = {"train_seconds": 2.0, "train_cpu_seconds": 3.0, "score_seconds": 0.5}
        some = {"value": 0.4, "low": 0.3, "high": 0.5}
        agreement = {"name": "proxy", "correlation": some, "overlap": some, "gap": some, **cost}
        result: dict[str, Any] = {
            "strategy": "entropy", "n_sample": 28, "n_pool": 28, "n_top": 8, "ceiling": some,
            "ceiling_overlap": some, "targets": [cost, cost], "models": [agreement],
        }  # fmt: skip
        facts = AnalysisFacts(32, result, PartSeconds(), {})
        with transaction(session_factory) as session:
            analyses.publish_analysis(session, claimed, facts)
        (found,) = admin.audits(project)
        assert found["result"] == result
        advice = admin.advice(project)
        assert advice["audit"] == {
            "id": asked["id"], "n_labeled": 32, "correlation": some, "ceiling": some,
            "is_below": True,
        }  # fmt: skip
        assert "agree with the target's by 0.40" in advice["reasons"][-1]

    @pytest.mark.parametrize(
        ("wanted", "code", "said"),
        [
            ({"strategy": "uniform"}, "analysis_invalid", "uniform needs no model"),
            ({"strategy": "best"}, "analysis_invalid", "best"),
            ({"n_sample": 5}, "request_invalid", "100"),
        ],
    )
    def test_what_cannot_be_audited_is_refused(
        self, admin: Client, project: int, wanted: Any, code: str, said: str
    ) -> None:
        with pytest.raises(ClientError, match=said) as refused:
            admin.create_audit(project, **wanted)
        assert (refused.value.status, refused.value.code) == (422, code)

    def test_without_two_classes_nothing_can_be_trained(
        self, admin: Client, text_project: int
    ) -> None:
        with pytest.raises(ClientError, match="models need two") as refused:
            admin.create_audit(text_project, strategy="margin")
        assert refused.value.code == "analysis_invalid"

    def test_the_rule_is_a_setting(self, admin: Client, project: int) -> None:
        assert admin.project(project)["audit"] == {"every_rounds": None, "min_correlation": 0.5}
        changed = admin.change_project(project, audit={"every_rounds": 3})
        assert changed["audit"] == {"every_rounds": 3, "min_correlation": 0.5}
        bad = refusal(lambda: admin.change_project(project, audit={"every_rounds": 0}))
        assert bad == (422, "request_invalid")


class TestProxyAdvice:
    def test_tries_the_services_candidates_by_default(self, admin: Client, project: int) -> None:
        asked = admin.advise_proxy(project, seconds=60)
        names = [candidate["name"] for candidate in asked["options"]["candidates"]]
        assert names[:3] == ["tfidf", "fasttext, fast", "fasttext"]
        assert names[-1] == "present proxy"
        assert "probe" not in names
        assert not any("epochs" in name for name in names), "the target has one epoch"
        admin.change_project(project, target={"model": "fasttext", "recipe": {"epochs": 16}})
        candidates = admin.advise_proxy(project, seconds=60)["options"]["candidates"]
        cut = [c for c in candidates if "epochs" in c["name"]]
        assert [c["name"] for c in cut] == [f"target's, {n} epochs" for n in (2, 4, 8)]
        assert [sum(c["recipe"]["epochs_per_stage"]) for c in cut] == [2, 4, 8]
        buffer = io.BytesIO()
        np.save(buffer, np.ones((60, 3), np.float32))
        admin.bring_features(project, buffer.getvalue())
        candidates = admin.advise_proxy(project, seconds=60)["options"]["candidates"]
        assert candidates[0]["name"] == "probe"
        assert [a["state"] for a in admin.proxy_advice(project)] == ["queued"] * 3

    def test_ones_own_candidates_are_tried_in_their_order(
        self, admin: Client, project: int
    ) -> None:
        mine: list[Candidate] = [
            {"name": "short", "model": "fasttext", "recipe": {"epochs": 2}},
            {"name": "linear", "model": "tfidf"},
        ]
        asked = admin.advise_proxy(project, seconds=60, strategy="margin", candidates=mine)
        short, linear = asked["options"]["candidates"]
        assert (short["name"], short["recipe"]["epochs_per_stage"]) == ("short", [2])
        assert linear["model"] == "tfidf"
        assert (asked["options"]["seconds"], asked["options"]["strategy"]) == (60, "margin")

    @pytest.mark.parametrize(
        ("wanted", "code", "said"),
        [
            ({"candidates": [{"name": "x", "model": "preact8"}]}, "analysis_invalid", "preact8"),
            ({"candidates": [{"name": "x", "model": "probe"}]}, "analysis_invalid", "probe"),
            ({"candidates": [{"name": "x", "model": "tfidf"}] * 2}, "analysis_invalid", "same"),
            (
                {"candidates": [{"name": "target", "model": "tfidf"}]},
                "analysis_invalid",
                "called",
            ),
            ({"strategy": "uniform"}, "analysis_invalid", "needs no model"),
            ({"seconds": 0}, "request_invalid", "greater than 0"),
        ],
    )
    def test_what_cannot_be_tried_is_refused(
        self, admin: Client, project: int, wanted: Any, code: str, said: str
    ) -> None:
        with pytest.raises(ClientError, match=said) as refused:
            admin.advise_proxy(project, **{"seconds": 60, **wanted})
        assert (refused.value.status, refused.value.code) == (422, code)


class TestLabelsSaved:
    def test_asked_for_and_read(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        claim_waiting(session_factory, settings, project)  # the next round's
        asked = admin.estimate_labels_saved(project)
        assert (asked["state"], asked["result"]) == ("queued", None)
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        assert claimed.analysis_id == asked["id"]
        part = {"n_labels": 32, "accuracies": [0.75]}
        numbers = dict.fromkeys(
            ("accuracy", "low", "high", "n_needed", "n_needed_low", "saved", "saved_low"), 0.5
        )
        result: dict[str, Any] = {
            "n_labeled": 32, "n_uniform_labels": 28, **numbers, "n_needed_high": None,
            "saved_high": None, "extrapolates_by": 2.0, "uniform": [part], "selected": part,
        }  # fmt: skip
        facts = AnalysisFacts(
            32, result, PartSeconds({"training": 2.0}, {"training": 3.0}), {"device": "cpu"}
        )
        with transaction(session_factory) as session:
            analyses.publish_analysis(session, claimed, facts)
        (found,) = admin.labels_saved(project)
        assert (found["state"], found["n_labeled"], found["cpu_seconds"]) == (
            "succeeded", 32, {"training": 3.0}
        )  # fmt: skip
        assert found["result"] == result

    def test_a_second_question_waits_beside_the_first_and_both_outlive_the_end_of_labeling(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        admin.estimate_labels_saved(project)
        admin.estimate_labels_saved(project)
        admin.finish(project)
        assert [a["state"] for a in admin.labels_saved(project)] == ["queued", "queued"]
        target = claim_waiting(session_factory, settings, project)
        assert target is not None
        assert target.kind == "train_target", "analyses come last"

    def test_too_little_is_refused(self, admin: Client, text_project: int) -> None:
        with pytest.raises(ClientError, match="0 labeled items were drawn uniformly") as refused:
            admin.estimate_labels_saved(text_project)
        assert (refused.value.status, refused.value.code) == (422, "analysis_invalid")
