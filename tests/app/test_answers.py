"""Leases, undo, skips, overlap, stale models and retries over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.services import job_results, jobs
from app.services.job_results import Selection, TrainedFacts
from app.services.lifecycle import start_project
from svp_client import Client, ClientError
from tests.loop import (
    claim_waiting,
    create_text_project,
    expire_leases,
    import_texts,
    in_order,
    publish_in_order,
    start_labeling,
)

MakeClient = Callable[..., Client]
Factory = sessionmaker[Session]
Start = Callable[..., int]
FACTS = TrainedFacts("fasttext", {}, "r", "w", 2, {}, {}, {})


@pytest.fixture
def start(session_factory: Factory, settings: Settings) -> Start:
    """start(**settings) -> a project in round 0, published in index order."""
    return lambda **given: start_labeling(session_factory, settings, "p", **given)


@pytest.fixture(autouse=True)
def promises(session_factory: Factory) -> Any:
    """After each test the database keeps every promise."""
    yield
    with transaction(session_factory) as session:
        assert list(find_violations(session)) == []


def poll(client: Client, project: int, size: int) -> list[int]:
    return [item["item_id"] for item in client.next_batch(project, size)["items"]]


def give(client: Client, project: int, items: list[int], name: str = "a") -> list[str]:
    labels = [{"item_id": item, "class": name} for item in items]
    return [r["code"] or r["status"] for r in client.submit_labels(project, labels)]


class TestLeases:
    def test_renewing_moves_the_end_and_names_the_items(self, admin: Client, start: Start) -> None:
        project = start()
        before = admin.next_batch(project, 2)["items"]
        renewed = admin.renew_leases(project)
        assert [x["item_id"] for x in renewed] == [x["item_id"] for x in before]
        assert renewed[0]["leased_until"] > (before[0]["leased_until"] or "")

    def test_a_lease_that_ended_is_not_renewed(
        self, admin: Client, start: Start, session_factory: Factory
    ) -> None:
        project = start()
        poll(admin, project, 2)
        expire_leases(session_factory, project)
        assert admin.renew_leases(project) == []

    def test_part_of_a_batch_is_given_back_and_goes_to_another(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(reserve=0, initial_budget=3)
        first, second, third = poll(admin, project, 3)
        left = admin.release_leases(project, [second])
        assert [x["item_id"] for x in left] == [first, third]
        assert poll(make_client("ada"), project, 3) == [second]

    def test_all_is_given_back(self, admin: Client, make_client: MakeClient, start: Start) -> None:
        project = start(reserve=0)
        items = poll(admin, project, 2)
        assert admin.release_leases(project) == []
        assert poll(make_client("ada"), project, 2) == items

    def test_nothing_is_renewed_while_paused(self, admin: Client, start: Start) -> None:
        project = start()
        poll(admin, project, 1)
        admin.request("POST", f"/projects/{project}/pause")
        with pytest.raises(ClientError) as refusal:
            admin.renew_leases(project)
        assert (refusal.value.status, refusal.value.code) == (409, "project_not_accepting")


class TestWaiting:
    def test_empty_answer_says_what_for(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(reserve=0)
        items = poll(make_client("ada"), project, 2)
        assert admin.next_batch(project, 1)["waiting_for"] == "others"
        give(make_client("ada"), project, items)
        assert admin.next_batch(project, 1)["waiting_for"] == "selection"


class TestUndo:
    def test_label_goes_and_the_item_comes_back_to_its_annotator(
        self, admin: Client, start: Start
    ) -> None:
        project = start()
        (item,) = poll(admin, project, 1)
        give(admin, project, [item])
        assert admin.withdraw_labels(project, [item])[0]["status"] == "withdrawn"
        assert admin.project(project)["n_labeled"] == 0
        assert poll(admin, project, 1) == [item]
        assert give(admin, project, [item], "b") == ["created"]
        assert [x["class"] for x in admin.export_labels(project)] == ["b"]

    def test_again_is_unchanged_and_others_labels_stay(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start()
        (item,) = poll(admin, project, 1)
        give(admin, project, [item])
        ada = make_client("ada")
        assert ada.withdraw_labels(project, [item])[0]["status"] == "unchanged"
        assert admin.project(project)["n_labeled"] == 1

    def test_a_completed_round_stays_complete_and_the_budget_returns(
        self, admin: Client, start: Start
    ) -> None:
        project = start()
        items = poll(admin, project, 2)
        give(admin, project, items)
        assert admin.withdraw_labels(project, items[:1])[0]["status"] == "withdrawn"
        rounds = admin.rounds(project)
        assert [r["state"] for r in rounds] == ["completed", "selecting"]
        again = admin.next_batch(project, 1)["items"][0]
        assert (again["item_id"], again["source"]) == (items[0], "reserve")

    def test_undone_while_paused_the_item_is_free(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start()
        (item,) = poll(admin, project, 1)
        give(admin, project, [item])
        admin.request("POST", f"/projects/{project}/pause")
        admin.withdraw_labels(project, [item])
        admin.request("POST", f"/projects/{project}/resume")
        assert item in poll(make_client("ada"), project, 2)

    def test_finished_project_takes_nothing_back(self, admin: Client, start: Start) -> None:
        project = start()
        items = poll(admin, project, 1)
        give(admin, project, items)
        admin.request("POST", f"/projects/{project}/finish")
        with pytest.raises(ClientError) as refusal:
            admin.withdraw_labels(project, items)
        assert refusal.value.code == "project_not_accepting"


class TestOverlap:
    def test_item_wants_labels_of_different_annotators_and_resolves_by_majority(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(labels_per_item=3, initial_budget=1, reserve=0)
        people = [admin, make_client("ada"), make_client("bob")]
        (item,) = poll(people[0], project, 2)
        for person, name in zip(people, "bab", strict=True):
            assert poll(person, project, 2) == [item]
            assert give(person, project, [item], name) == ["created"]
        assert poll(people[0], project, 2) == []
        assert [x["class"] for x in admin.export_labels(project)] == ["b"]
        assert give(make_client("eve"), project, [item]) == ["already_labeled"]

    def test_undone_opinion_reopens_the_item(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(labels_per_item=2, initial_budget=1, reserve=0)
        ada = make_client("ada")
        (item,) = poll(admin, project, 1)
        give(admin, project, [item])
        poll(ada, project, 1)
        give(ada, project, [item], "b")
        assert admin.project(project)["n_labeled"] == 1
        ada.withdraw_labels(project, [item])
        assert admin.project(project)["n_labeled"] == 0
        assert poll(ada, project, 1) == [item]


class TestSkips:
    def test_without_reserve_the_batch_shrinks_and_the_budget_returns(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start(reserve=0, total_budget=3)
        items = poll(admin, project, 2)
        assert admin.skip(project, items[:1], "unreadable")[0]["status"] == "skipped"
        give(admin, project, items[1:])
        publish_in_order(session_factory, settings, project, 10)
        assert len(poll(admin, project, 9)) == 2
        assert admin.skip(project, items[:1], "unreadable")[0]["status"] == "unchanged"

    def test_a_skipped_item_is_never_selected_again(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start(reserve=0)
        skipped, other = poll(admin, project, 2)
        admin.skip(project, [skipped], "unreadable")
        give(admin, project, [other])
        publish_in_order(session_factory, settings, project, 10)
        assert skipped not in poll(admin, project, 9)
        assert give(admin, project, [skipped]) == ["already_skipped"]

    def test_item_leased_to_another_is_not_skipped(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start()
        items = poll(admin, project, 1)
        assert make_client("ada").skip(project, items, "other")[0]["code"] == "leased_to_another"


class TestBudget:
    def test_late_label_on_reserve_stops_at_the_total_budget(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(total_budget=3, reserve=3)
        assert len(poll(admin, project, 9)) == 3
        listed = admin.request("GET", f"/projects/{project}/items").json()["items"]
        unleased_reserve = [item["item_id"] for item in listed][3:5]
        assert give(make_client("ada"), project, unleased_reserve) == ["budget_spent"] * 2
        admin.release_leases(project)
        assert give(make_client("ada"), project, unleased_reserve) == ["created", "budget_spent"]

    def test_last_round_is_cut_to_what_is_left(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start(total_budget=3, reserve=0)
        give(admin, project, poll(admin, project, 2))
        assert [r["budget"] for r in admin.rounds(project)] == [2, 1]
        publish_in_order(session_factory, settings, project, 10)
        give(admin, project, poll(admin, project, 9))
        assert admin.project(project)["state"] == "training_target"

    def test_target_waits_while_the_rest_is_under_lease(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(total_budget=3, reserve=1)
        ada = make_client("ada")
        held = poll(ada, project, 3)
        give(ada, project, held[:2])
        assert admin.project(project)["state"] == "running"
        assert admin.project(project)["round"] == {"number": 0, "state": "completed"}
        give(ada, project, held[2:])
        assert admin.project(project)["state"] == "training_target"

    def test_leases_that_end_return_their_budget_to_a_new_round(
        self,
        admin: Client,
        make_client: MakeClient,
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project = start(total_budget=3, reserve=1)
        ada = make_client("ada")
        held = poll(ada, project, 3)
        give(ada, project, held[:2])
        expire_leases(session_factory, project)
        assert jobs.sweep(session_factory, settings).freed_leases == 1
        assert [(r["state"], r["budget"]) for r in admin.rounds(project)] == [
            ("completed", 2),
            ("selecting", 1),
        ]


class TestRounds:
    def test_reserve_is_handed_out_while_the_next_proxy_trains(
        self, admin: Client, start: Start
    ) -> None:
        project = start(reserve=3)
        give(admin, project, poll(admin, project, 2))
        assert admin.project(project)["round"] == {"number": 1, "state": "selecting"}
        items = admin.next_batch(project, 9)["items"]
        assert [(i["source"], i["labels_behind"]) for i in items] == [("reserve", 2)] * 3

    def test_fewer_than_two_classes_select_uniformly_and_an_event_says_why(
        self, admin: Client, start: Start
    ) -> None:
        project = start(strategy="entropy")
        give(admin, project, poll(admin, project, 2), "a")
        assert [r["strategy"] for r in admin.rounds(project)] == ["uniform", "uniform"]
        events = admin.request("GET", f"/projects/{project}/events").json()["events"]
        facts = [e["facts"] for e in events if e["name"] == "round.strategy_replaced"][-1]
        assert facts["n_classes_labeled"] == 1

    def test_imported_labels_let_round_0_train_its_proxy(
        self, admin: Client, session_factory: Factory, settings: Settings
    ) -> None:
        with transaction(session_factory) as session:
            project = create_text_project(session, "known", strategy="entropy").id
            import_texts(session, settings, project, ["x"], class_name="a")
            import_texts(session, settings, project, ["y"], class_name="b")
            import_texts(session, settings, project, [f"t{i}" for i in range(8)])
            start_project(session, project)
        assert admin.rounds(project)[0]["strategy"] == "entropy"
        assert admin.jobs(project)[0]["kind"] == "train_and_select"
        assert admin.project(project)["n_labeled"] == 0

    def test_new_items_wake_a_project_whose_pool_was_used_up(
        self, admin: Client, start: Start
    ) -> None:
        project = start(n_items=2, total_budget=2)
        admin.skip(project, poll(admin, project, 2), "unreadable")
        assert admin.project(project)["round"] == {"number": 0, "state": "completed"}
        admin.import_items(project, [{"external_id": "new", "text": "new"}])
        assert admin.project(project)["round"] == {"number": 1, "state": "selecting"}


class TestAnnotators:
    def test_work_is_counted_by_annotator_and_reserve_apart(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(reserve=3)
        ada = make_client("ada")
        give(ada, project, poll(ada, project, 4))
        (undone,) = poll(admin, project, 1)
        give(admin, project, [undone])
        admin.withdraw_labels(project, [undone])
        (work,) = admin.request("GET", f"/projects/{project}/annotators").json()
        assert (work["name"], work["n_labels"], work["n_on_reserve"]) == ("ada", 4, 2)


class TestStaleModels:
    def train(self, factory: Factory, settings: Settings, project: int, between: Any) -> None:
        """Do the waiting job by hand, with `between` while it trains."""
        claimed = claim_waiting(factory, settings, project)
        assert claimed is not None
        with transaction(factory) as session:
            session.execute(
                text(
                    "UPDATE jobs SET snapshot_hash = '0', snapshot_version = "
                    "(SELECT label_version FROM projects WHERE id = project_id) WHERE id = :id"
                ).bindparams(id=claimed.id)
            )
            job_results.begin_selecting(session, claimed)
        between()
        selection = Selection(in_order(10).ranked, 2, {}, "0", FACTS)
        with transaction(factory) as session:
            job_results.publish_selection(session, claimed, selection, settings)

    @pytest.fixture
    def trained(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> tuple[int, list[int]]:
        """A project whose first model was trained on two labels."""
        project = start(strategy="entropy")
        items = poll(admin, project, 2)
        give(admin, project, items[:1], "a")
        give(admin, project, items[1:], "b")
        self.train(session_factory, settings, project, lambda: None)
        return project, items

    def stale(self, client: Client, project: int) -> list[bool]:
        return [model["stale"] for model in client.models(project)]

    def test_a_revision_marks_the_models_that_learned_the_old_answer(
        self, admin: Client, trained: tuple[int, list[int]]
    ) -> None:
        project, items = trained
        assert self.stale(admin, project) == [False]
        assert give(admin, project, items[:1], "b") == ["revised"]
        assert self.stale(admin, project) == [True]

    def test_undo_marks_them_too(self, admin: Client, trained: tuple[int, list[int]]) -> None:
        project, items = trained
        admin.withdraw_labels(project, items[:1])
        assert self.stale(admin, project) == [True]

    def test_a_revision_while_the_model_trains_marks_it_when_it_is_published(
        self,
        admin: Client,
        trained: tuple[int, list[int]],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project, _ = trained
        more = poll(admin, project, 2)
        give(admin, project, more, "b")
        revise = lambda: give(admin, project, more[:1], "a")  # noqa: E731
        self.train(session_factory, settings, project, revise)
        assert self.stale(admin, project) == [False, True]

    def test_a_new_label_marks_nothing(self, admin: Client, trained: tuple[int, list[int]]) -> None:
        project, _ = trained
        give(admin, project, poll(admin, project, 1), "b")
        assert self.stale(admin, project) == [False]


class TestRetry:
    def fail(self, factory: Factory, settings: Settings, project: int) -> None:
        for _ in range(settings.job_max_attempts):
            claimed = claim_waiting(factory, settings, project)
            assert claimed is not None
            with transaction(factory) as session:
                jobs.fail_attempt(session, claimed.id, claimed.token, "out of memory")

    def test_failed_round_goes_on_where_it_failed(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        self.fail(session_factory, settings, project)
        assert admin.rounds(project)[1]["state"] == "failed"
        assert admin.jobs(project)[0]["error"] == "out of memory"
        job = admin.request("POST", f"/projects/{project}/rounds/1/retry").json()
        assert (job["state"], job["attempts"]) == ("queued", 0)
        assert admin.rounds(project)[1]["state"] == "selecting"
        publish_in_order(session_factory, settings, project, 10)
        assert admin.rounds(project)[1]["state"] == "labeling"

    def test_failed_target_is_retried_by_its_job(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        admin.request("POST", f"/projects/{project}/finish")
        self.fail(session_factory, settings, project)
        failed = admin.jobs(project)[0]
        job = admin.request("POST", f"/projects/{project}/jobs/{failed['id']}/retry").json()
        assert (job["kind"], job["state"]) == ("train_target", "queued")

    def test_what_has_not_failed_is_not_retried(self, admin: Client, start: Start) -> None:
        project = start()
        for path in ("rounds/0/retry", f"jobs/{admin.jobs(project)[0]['id']}/retry"):
            with pytest.raises(ClientError) as refusal:
                admin.request("POST", f"/projects/{project}/{path}")
            assert (refusal.value.status, refusal.value.code) == (409, "transition_not_allowed")

    def test_annotators_may_not_retry(self, make_client: MakeClient, start: Start) -> None:
        project = start()
        with pytest.raises(ClientError) as refusal:
            make_client("ada").request("POST", f"/projects/{project}/rounds/0/retry")
        assert refusal.value.status == 403
