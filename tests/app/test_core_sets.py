"""Core-sets and brought features over HTTP."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.core_sets import EpochScores, SelectedItem
from app.db.session import transaction
from app.domain.errors import JobFenced
from app.services import job_results, jobs
from app.services.job_results import CoreSetFacts
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient
from tests.loop import claim_waiting

SETTINGS: dict[str, Any] = {
    "modality": "text",
    "classes": ["neg", "pos"],
    "initial_budget": 2,
    "round_budget": 2,
    "total_budget": 4,
}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture
def labeled_project(admin: Client) -> int:
    """A draft of 20 texts, ten of them imported with their class."""
    proxy = {"model": "fasttext"}
    project = admin.create_project(**SETTINGS, name="labeled", proxy=proxy)["id"]
    lines: list[dict[str, Any]] = [
        {"external_id": f"t-{i}", "text": f"text {i}"}
        | ({"class": ["neg", "pos"][i % 2]} if i < 10 else {})
        for i in range(20)
    ]
    admin.import_items(project, lines)
    return int(project)


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """Return (status, code) of a request that must be refused."""
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.status, refused.value.code


HUGE = {"buckets": 50_000_000, "dim": 4096}  # 819 GB of weights


def test_a_model_that_no_worker_could_hold_is_refused_wherever_it_is_named(
    admin: Client, labeled_project: int
) -> None:
    huge = {"model": "fasttext", "recipe": HUGE}
    calls: list[Callable[[], object]] = [
        lambda: admin.create_project(**SETTINGS, name="huge", target=huge),
        lambda: admin.change_project(labeled_project, proxy=huge),
        lambda: admin.change_project(labeled_project, target=huge),
        lambda: admin.create_core_set(
            labeled_project, strategy="entropy", budget=2, model="fasttext", recipe=HUGE
        ),
    ]
    for call in calls:
        with pytest.raises(
            ClientError, match=r"7\d\d\.\d GiB.*buckets, dim or minibatch"
        ) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (422, "project_invalid")


def publish(
    factory: sessionmaker[Session], settings: Settings, project: int, indices: list[int]
) -> None:
    """Do the waiting core-set job in the worker's place."""
    claimed = claim_waiting(factory, settings, project)
    assert claimed is not None
    kept = [SelectedItem(index, index % 2, 1.0 / (1 + rank)) for rank, index in enumerate(indices)]
    with transaction(factory) as session:
        job_results.store_core_set_items(session, claimed, 0, kept)
    with transaction(factory) as session:
        facts = CoreSetFacts(10, PartSeconds({"training": 1.0}), {"device": "cpu"}, None)
        job_results.publish_core_set(session, claimed, facts)


class TestCoreSets:
    def test_made_read_and_exported(
        self,
        admin: Client,
        labeled_project: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        project = labeled_project
        made = admin.create_core_set(project, strategy="forgetting_events", fraction=0.3, epochs=4)
        assert (made["state"], made["budget"]) == ("queued", 3)
        assert sum(made["recipe"]["epochs_per_stage"]) == 4
        early = refusal(lambda: list(admin.core_set_items(project, made["id"])))
        assert early == (409, "core_set_not_ready")
        publish(session_factory, settings, project, [7, 2, 5])
        read = admin.core_set(project, made["id"])
        assert (read["state"], read["n_labeled"]) == ("succeeded", 10)
        first = next(admin.core_set_items(project, made["id"]))
        assert (first["external_id"], first["class"], first["rank"]) == ("t-7", "pos", 0)
        items = f"/projects/{project}/core-sets/{made['id']}/items"
        as_csv = admin.request("GET", f"{items}?format=csv").text.split("\r\n")[:-1]
        assert as_csv[0] == "rank,item_id,external_id,index,class,score"
        assert [line.split(",")[2] for line in as_csv[1:]] == ["t-7", "t-2", "t-5"]
        indices = np.load(io.BytesIO(admin.request("GET", f"{items}?format=npy").content))
        assert indices.dtype == np.int64
        assert indices.tolist() == [7, 2, 5]
        listed = admin.request("GET", f"/projects/{project}/core-sets").json()
        assert [core_set["id"] for core_set in listed] == [read["id"]]

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            ({"strategy": "margin", "budget": 3}, "core_set_invalid"),
            ({"strategy": "entropy", "budget": 10}, "core_set_invalid"),
            ({"strategy": "entropy", "budget": 3, "model": "preact8"}, "project_invalid"),
            ({"strategy": "entropy", "budget": 3, "recipe": {"depth": 3}}, "project_invalid"),
            (
                {"strategy": "forgetting_events", "budget": 3, "model": "fasttext_official"},
                "core_set_invalid",
            ),
            ({"strategy": "entropy", "fraction": 1.5}, "request_invalid"),
            ({"strategy": "entropy", "budget": 3, "speed": 3}, "request_invalid"),
        ],
    )
    def test_bad_request_is_refused(
        self, admin: Client, labeled_project: int, wanted: dict[str, Any], code: str
    ) -> None:
        asked = refusal(lambda: admin.create_core_set(labeled_project, **wanted))
        assert asked == (422, code)

    def test_annotators_may_not_make_one(
        self, make_client: MakeClient, labeled_project: int
    ) -> None:
        ada = make_client("ada")
        asked = refusal(lambda: ada.create_core_set(labeled_project, strategy="uniform", budget=2))
        assert asked == (403, "not_allowed")

    def test_unknown_one_is_not_found(self, admin: Client, labeled_project: int) -> None:
        assert refusal(lambda: admin.core_set(labeled_project, 99)) == (404, "not_found")

    def test_failed_one_is_retried_once(
        self,
        admin: Client,
        labeled_project: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        made = admin.create_core_set(labeled_project, strategy="uniform", budget=3)
        for _ in range(settings.job_max_attempts):
            claimed = claim_waiting(session_factory, settings, labeled_project)
            assert claimed is not None
            with transaction(session_factory) as session:
                jobs.fail_attempt(session, claimed.id, claimed.token, "it broke")
        failed = admin.core_set(labeled_project, made["id"])
        assert (failed["state"], failed["error"]) == ("failed", "it broke")
        retry = f"/projects/{labeled_project}/jobs/{made['job_id']}/retry"
        admin.request("POST", retry)
        with pytest.raises(
            ClientError, match=r"second retry; .* job \d+, which took its"
        ) as second:
            admin.request("POST", retry)
        assert (second.value.status, second.value.code) == (409, "transition_not_allowed")
        publish(session_factory, settings, labeled_project, [1, 2, 3])
        assert admin.core_set(labeled_project, made["id"])["state"] == "succeeded"

    def test_the_target_counts_what_the_default_proxy_of_texts_cannot(self, admin: Client) -> None:
        project = admin.create_project(**SETTINGS, name="plain")
        assert project["proxy"]["model"] == "tfidf"
        classes = (
            {"external_id": "a", "text": "a", "class": "neg"},
            {"external_id": "b", "text": "b"},
        )
        admin.import_items(project["id"], [{**line, "class": "pos"} for line in classes[1:]])
        admin.import_items(
            project["id"], [{**classes[0], "external_id": f"a{i}"} for i in range(3)]
        )
        made = [
            admin.create_core_set(project["id"], strategy=strategy, budget=2)["model"]
            for strategy in ("forgetting_events", "entropy")
        ]
        assert made == [project["target"]["model"], "tfidf"]


class TestScores:
    def test_kept_scores_are_listed_and_downloaded(
        self,
        admin: Client,
        labeled_project: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        project = labeled_project
        made = admin.create_core_set(
            project, strategy="entropy", budget=3, epochs=4, score_epochs=[4, 2, 4], draw_seed=8
        )
        assert (made["score_epochs"], made["draw_seed"]) == ([2, 4], 8)
        early = refusal(lambda: admin.core_set_scores(project, made["id"]))
        assert early == (409, "core_set_not_ready")
        arrays = ArtifactStore(settings.artifact_store_url).put(npy(np.arange(10)))
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        for epoch, accuracy in ((4, None), (2, 0.25), (2, 0.5)):  # an attempt repeats epoch 2
            with transaction(session_factory) as session:
                scores = EpochScores(epoch, accuracy, 1.5, 2.5, arrays)
                job_results.store_core_set_scores(session, claimed, scores)
        assert refusal(lambda: admin.core_set_scores_file(project, made["id"], 2)) == early
        with transaction(session_factory) as session:
            facts = CoreSetFacts(10, PartSeconds({"training": 1.0}), {"device": "cpu"}, None)
            job_results.publish_core_set(session, claimed, facts)
        assert admin.core_set_scores(project, made["id"]) == [
            {"epoch": 2, "accuracy": 0.5, "train_seconds": 1.5, "train_cpu_seconds": 2.5},
            {"epoch": 4, "accuracy": None, "train_seconds": 1.5, "train_cpu_seconds": 2.5},
        ]
        assert admin.core_set_scores_file(project, made["id"], 4) == npy(np.arange(10))
        (path,) = Path(settings.artifact_store_url.removeprefix("file://")).rglob(arrays)
        path.write_bytes(npy(np.arange(11)))
        damaged = refusal(lambda: admin.core_set_scores_file(project, made["id"], 4))
        assert damaged == (410, "artifact_missing")
        never = refusal(lambda: admin.core_set_scores_file(project, made["id"], 3))
        assert never == (404, "not_found")

    def test_a_job_that_was_taken_away_stores_none(
        self,
        admin: Client,
        labeled_project: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        admin.create_core_set(labeled_project, strategy="entropy", budget=3, score_epochs=[1])
        claimed = claim_waiting(session_factory, settings, labeled_project)
        assert claimed is not None
        with transaction(session_factory) as session:
            jobs.fail_attempt(session, claimed.id, claimed.token, "it broke")
        with pytest.raises(JobFenced), transaction(session_factory) as session:
            job_results.store_core_set_scores(session, claimed, EpochScores(1, 0.5, 1.0, 1.0, "0"))

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ({"strategy": "uniform", "score_epochs": [1]}, "uniform trains none"),
            ({"strategy": "entropy", "epochs": 3, "score_epochs": [4]}, "goes up to 4"),
            (
                {"strategy": "entropy", "model": "fasttext_official", "epochs": 3}
                | {"score_epochs": [1, 3]},
                r"may be \[3\]",
            ),
            ({"strategy": "entropy", "score_epochs": [0]}, "greater than or equal to 1"),
        ],
    )
    def test_epochs_that_are_not_trained_are_refused(
        self, admin: Client, labeled_project: int, wanted: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(ClientError, match=said) as refused:
            admin.create_core_set(labeled_project, budget=3, **wanted)
        assert refused.value.status == 422


class TestFeatures:
    def test_stored_with_the_project(self, admin: Client, labeled_project: int) -> None:
        body = npy(np.ones((20, 3), np.float32))
        stored = admin.bring_features(labeled_project, io.BytesIO(body))
        assert (stored["n"], stored["d"]) == (20, 3)
        assert admin.project(labeled_project)["features_hash"] == stored["features_hash"]

    def test_those_of_the_evaluation_split_stand_apart(
        self, admin: Client, labeled_project: int
    ) -> None:
        lines = [
            {"external_id": f"e{i}", "text": "t", "split": "evaluation", "class": "pos"}
            for i in range(4)
        ]
        admin.import_items(labeled_project, lines)
        with pytest.raises(ClientError, match="20 rows, the evaluation split has 4") as refused:
            admin.bring_features(labeled_project, npy(np.ones((20, 3))), split="evaluation")
        assert refused.value.code == "features_invalid"
        stored = admin.bring_features(
            labeled_project, io.BytesIO(npy(np.ones((4, 3)))), split="evaluation"
        )
        project = admin.project(labeled_project)
        assert project["evaluation_features_hash"] == stored["features_hash"]
        assert project["features_hash"] is None
        with pytest.raises(ClientError) as unknown:
            admin.bring_features(labeled_project, npy(np.ones((4, 3))), split="test")
        assert unknown.value.status == 422

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "no NumPy file"),
            (b"\x93NUMPY garbage", "no NumPy file"),
            (b"PK\x03\x04 no archive", "no NumPy file"),
            (npy(np.ones((20, 3))).replace(b"(20, 3)", b"(10**9,"), "no NumPy file"),
            (npy(np.ones((20, 3), np.float32))[:150], "no NumPy file"),
            (npy(np.ones(20)), "one array"),
            (npy(np.ones((20, 3), np.int64)), "float32 or float64"),
            (npy(np.ones((19, 3))), "19 rows, the pool has 20"),
            (npy(np.where(np.arange(60).reshape(20, 3) == 17, np.nan, 1.0)), "Row 5"),
        ],
    )
    def test_what_does_not_fit_is_refused(
        self, admin: Client, labeled_project: int, body: bytes, said: str
    ) -> None:
        with pytest.raises(ClientError, match=said) as refused:
            admin.bring_features(labeled_project, body)
        assert (refused.value.status, refused.value.code) == (422, "features_invalid")
        assert admin.project(labeled_project)["features_hash"] is None

    def test_items_imported_afterwards_need_them_too(self, admin: Client) -> None:
        project = admin.create_project(
            **SETTINGS, name="later", strategy="k_centers", selection={"features": "brought"}
        )["id"]
        admin.import_items(project, ({"external_id": f"{i}", "text": f"t {i}"} for i in range(9)))
        admin.bring_features(project, npy(np.ones((9, 3))))
        admin.import_items(project, [{"external_id": "late", "text": "late"}])
        with pytest.raises(ClientError, match="9 of 10 pool items") as refused:
            admin.start(project)
        assert refused.value.code == "project_not_startable"

    def test_annotators_may_not_bring_them(
        self, make_client: MakeClient, labeled_project: int
    ) -> None:
        ada = make_client("ada")
        assert refusal(lambda: ada.bring_features(labeled_project, b"")) == (403, "not_allowed")

    def test_options_that_need_them_wait_for_them(self, admin: Client) -> None:
        project = admin.create_project(
            **SETTINGS, name="cold", selection={"cold_start": "typiclust"}
        )["id"]
        admin.import_items(project, ({"external_id": f"{i}", "text": f"t {i}"} for i in range(9)))
        assert refusal(lambda: admin.start(project)) == (409, "project_not_startable")
        admin.bring_features(project, npy(np.ones((9, 3))))
        assert admin.start(project)["state"] == "running"

    @pytest.mark.parametrize("selection", [{"cold_start": "entropy"}, {"measure_recall": True}])
    def test_contradicting_options_are_refused(
        self, admin: Client, selection: dict[str, Any]
    ) -> None:
        with pytest.raises(ClientError, match="selection: ") as refused:
            admin.create_project(**SETTINGS, name="x", selection=selection)
        assert (refused.value.status, refused.value.code) == (422, "project_invalid")
