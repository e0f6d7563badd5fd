"""The overview: pace, queue, what works, and problems with what to do."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries import jobs, projects
from app.db.session import transaction
from app.services.overview import read_overview
from svp_client import Client
from tests.app.conftest import Start
from tests.loop import Factory, claim_waiting, expire_leases, give, poll
from tests.statements import counted

pytestmark = pytest.mark.usefixtures("promises")


def codes(admin: Client, project: int) -> list[str]:
    return [problem["code"] for problem in admin.overview(project)["problems"]]


def run(factory: Factory, statement: str, **given: Any) -> None:
    with transaction(factory) as session:
        session.execute(text(statement), given)


class TestPace:
    def test_labels_of_the_last_hour_tell_how_long_the_rest_takes(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start(total_budget=6)
        give(admin, project, poll(admin, project, 2))
        run(session_factory, "UPDATE labels SET created_at = now() - interval '30 min'")
        pace = admin.overview(project)["pace"]
        assert (pace["labels_last_hour"], pace["n_left"]) == (2, 4)
        assert pace["labels_per_hour"] == pytest.approx(4, rel=0.01)
        assert pace["seconds_left"] == pytest.approx(3600, rel=0.01)

    def test_labels_of_yesterday_count_neither_today_nor_as_pace(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        assert admin.overview(project)["pace"]["labels_today"] == 2
        run(session_factory, "UPDATE labels SET created_at = now() - interval '25 h'")
        pace = admin.overview(project)["pace"]
        assert (pace["labels_today"], pace["labels_per_hour"], pace["seconds_left"]) == (0, 0, None)

    def test_several_labels_per_item_are_left(self, admin: Client, start: Start) -> None:
        project = start(total_budget=6, labels_per_item=3)
        assert admin.overview(project)["pace"]["n_left"] == 18


class TestQueue:
    def test_open_items_leases_and_expired_leases_are_told_apart(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start(reserve=3)
        poll(admin, project, 1)
        queue = admin.overview(project)["queue"]
        assert queue == {
            "n_batch": 2, "n_reserve": 3, "n_leased": 1, "n_expired": 0, "n_behind": 0
        }  # fmt: skip
        expire_leases(session_factory, project)
        queue = admin.overview(project)["queue"]
        assert (queue["n_leased"], queue["n_expired"]) == (0, 1)

    def test_the_newest_ranking_falls_behind_with_each_label(
        self, admin: Client, start: Start
    ) -> None:
        project = start(initial_budget=5, round_budget=5)
        give(admin, project, poll(admin, project, 3))
        assert admin.overview(project)["queue"]["n_behind"] == 3


class TestWork:
    def test_a_running_job_ends_when_the_last_of_its_kind_would(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        run(
            session_factory,
            "UPDATE jobs SET started_at = finished_at - interval '90 s' WHERE kind = 'select'",
        )
        give(admin, project, poll(admin, project, 2))
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        (job,) = (j for j in admin.overview(project)["jobs"] if j["kind"] == "select")
        assert (job["state"], job["last_seconds"]) == ("running", 90)
        with transaction(session_factory) as session:
            live = read_overview(session, projects.get(session, project)).jobs
        (found,) = (each for each in live if each.job.kind == "select")
        assert found.job.started_at is not None
        assert found.expected_end_at == found.job.started_at + timedelta(seconds=90)

    def test_the_first_of_its_kind_ends_as_its_epochs_go_on(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        assert claim_waiting(session_factory, settings, project) is not None
        run(
            session_factory,
            "UPDATE jobs SET started_at = now() - interval '30 s', "
            """progress = '{"epoch": 3, "epochs": 12}' WHERE state = 'running'""",
        )
        run(session_factory, "UPDATE jobs SET started_at = NULL WHERE state = 'succeeded'")
        with transaction(session_factory) as session:
            live = read_overview(session, projects.get(session, project)).jobs
        (found,) = (each for each in live if each.job.kind == "select")
        assert found.job.started_at is not None
        assert found.expected_end_at is not None
        seconds = (found.expected_end_at - found.job.started_at).total_seconds()
        assert seconds == pytest.approx(120, abs=5)
        with transaction(session_factory) as session:
            assert jobs.seconds_to_selection(session, project) == pytest.approx(90, abs=5)


class TestProblems:
    def test_a_project_without_items_says_so(self, admin: Client, text_project: int) -> None:
        assert "no_items" not in codes(admin, text_project)
        empty = admin.copy_project(text_project, "empty")["id"]
        assert codes(admin, empty) == ["no_items"]

    def test_a_waiting_job_without_worker_says_how_to_start_one(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        (problem,) = (p for p in admin.overview(project)["problems"] if p["code"] == "no_worker")
        assert "svp worker" in problem["action"]
        run(
            session_factory,
            "INSERT INTO workers (id, name, queues) VALUES (gen_random_uuid(), 'w', 'cpu')",
        )
        assert "no_worker" not in codes(admin, project)

    def test_a_failed_round_is_shown_until_it_is_retried(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        from app.services import jobs  # noqa: PLC0415

        project = start()
        give(admin, project, poll(admin, project, 2))
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        with transaction(session_factory) as session:
            jobs.fail_attempt(session, claimed.id, claimed.token, "out of memory", for_good=True)
        (problem,) = (p for p in admin.overview(project)["problems"] if p["code"] == "job_failed")
        assert (problem["job_id"], "out of memory" in problem["detail"]) == (claimed.id, True)
        admin.retry_job(project, claimed.id)
        assert "job_failed" not in codes(admin, project)

    def test_flags_pauses_and_unread_items_are_shown(
        self, admin: Client, start: Start, people: list[Client], session_factory: Factory
    ) -> None:
        project = start()
        items = poll(people[0], project, 1)
        people[0].flag(project, items, "two digits")
        admin.pause_annotator(project, "ada", "accuracy")
        run(
            session_factory,
            "INSERT INTO set_aside_items (item_id, project_id, reason) "
            "SELECT max(id), project_id, 'gone' FROM items GROUP BY project_id",
        )
        found = codes(admin, project)
        assert {"flags_open", "annotators_paused", "items_set_aside", "not_measured"} <= set(found)

    def test_webhooks_that_fail_or_were_disabled_are_shown(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start()
        webhook = admin.create_webhook(project, "https://example.org/")["id"]
        run(session_factory, "UPDATE webhooks SET failing_since = now() - interval '61 min'")
        assert "webhook_failing" in codes(admin, project)
        run(
            session_factory, "UPDATE webhooks SET disabled_at = now(), disabled_reason = 'it fails'"
        )
        found = codes(admin, project)
        assert ("webhook_disabled" in found, "webhook_failing" in found) == (True, False)
        admin.change_webhook(project, webhook, is_enabled=True)
        admin.change_webhook(project, webhook, is_enabled=False)
        assert "webhook_disabled" not in codes(admin, project), "a lead knows what they disabled"

    def test_nobody_labels(self, admin: Client, start: Start, session_factory: Factory) -> None:
        project = start()
        assert "nobody_labels" not in codes(admin, project)
        run(session_factory, "UPDATE rounds SET labeling_at = now() - interval '2 h'")
        assert "nobody_labels" in codes(admin, project)


def test_the_number_of_statements_is_small(start: Start, session_factory: Factory) -> None:
    project = start(n_items=50, initial_budget=20, total_budget=40, reserve=20)
    with counted(session_factory) as sent, transaction(session_factory) as session:
        read_overview(session, projects.get(session, project))
    assert len(sent) <= 12
