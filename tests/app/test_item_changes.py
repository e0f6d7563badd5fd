"""Items are corrected, erased and found; what was learned of them is told apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.session import transaction
from app.services.deletions import remove_some
from app.storage.artifacts import ArtifactStore
from svp_client import Client, ClientError
from tests.app.conftest import png
from tests.app.items import PROJECT
from tests.loop import events, give, ids, poll

Start = Callable[..., int]
pytestmark = pytest.mark.usefixtures("promises")


@pytest.fixture
def project(start: Start) -> int:
    """A project of texts in round 0: p-0, p-1, ..., of which two make a batch."""
    return start()


def labels(admin: Client, project: int) -> dict[str, str]:
    return {row["external_id"]: row["class"] for row in admin.export_labels(project)}


class TestErase:
    def test_nothing_of_a_labeled_item_is_left_but_its_place(
        self,
        admin: Client,
        people: list[Client],
        project: int,
        session_factory: sessionmaker[Session],
    ) -> None:
        (item, *_) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")
        give(people[0], project, [item], "b")  # revised: a revision is kept
        people[0].flag(project, [item], "about a person")
        before = admin.item(project, item)
        assert admin.erase_items(project, [item, 10**9]) == {"n_erased": 1}
        after = admin.item(project, item)
        assert after["index"] == before["index"]
        assert after["erased_at"]
        assert (after["external_id"], after["content"]["text"]) == (f"erased-{item}", "")
        assert labels(admin, project) == {}
        assert admin.project(project)["n_labeled"] == 0
        assert list(admin.flags(project)) == []
        assert events(admin, project, "items.erased") == [{"n": 1, "items": [item]}]
        with transaction(session_factory) as session:
            for table in ("labels", "label_revisions", "resolved_labels"):
                assert session.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608

    def test_nobody_gets_it_and_the_next_one_takes_its_place(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        (held,) = poll(people[0], project, 1)
        admin.erase_items(project, [held])
        assert give(people[0], project, [held]) == ["not_in_batch"]
        got = poll(people[0], project, 10)
        assert held not in got
        assert len(got) == 3  # of a batch of 2 and a reserve of 2

    def test_it_never_comes_back(self, admin: Client, project: int) -> None:
        (item,) = [x["item_id"] for x in admin.items(project, search="p-0")]
        admin.erase_items(project, [item])
        assert list(admin.set_aside(project)) == []
        assert admin.retry_set_aside(project, [item]) == {"n_taken_back": 0, "n_left": 0}
        with pytest.raises(ClientError, match="no item"):
            admin.correct_item(project, item, text="again")
        assert admin.erase_items(project, [item]) == {"n_erased": 0}
        again = admin.import_items(project, [{"external_id": "p-0", "text": "text p-0"}])
        assert again["n_created"] == 1

    def test_imported_gold_and_evaluation_items_go_as_well(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(n_gold=2)
        admin.set_gold(project, {"gold-0": "a", "gold-1": "a"})
        admin.import_items(
            project, [{"external_id": "e", "text": "e", "split": "evaluation", "class": "a"}]
        )
        (evaluation,) = [x["item_id"] for x in admin.items(project, "evaluation")]
        gold = [x["item_id"] for x in admin.items(project, search="gold-")]
        poll(people[0], project, 4)
        assert admin.erase_items(project, [evaluation, *gold]) == {"n_erased": 3}
        assert list(admin.gold(project)) == []
        assert admin.project(project)["n_imported"] == 0

    def test_labels_of_a_cancelled_project_go_with_their_places(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(labels_per_item=2)
        (item, *_) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")  # the second one never comes
        admin.cancel(project)
        assert admin.erase_items(project, [item]) == {"n_erased": 1}
        assert labels(admin, project) == {}

    def test_a_finished_and_an_archived_project_erase_too(
        self, admin: Client, project: int
    ) -> None:
        admin.cancel(project)
        admin.archive(project)
        (item,) = [x["item_id"] for x in admin.items(project, search="p-3")]
        assert admin.erase_items(project, [item]) == {"n_erased": 1}

    def test_its_stored_image_goes_unless_another_item_is_the_same(
        self,
        admin: Client,
        settings: Settings,
        session_factory: sessionmaker[Session],
    ) -> None:
        store = ArtifactStore(settings.artifact_store_url)
        project = int(admin.create_project(name="images", **PROJECT)["id"])
        admin.upload_images(project, [("a", png(4, 4)), ("b", png(4, 4)), ("c", png(5, 5))])
        at_once = settings.model_copy(update={"discard_after_seconds": 0.0})
        a, b, c = ids(session_factory, project, 0, 1, 2)
        for erased, n_files in (([a, c], 1), ([b], 0)):
            admin.erase_items(project, erased)
            while remove_some(session_factory, store, at_once):
                pass
            folder = Path(settings.data_folder / "artifacts")
            assert sum(path.is_file() for path in folder.rglob("*")) == n_files
        with pytest.raises(ClientError):
            admin.image(project, a)


class TestCorrect:
    def test_a_labeled_item_is_asked_again(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        (item,) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")
        corrected = admin.correct_item(project, item, text="what was meant")
        assert corrected["content"]["text"] == "what was meant"
        assert labels(admin, project) == {}
        got = {
            i["item_id"]: i["content"]["text"] for i in people[1].next_batch(project, 9)["items"]
        }
        assert got[item] == "what was meant"
        assert give(people[1], project, [item], "b") == ["created"]
        assert events(admin, project, "item.corrected") == [{"item": item}]

    def test_the_same_content_changes_nothing(
        self, admin: Client, people: list[Client], project: int
    ) -> None:
        (item,) = poll(people[0], project, 1)
        give(people[0], project, [item], "a")
        admin.correct_item(project, item, text=admin.item(project, item)["content"]["text"])
        assert len(labels(admin, project)) == 1
        assert events(admin, project, "item.corrected") == []

    def test_an_imported_label_and_gold_are_forgotten(self, admin: Client, start: Start) -> None:
        project = start(n_gold=1)
        admin.set_gold(project, {"gold-0": "a"})
        (item,) = admin.items(project, search="gold-0")
        assert item["class"] == "a"
        assert admin.correct_item(project, item["item_id"], text="other")["class"] is None
        assert list(admin.gold(project)) == []
        assert admin.project(project)["n_imported"] == 0

    def test_an_evaluation_item_keeps_its_class(self, admin: Client, project: int) -> None:
        line = {"external_id": "e", "text": "e", "split": "evaluation", "class": "b"}
        admin.import_items(project, [line])
        (item,) = admin.items(project, "evaluation")
        assert admin.correct_item(project, item["item_id"], text="better")["class"] == "b"

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"text": " "}, "text_empty"),
            ({"image_uri": "a.png"}, "modality_mismatch"),
            ({}, "request_invalid"),
            ({"text": "a", "image_uri": "b"}, "request_invalid"),
        ],
    )
    def test_bad_content_is_refused(
        self, admin: Client, project: int, given: dict[str, str], code: str
    ) -> None:
        (item,) = admin.items(project, search="p-5")
        with pytest.raises(ClientError) as refusal:
            admin.correct_item(project, item["item_id"], **given)
        assert (refusal.value.status, refusal.value.code) == (422, code)

    def test_an_image_is_replaced(self, admin: Client) -> None:
        project = int(admin.create_project(name="images", **PROJECT)["id"])
        admin.upload_images(project, [("a", png(4, 4))])
        (item,) = admin.items(project)
        admin.correct_image(project, item["item_id"], png(6, 6))
        assert admin.image(project, item["item_id"]) == png(6, 6)
        with pytest.raises(ClientError, match="no image") as refusal:
            admin.correct_image(project, item["item_id"], b"none")
        assert refusal.value.code == "image_not_decodable"

    def test_after_labeling_has_ended_it_is_refused(self, admin: Client, project: int) -> None:
        (item,) = admin.items(project, search="p-5")
        admin.cancel(project)
        with pytest.raises(ClientError) as refusal:
            admin.correct_item(project, item["item_id"], text="late")
        assert refusal.value.code == "project_not_accepting"


class TestSearch:
    @pytest.fixture
    def reviews(self, admin: Client) -> int:
        project = int(admin.create_project(name="reviews", **{**PROJECT, "modality": "text"})["id"])
        texts = ["A Good film", "bad", "100% good", "100 good_ones"]
        lines = [{"external_id": f"R-{i}", "text": text} for i, text in enumerate(texts)]
        admin.import_items(project, lines)
        return project

    @pytest.mark.parametrize(
        ("words", "found"),
        [("good", [0, 2, 3]), ("r-1", [1]), ("0%", [2]), ("good_", [3]), ("none", [])],
    )
    def test_by_a_part_of_the_text_or_the_external_id(
        self, admin: Client, reviews: int, words: str, found: list[int]
    ) -> None:
        assert [x["index"] for x in admin.items(reviews, search=words)] == found
