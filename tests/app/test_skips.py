"""Skips: the batch shrinks or the next reserve item takes the place."""

import pytest

from app.config import Settings
from svp_client import Client
from tests.app.conftest import MakeClient, Start
from tests.loop import Factory, give, poll, publish_in_order

pytestmark = pytest.mark.usefixtures("promises")


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


class TestReplacement:
    def test_next_reserve_item_takes_the_place(self, admin: Client, running: int) -> None:
        (item,) = admin.next_batch(running, 1)["items"]
        body = {"item_ids": [item["item_id"]], "reason": "unreadable"}
        answer = admin.request("POST", f"/projects/{running}/skips", json=body).json()
        assert [r["status"] for r in answer["results"]] == ["skipped"]
        sources = [i["source"] for i in admin.next_batch(running, 8)["items"]]
        assert sources == ["batch"] * 4 + ["reserve"] * 3
