"""Items by what is known of them, and one item's whole history."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.storage.artifacts import ArtifactStore
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.app.test_costs import execute, insert_model
from tests.loop import Factory, give, poll

pytestmark = pytest.mark.usefixtures("promises")
Listed = Callable[..., list[str]]


@pytest.fixture
def listed(admin: Client) -> Listed:
    def names(project: int, **wanted: Any) -> list[str]:
        found: list[str] = []
        cursor = -1
        while cursor is not None:
            page = admin.request(
                "GET", f"/projects/{project}/items", params={**wanted, "cursor": cursor, "limit": 2}
            ).json()
            found += [item["external_id"] for item in page["items"]]
            cursor = page["next_cursor"]
        return found

    return names


class TestFilters:
    def test_by_label_state_round_and_annotator(
        self, start: Start, people: list[Client], listed: Listed
    ) -> None:
        project = start(n_items=6, initial_budget=3, reserve=0)
        ada, bob = people[:2]
        give(ada, project, poll(ada, project, 1), "a")
        give(bob, project, poll(bob, project, 1), "b")
        labeled = {
            "a": listed(project, **{"class": "a"}), "b": listed(project, **{"class": "b"})
        }  # fmt: skip
        assert [len(names) for names in labeled.values()] == [1, 1]
        assert listed(project, state="labeled") == sorted(labeled["a"] + labeled["b"])
        assert len(listed(project, state="open")) == 1
        assert listed(project, state="unlabeled") == ["p-3", "p-4", "p-5"]
        assert listed(project, round=0) == ["p-0", "p-1", "p-2"]
        assert listed(project, annotator="ada") == labeled["a"]
        assert listed(project, annotator="ada", **{"class": "b"}) == []
        assert listed(project, annotator="nobody") == []

    def test_by_score(self, start: Start, listed: Listed) -> None:
        project = start(n_items=6, initial_budget=4, reserve=0)
        assert listed(project, min_score=-2, max_score=-1) == ["p-1", "p-2"]

    def test_by_disagreement_flag_and_gold(
        self, admin: Client, start: Start, people: list[Client], listed: Listed
    ) -> None:
        project = start(n_items=6, initial_budget=2, reserve=0, labels_per_item=2)
        ada, bob = people[:2]
        items = poll(ada, project, 2)
        give(ada, project, items, "a")
        assert sorted(poll(bob, project, 2)) == sorted(items)
        give(bob, project, items[:1], "b")
        give(bob, project, items[1:], "a")
        disputed = [i["external_id"] for i in admin.items(project) if i["item_id"] == items[0]]
        assert listed(project, disputed=True) == disputed
        assert len(listed(project, disputed=False)) == 5
        ada.flag(project, items[:1], "odd")
        assert listed(project, flagged=True) == disputed
        agreed = next(i["external_id"] for i in admin.items(project) if i["item_id"] == items[1])
        admin.set_gold(project, {agreed: "a"})
        assert listed(project, gold=True) == [agreed]
        assert len(listed(project, gold=False)) == 5

    def test_what_a_model_confuses(
        self,
        admin: Client,
        text_project: int,
        listed: Listed,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        items = [
            {"external_id": f"e-{i}", "text": f"e {i}", "split": "evaluation", "class": name}
            for i, name in enumerate(["neg", "neg", "pos", "pos"])
        ]
        admin.import_items(text_project, items)
        file = io.BytesIO()
        np.savez(
            file,
            evaluation_index=np.arange(4),
            evaluation_labels=np.array([0, 0, 1, 1]),
            evaluation_classes=np.array([0, 1, 1, 0]),
        )
        digest = ArtifactStore(settings.artifact_store_url).put(file.getvalue())
        insert_model(session_factory, text_project, "proxy", n_labeled=2)
        execute(session_factory, "UPDATE models SET predictions_hash = :h", h=digest)
        with transaction(session_factory) as session:
            model = session.scalar(text("SELECT max(id) FROM models"))
        assert listed(text_project, confused_by=model, predicted="pos", **{"class": "neg"}) == [
            "e-1"
        ]
        assert listed(text_project, confused_by=model, predicted="pos") == ["e-1", "e-2"]

    @pytest.mark.parametrize(
        ("wanted", "says"),
        [
            ({"class": "zebra"}, "there is no class 'zebra'"),
            ({"predicted": "a"}, "say which model predicted it"),
            ({"confused_by": 99}, "There is no model 99"),
            ({"min_score": "nan"}, "min_score"),
            ({"state": "lost"}, "state"),
            ({"round": -1}, "round"),
            ({"inside": "0,0 1,1"}, "give 3 to 200 corners"),
            ({"inside": "0,0 1,x 2,2"}, "give 3 to 200 corners"),
            ({"inside": "0,0 1,1 0,1"}, "has no map yet"),
        ],
    )
    def test_bad_filters_say_what_is_wrong(
        self, start: Start, listed: Listed, wanted: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(ClientError, match=says):
            listed(start(), **wanted)


class TestHistory:
    def test_all_that_happened_to_an_item(
        self, admin: Client, start: Start, people: list[Client]
    ) -> None:
        project = start(initial_budget=1, reserve=0, labels_per_item=2)
        ada, bob = people[:2]
        (item,) = poll(ada, project, 1)
        give(ada, project, [item], "a")
        give(ada, project, [item], "b")
        ada.flag(project, [item], "unsure")
        poll(bob, project, 1)
        found = admin.item_history(project, item)
        assert found["item"]["state"] == "open"
        (selection,) = found["selections"]
        assert (selection["round"], selection["rank"], selection["state"]) == (0, 0, "open")
        assert selection["why"] == "Round 0 put it into its batch by uniform, without a model."
        assert [slot["leased_by"] for slot in selection["slots"]] == ["bob"]
        (label,) = found["labels"]
        assert (label["class"], label["earlier_classes"]) == ("b", ["a"])
        assert [flag["comment"] for flag in found["flags"]] == ["unsure"]
        give(bob, project, [item], "b")
        found = admin.item_history(project, item)
        assert (found["item"]["state"], found["item"]["label"]) == ("labeled", "b")
        assert found["selections"][0]["slots"] == []

    def test_a_skip_and_a_requeue_are_told(self, admin: Client, start: Start) -> None:
        project = start(initial_budget=2, reserve=0)
        skipped, labeled = poll(admin, project, 2)
        admin.skip(project, [skipped], "ambiguous", comment="two things")
        give(admin, project, [labeled], "a")
        admin.requeue(project, [labeled])
        (selection,) = admin.item_history(project, skipped)["selections"]
        assert (selection["skip_reason"], selection["skipped_by"]) == ("ambiguous", "root")
        again = admin.item_history(project, labeled)
        assert again["selections"][-1]["is_requeued"]
        assert again["labels"][0]["withdrawn_at"] is not None

    def test_gold_answers_are_told(self, admin: Client, start: Start, people: list[Client]) -> None:
        project = start(n_gold=1)
        admin.set_gold(project, {"gold-0": "a"})
        admin.change_annotation(project, gold_fraction=0.5)
        (item,) = (i for i in admin.items(project) if i["external_id"] == "gold-0")
        for _ in range(4):
            held = poll(people[0], project, 4)
            if item["item_id"] in held:
                break
            give(people[0], project, held[:1], "a")
        give(people[0], project, [item["item_id"]], "b")
        (answer,) = admin.item_history(project, item["item_id"])["gold_answers"]
        assert (answer["annotator"], answer["class"], answer["is_right"]) == ("ada", "b", False)

    def test_an_unknown_item(self, admin: Client, start: Start) -> None:
        with pytest.raises(ClientError, match="There is no item 99"):
            admin.item_history(start(), 99)
