"""The labeling loop over HTTP: lease, label, reserve, late and refused labels, rounds, states."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.services import job_results, jobs
from app.services.job_results import Selection
from svp_client import Client, ClientError
from svp_client.types import BatchItem
from tests.app.conftest import fail_at_commit

MakeClient = Callable[..., Client]


def select_next(factory: sessionmaker[Session], settings: Settings) -> None:
    """Do the waiting selection in the worker's place: rank the pool in index order."""
    with transaction(factory) as session:
        job_id = jobs.claimable(session, ["cpu", "gpu"], settings)[0]
        claimed = jobs.claim(session, job_id, settings)
    assert claimed is not None
    with transaction(factory) as session:
        job_results.publish_selection(
            session,
            claimed,
            Selection([RankedItem(i, -float(i)) for i in range(40)], 0, {"selection": 0.1}, "0"),
            settings,
        )


@pytest.fixture
def running(
    admin: Client, text_project: int, session_factory: sessionmaker[Session], settings: Settings
) -> int:
    """A running project whose round 0 is being labeled."""
    admin.start(text_project)
    select_next(session_factory, settings)
    return text_project


def label(client: Client, project: int, items: Sequence[BatchItem], name: str = "pos") -> list[str]:
    labels = [{"item_id": item["item_id"], "class": name} for item in items]
    return [r["code"] or r["status"] for r in client.submit_labels(project, labels)]


def test_labels_whose_commit_fails_are_not_acknowledged(
    admin: Client, running: int, engine: Engine
) -> None:
    items = admin.next_batch(running, 2)["items"]
    fail_at_commit(engine, "labels")
    with pytest.raises(ClientError) as refusal:
        label(admin, running, items)
    assert (refusal.value.status, refusal.value.code) == (500, "internal_error")
    assert [i["item_id"] for i in admin.next_batch(running, 2)["items"]] == [
        i["item_id"] for i in items
    ]


class TestNextBatch:
    @pytest.mark.timeout(60)
    def test_more_polls_at_once_than_threads_are_all_answered(
        self, make_client: MakeClient, running: int
    ) -> None:
        """All wait for one lock in threads, and who holds it may need a thread to go on."""
        clients = [make_client(f"annotator {i}") for i in range(60)]
        barrier = threading.Barrier(len(clients))

        def poll(client: Client) -> list[int]:
            barrier.wait(30)
            return [item["item_id"] for item in client.next_batch(running, 1)["items"]]

        with ThreadPoolExecutor(len(clients)) as pool:
            got = [item for items in pool.map(poll, clients) for item in items]
        assert len(got) == len(set(got)) == 8  # the batch and its reserve, each item once

    def test_polling_again_returns_the_same_leases(self, admin: Client, running: int) -> None:
        first = admin.next_batch(running, 3)["items"]
        again = admin.next_batch(running, 3)["items"]
        assert [i["item_id"] for i in first] == [i["item_id"] for i in again]

    def test_no_item_goes_to_two_annotators(
        self, admin: Client, make_client: MakeClient, running: int
    ) -> None:
        mine = admin.next_batch(running, 3)["items"]
        other = make_client("ada").next_batch(running, 6)["items"]
        assert not {i["item_id"] for i in mine} & {i["item_id"] for i in other}

    def test_reserve_follows_when_the_batch_is_out(self, admin: Client, running: int) -> None:
        sources = [i["source"] for i in admin.next_batch(running, 8)["items"]]
        assert sources == ["batch"] * 4 + ["reserve"] * 4

    def test_expired_lease_goes_to_another(
        self,
        admin: Client,
        make_client: MakeClient,
        running: int,
        session_factory: sessionmaker[Session],
    ) -> None:
        mine = admin.next_batch(running, 4)["items"]
        with transaction(session_factory) as session:
            session.execute(
                text(
                    "UPDATE batch_item_slots SET leased_until = now() "
                    "- interval '1 s' WHERE leased_until IS NOT NULL"
                )
            )
        other = make_client("ada").next_batch(running, 4)["items"]
        assert [i["item_id"] for i in mine] == [i["item_id"] for i in other]

    def test_nothing_to_hand_out_says_when_to_ask_again(
        self, admin: Client, text_project: int
    ) -> None:
        answer = admin.request("GET", f"/projects/{text_project}/next-batch")
        assert answer.json() == {"state": "draft", "round": None, "items": [], "waiting_for": None}
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Cache-Control"] == "no-store"

    def test_reserve_stops_at_the_total_budget(
        self,
        admin: Client,
        running: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        label(admin, running, admin.next_batch(running, 8)["items"])
        select_next(session_factory, settings)
        items = admin.next_batch(running, 100)["items"]
        assert len(items) == 12 - 8


class TestSubmitLabels:
    def test_last_label_completes_the_round_and_queues_the_next(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 4)["items"]
        assert label(admin, running, items[:3]) == ["created"] * 3
        assert admin.project(running)["round"] == {"number": 0, "state": "labeling"}
        assert label(admin, running, items[3:]) == ["created"]
        assert admin.project(running)["round"] == {"number": 1, "state": "selecting"}
        assert [j["state"] for j in admin.jobs(running)] == ["queued", "succeeded"]

    def test_same_label_again_is_unchanged_and_another_class_revises(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 1)["items"]
        assert label(admin, running, items) == ["created"]
        assert label(admin, running, items) == ["unchanged"]
        assert label(admin, running, items, "neg") == ["revised"]
        assert [x["class"] for x in admin.export_labels(running)] == ["neg"]

    def test_refused_labels_have_codes_and_the_valid_ones_are_kept(
        self, admin: Client, make_client: MakeClient, running: int
    ) -> None:
        ada = make_client("ada")
        (hers,) = ada.next_batch(running, 1)["items"]
        (mine,) = admin.next_batch(running, 1)["items"]
        never_out = admin.request("GET", f"/projects/{running}/items?cursor=30").json()["items"][0]
        results = admin.submit_labels(
            running,
            [
                {"item_id": mine["item_id"], "class": "pos"},
                {"item_id": mine["item_id"], "class": "no such class"},
                {"item_id": 10**9, "class": "pos"},
                {"item_id": hers["item_id"], "class": "pos"},
                {"item_id": never_out["item_id"], "class": "pos"},
            ],
        )
        assert [r["code"] or r["status"] for r in results] == [
            "created",
            "unknown_class",
            "unknown_item",
            "leased_to_another",
            "not_in_batch",
        ]
        assert all(r["detail"] for r in results[1:])
        assert (
            ada.submit_labels(running, [{"item_id": mine["item_id"], "class": "pos"}])[0]["code"]
            == "already_labeled"
        )
        assert admin.project(running)["n_labeled"] == 1

    def test_unleased_open_item_is_taken_as_if_leased(self, admin: Client, running: int) -> None:
        first = admin.request("GET", f"/projects/{running}/items?limit=1").json()["items"]
        assert label(admin, running, first) == ["created"]

    def test_one_to_a_thousand_labels_a_request(self, admin: Client, running: int) -> None:
        for labels in ([], [{"item_id": 1, "class": "pos"}] * 1001):
            with pytest.raises(ClientError) as refusal:
                admin.submit_labels(running, labels)
            assert (refusal.value.status, refusal.value.code) == (422, "request_invalid")

    def test_only_act_as_tokens_may_name_another_annotator(
        self, make_client: MakeClient, running: int
    ) -> None:
        with pytest.raises(ClientError) as refusal:
            make_client("ada").next_batch(running, 1, annotator="bob")
        assert refusal.value.code == "not_allowed"
        tool = make_client("tool", act_as=True)
        ada, bob = (tool.next_batch(running, 1, annotator=n)["items"] for n in ("ada", "bob"))
        assert ada != bob


class TestSkips:
    def test_next_reserve_item_takes_the_place(self, admin: Client, running: int) -> None:
        (item,) = admin.next_batch(running, 1)["items"]
        body = {"item_ids": [item["item_id"]], "reason": "unreadable"}
        answer = admin.request("POST", f"/projects/{running}/skips", json=body).json()
        assert [r["status"] for r in answer["results"]] == ["skipped"]
        sources = [i["source"] for i in admin.next_batch(running, 8)["items"]]
        assert sources == ["batch"] * 4 + ["reserve"] * 3


class TestStates:
    def test_paused_project_leases_nothing_but_takes_late_labels(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 1)["items"]
        admin.request("POST", f"/projects/{running}/pause")
        assert admin.next_batch(running, 1)["items"] == []
        assert label(admin, running, items) == ["created"]
        assert admin.request("POST", f"/projects/{running}/resume").json()["state"] == "running"

    def test_finish_queues_the_target_and_refuses_more_labels(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 2)["items"]
        label(admin, running, items[:1])
        project = admin.request("POST", f"/projects/{running}/finish").json()
        assert project["state"] == "training_target"
        assert admin.jobs(running)[0]["kind"] == "train_target"
        with pytest.raises(ClientError) as refusal:
            label(admin, running, items[1:])
        assert refusal.value.code == "project_not_accepting"

    def test_finish_without_a_label_is_refused(self, admin: Client, running: int) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.request("POST", f"/projects/{running}/finish")
        assert refusal.value.code == "project_not_accepting"

    def test_cancel_takes_the_job_away(self, admin: Client, text_project: int) -> None:
        admin.start(text_project)
        admin.request("POST", f"/projects/{text_project}/cancel")
        assert admin.jobs(text_project)[0]["state"] == "cancelled"
        with pytest.raises(ClientError) as refusal:
            admin.start(text_project)
        assert refusal.value.code == "transition_not_allowed"

    def test_spent_budget_leads_to_the_target(
        self,
        admin: Client,
        running: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        label(admin, running, admin.next_batch(running, 8)["items"])
        select_next(session_factory, settings)
        label(admin, running, admin.next_batch(running, 8)["items"])
        assert admin.project(running)["state"] == "training_target"
        assert admin.project(running)["n_labeled"] == 12


class TestExport:
    def test_csv_and_json_lines_hold_the_same_labels(self, admin: Client, running: int) -> None:
        label(admin, running, admin.next_batch(running, 2)["items"])
        lines = list(admin.export_labels(running))
        csv = admin.request("GET", f"/projects/{running}/labels?format=csv").text.split("\r\n")[:-1]
        assert csv[0] == (
            "item_id,external_id,index,class,source,round,is_control,method,agreement,confidence,"
            "labels,flags,resolved_at"
        )
        assert [row.split(",")[1] for row in csv[1:]] == [x["external_id"] for x in lines]
        assert {x["source"] for x in lines} == {"annotator"}
