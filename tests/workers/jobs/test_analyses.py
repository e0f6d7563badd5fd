"""Analyses on the real service: what models know, labels saved, and giving way to rounds."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner, Result

from app.config import Settings
from app.db.queries import analyses, events
from app.db.session import transaction
from app.db.tables import AnalysisKind, JobKind, Project, Split
from app.domain.states import JobState
from app.presenters.model_metrics import present_model_metrics
from app.services import jobs
from app.services.audits import AuditIn, create_audit
from app.services.classes import read_classes
from app.services.label_errors import Judge, find_label_errors, suspected_page
from app.services.labels_saved import estimate_labels_saved
from app.services.model_metrics import read_model_metrics
from app.services.newest_audit import newest_audit
from app.services.project_settings import change_project
from app.services.projects import ModelChoice
from app.services.proxy_advice import CandidateIn, ProxyAdviceIn, ask_proxy_advice
from models.training.train import TrainingStopped
from tests.projects import TINY, ServedProject
from tests.support import wait_for
from workers.cli.main import app
from workers.jobs import analyses as job_analyses
from workers.jobs.context import JobContext
from workers.jobs.run import run_job
from workers.steps.label_errors import Reason

Factory = sessionmaker[Session]


@dataclass
class Watched(JobContext):
    """A job's context that tells what is reported."""

    on_report: Callable[[dict[str, Any]], None] = print

    def report(self, progress: dict[str, Any]) -> None:
        self.on_report(progress)


def watched(
    served: ServedProject, claimed: jobs.ClaimedJob, on_report: Callable[[dict[str, Any]], None]
) -> JobContext:
    return Watched(claimed, served.settings, served.factory, served.store, lambda: False, on_report)


@pytest.fixture
def served(session_factory: Factory, settings: Settings) -> ServedProject:
    """A project in round 2: 80 texts, 60 evaluation items, a third of each batch is control."""
    project = ServedProject(
        session_factory,
        settings,
        TINY["text"],
        initial_budget=20,
        round_budget=12,
        total_budget=60,
        reserve=0,
        selection={"control_fraction": 0.34},
    )
    project.add(range(80))
    project.add(range(60), Split.EVALUATION)
    project.start()
    for _ in range(2):
        project.do_job()
        project.label(20)
    return project


class TestModels:
    def test_a_proxy_keeps_what_it_predicts_of_the_items_that_measure_it(
        self, served: ServedProject
    ) -> None:
        model = served.model_of(1)
        assert model.predictions_hash is not None
        stored = np.load(io.BytesIO(served.store.get(model.predictions_hash)))
        assert stored["evaluation_index"].tolist() == list(range(60))
        assert stored["evaluation_labels"].tolist() == [i % 2 for i in range(60)]
        assert stored["evaluation_probs"].argmax(axis=1).tolist() == (
            stored["evaluation_classes"].tolist()
        )
        assert len(stored["control_index"]) == 5  # 0.34 of 12, rounded up
        assert "control_labels" not in stored
        with transaction(served.factory) as session:
            project = session.get_one(Project, served.id)
            model = session.merge(model)
            found = read_model_metrics(session, project, model)
            shown = present_model_metrics(found, project.classes)
        assert shown.evaluation
        assert shown.control
        right = stored["evaluation_classes"] == stored["evaluation_labels"]
        assert shown.evaluation.accuracy.value == pytest.approx(right.mean())
        assert model.metrics["accuracy"] == pytest.approx(right.mean())
        assert sum(cell.n for cell in shown.evaluation.confusion) == 60
        assert shown.control.n == 5, "every control item of the round has its label now"
        assert shown.calibration
        assert (shown.calibration.n_fitted, shown.calibration.n_measured) == (30, 30)
        assert {"metrics", "control"} <= set(served.round_(1).seconds)

    def test_classes_are_counted_by_round_and_arm(self, served: ServedProject) -> None:
        with transaction(served.factory) as session:
            found = read_classes(session, session.get_one(Project, served.id))
        first, second = found.rounds
        assert (first.n_labeled, first.n_control) == (13, 7)
        assert (second.n_labeled, second.n_control) == (7, 5)
        assert found.shares_from == "evaluation"
        assert [c.share.value for c in found.classes if c.share] == [0.5, 0.5]
        assert sum(c.n_labeled for c in found.classes) == 32


class TestCommands:
    def ask(self, served: ServedProject, database_url: str, *command: str) -> Result:
        env = {
            "SVP_DATABASE_URL": database_url,
            "SVP_DATA_FOLDER": str(served.settings.data_folder),
            "COLUMNS": "120",
        }
        return CliRunner().invoke(app, list(command), env=env, catch_exceptions=False)

    def test_show_what_the_api_answers(self, served: ServedProject, database_url: str) -> None:
        project = str(served.id)
        shown = self.ask(served, database_url, "metrics", project)
        assert "the proxy of round 1: fasttext on 20 labels" in shown.stdout
        assert "evaluation split, 60 items: accuracy" in shown.stdout
        assert "control arm, 5 items" in shown.stdout
        answer = json.loads(self.ask(served, database_url, "metrics", project, "--json").stdout)
        assert [c["class"] for c in answer["evaluation"]["classes"]] == ["a", "b"]
        shown = self.ask(served, database_url, "classes", project)
        assert "share (evaluation)" in shown.stdout

    def test_wait_for_the_worker(self, served: ServedProject, database_url: str) -> None:
        served.do_job()

        def work() -> None:
            wait_for(lambda: self.is_asked(served), 30)
            served.do_job()

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            shown = self.ask(served, database_url, "labels-saved", str(served.id))
            working.result()
        assert "32 labels reach an accuracy of" in shown.stdout

    def is_asked(self, served: ServedProject) -> bool:
        with transaction(served.factory) as session:
            return bool(analyses.list_all(session, served.id, AnalysisKind.LABELS_SAVED))


class TestLabelsSaved:
    def ask(self, served: ServedProject) -> int:
        with transaction(served.factory) as session:
            return estimate_labels_saved(session, served.id, served.settings)[0].id

    def read(self, served: ServedProject, analysis_id: int) -> tuple[Any, Any]:
        with transaction(served.factory) as session:
            found = analyses.get(session, served.id, analysis_id, AnalysisKind.LABELS_SAVED)
        assert found is not None
        return found

    def test_is_answered_by_a_job_of_its_own(self, served: ServedProject) -> None:
        asked = self.ask(served)
        served.do_job()  # the next round's
        served.do_job()
        analysis, job = self.read(served, asked)
        assert job.state == JobState.SUCCEEDED
        assert (analysis.n_labeled, analysis.result["n_uniform_labels"]) == (32, 25)
        assert analysis.result["selected"]["n_labels"] == 32
        assert {"training", "evaluation", "snapshot"} <= set(analysis.seconds)
        assert set(analysis.seconds) == set(analysis.cpu_seconds)
        with transaction(served.factory) as session:
            facts = events.newest_facts(session, served.id, "analysis.published")
        assert facts == {"analysis": asked, "kind": "labels_saved", "n_labeled": 32}

    def test_gives_way_to_a_round_and_goes_on_where_it_was(
        self, served: ServedProject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job_analyses, "ASK_SECONDS", 0.0)
        served.do_job()  # round 2 is being labeled: nothing waits
        asked = self.ask(served)
        claimed = served.claim()
        assert claimed.kind is JobKind.ANALYZE
        reports: list[dict[str, Any]] = []

        def label_after_three(progress: dict[str, Any]) -> None:
            reports.append(progress)
            if progress["stages_done"] == 3:
                served.label(12)  # round 3 wants its job now
                with transaction(served.factory) as session:
                    session.execute(text("UPDATE jobs SET created_at = now() - interval '1 min'"))

        with pytest.raises(TrainingStopped):
            run_job(watched(served, claimed, label_after_three))
        with transaction(served.factory) as session:
            jobs.give_back(session, claimed.id, claimed.token)
            waiting = jobs.claimable(session, ["gpu", "cpu"], served.settings)
        assert waiting[-1] == claimed.id, "the round's job comes first"
        served.do_job()
        again = served.claim()
        assert again.id == claimed.id
        later: list[dict[str, Any]] = []
        run_job(watched(served, again, later.append))
        analysis, job = self.read(served, asked)
        assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
        assert analysis.n_labeled == 32, "it answers for the labels that it began with"
        names = [progress["stage"] for progress in (*reports, *later)]
        assert len(names) <= len(set(names)) + 1, "at most the stage at hand is begun twice"
        assert len(reports) >= 4
        folder = served.settings.cache_folder / "checkpoints"
        assert not list(folder.rglob("*.npz")), "nothing is left on the disk"


class TestAudits:
    def test_the_same_model_as_target_reaches_the_ceiling_and_its_cost_is_told(
        self, served: ServedProject
    ) -> None:
        with transaction(served.factory) as session:
            asked = create_audit(session, served.id, AuditIn(n_sample=100), served.settings)[0].id
        served.do_job()  # the next round's
        served.do_job()
        with transaction(served.factory) as session:
            (found, job), *_ = analyses.list_all(session, served.id, AnalysisKind.AUDIT)
            said = newest_audit(session, session.get_one(Project, served.id))
            warned = events.newest_facts(session, served.id, "audit.below_threshold")
        assert (found.id, job.state) == (asked, JobState.SUCCEEDED)
        result = found.result
        assert result
        assert (result["n_sample"], result["n_pool"]) == (48, 48)
        assert (result["strategy"], found.options["strategy"]) == ("least_confidence",) * 2
        (proxy,) = result["models"]
        assert proxy["correlation"]["value"] == pytest.approx(
            (1 + result["ceiling"]["value"]) / 2
        ), "the proxy is the target, of the first seed"
        assert proxy["gap"]["high"] <= 0
        assert proxy["train_seconds"] > 0 < proxy["train_cpu_seconds"]
        assert {"training", "inference", "selection"} <= set(found.seconds)
        assert said
        assert said.correlation.value == proxy["correlation"]["value"]
        assert not said.is_below
        assert warned is None

    def test_comes_by_itself_every_so_many_rounds_and_warns_below_the_threshold(
        self, served: ServedProject
    ) -> None:
        change = {"audit": {"every_rounds": 2, "min_correlation": 1.0}}
        with transaction(served.factory) as session:
            change_project(session, served.id, change, served.settings)
        served.do_job()  # round 2
        served.label(12)
        served.do_job()  # round 3 comes before the audit
        served.do_job()
        with transaction(served.factory) as session:
            ((found, job),) = analyses.list_all(session, served.id, AnalysisKind.AUDIT)
            warned = events.newest_facts(session, served.id, "audit.below_threshold")
            said = newest_audit(session, session.get_one(Project, served.id))
        assert (job.state, found.n_labeled) == (JobState.SUCCEEDED, 44)
        assert warned
        assert (warned["analysis"], warned["min_correlation"]) == (found.id, 1.0)
        assert said
        assert said.is_below
        assert "With 44 labels the proxy's scores agree with the target's by" in said.sentence


def test_a_proxy_is_advised_within_a_budget_of_seconds(served: ServedProject) -> None:
    served.do_job()  # round 2 is being labeled
    few = {"epochs": 2, "buckets": 100, "minibatch": 8}
    candidates = [
        CandidateIn("tfidf", ModelChoice("tfidf", {"buckets": 1000})),
        CandidateIn("few epochs", ModelChoice("fasttext", few)),
    ]
    asked = []
    for seconds in (1000.0, 1e-6):
        with transaction(served.factory) as session:
            wanted = ProxyAdviceIn(seconds, n_sample=100, candidates=candidates)
            asked.append(ask_proxy_advice(session, served.id, wanted, served.settings)[0].id)
        served.do_job()
    with transaction(served.factory) as session:
        rows = analyses.list_all(session, served.id, AnalysisKind.PROXY_ADVICE)
    (whole, job), (cut, _) = rows
    assert [whole.id, cut.id] == asked
    assert job.state == JobState.SUCCEEDED
    assert whole.result
    assert cut.result
    names = [m["name"] for m in whole.result["comparison"]["models"]]
    assert names == ["tfidf", "few epochs"]
    assert set(whole.result["selection_seconds"]) == {*names, "target"}
    assert whole.result["not_tried"] == []
    assert whole.result["recommended"] in [None, *names]
    assert cut.result["not_tried"] == names
    assert (cut.result["recommended"], cut.result["comparison"]["models"]) == (None, [])


def test_label_errors_are_found_by_a_job(served: ServedProject) -> None:
    pytest.importorskip("cleanlab", reason="the extra crowd is not installed")
    served.do_job()  # round 2 is being labeled
    with transaction(served.factory) as session:
        session.execute(
            text(
                "UPDATE resolved_labels SET class_index = 1 - class_index WHERE item_id = "
                "(SELECT min(item_id) FROM resolved_labels)"
            )
        )
        wrong = session.scalar(text("SELECT min(item_id) FROM resolved_labels"))
        asked = find_label_errors(session, served.id, Judge.PROXY, served.settings)[0].id
    served.do_job()
    with transaction(served.factory) as session:
        found, job = analyses.list_all(session, served.id, AnalysisKind.LABEL_ERRORS)[0]
        page = suspected_page(session, served.id, asked, -1, 100)
    assert job.state == JobState.SUCCEEDED
    assert found.result
    assert (found.result["n_checked"], found.result["n_listed"]) == (32, 32)
    assert set(found.result["by_reason"]) == set(Reason)
    assert wrong in [entry.suspected.item_id for entry in page[:8]]
    suspicions = [entry.suspected.suspicion for entry in page]
    assert suspicions == sorted(suspicions, reverse=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategy": "uniform", "initial_budget": 6}, "it takes 20 to see"),
        ({"strategy": "uniform", "initial_budget": 24}, "evaluation split has 0 items"),
    ],
)
def test_too_little_to_go_by_is_refused(
    session_factory: Factory, settings: Settings, given: dict[str, Any], said: str
) -> None:
    project = ServedProject(session_factory, settings, TINY["text"], reserve=0, **given)
    project.add(range(30))
    project.start()
    project.do_job()
    project.label(30)
    with pytest.raises(Exception, match=said) as refused, transaction(session_factory) as session:
        estimate_labels_saved(session, project.id, settings)
    assert refused.value.code == "analysis_invalid"  # type: ignore[attr-defined]
