"""Labels: submit, revise, undo, export."""

import pytest
from sqlalchemy import Engine

from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, Start, fail_at_commit
from tests.app.team import ADA, BOB, EVE, Team
from tests.loop import give, label, poll

pytestmark = pytest.mark.usefixtures("promises")


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


class TestRevision:
    def test_an_item_of_a_completed_round_opens_as_reserve(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item])
        team.label(BOB, [item])
        assert team.round_states() == ["completed", "selecting"]
        assert team.label(ADA, [item], "b") == ["revised"]
        found = team.rows("SELECT source, state FROM batch_items WHERE state <> 'withdrawn'")
        assert found == [("reserve", "open")]


class TestUndoneLabels:
    def test_another_annotator_keeps_the_slot_that_is_left(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.poll(EVE) == [item]
        assert team.undo(ADA, [item]) == ["withdrawn"]
        assert team.poll(ADA) == []
        assert team.label(EVE, [item], "b") == ["created"]
        assert team.rows("SELECT class_index FROM resolved_labels") == [(1,)]

    def test_a_free_slot_is_leased_again(self, team: Team) -> None:
        team.start_one_item(max_labels_per_item=3)
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "a")
        team.label(BOB, [item], "b")
        assert team.undo(ADA, [item]) == ["withdrawn"]
        assert team.poll(EVE) == []
        assert team.poll(ADA) == [item]


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


class TestSubmitLabels:
    def test_last_label_completes_the_round_and_queues_the_next(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 4)["items"]
        assert label(admin, running, items[:3]) == ["created"] * 3
        assert admin.project(running)["round"] == {"number": 0, "state": "labeling"}
        assert label(admin, running, items[3:]) == ["created"]
        assert admin.project(running)["round"] == {"number": 1, "state": "selecting"}
        assert [j["state"] for j in admin.jobs(running) if j["kind"] != "pack"] == [
            "queued",
            "succeeded",
        ]

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


class TestExport:
    def test_csv_and_json_lines_hold_the_same_labels(self, admin: Client, running: int) -> None:
        label(admin, running, admin.next_batch(running, 2)["items"])
        lines = list(admin.export_labels(running))
        csv = admin.request("GET", f"/projects/{running}/labels?format=csv").text.split("\r\n")[:-1]
        assert csv[0] == (
            "item_id,external_id,split,index,class,source,round,is_control,method,agreement,"
            "confidence,labels,flags,resolved_at,metadata,text,image_uri"
        )
        assert [row.split(",")[1] for row in csv[1:]] == [x["external_id"] for x in lines]
        assert {x["source"] for x in lines} == {"annotator"}
