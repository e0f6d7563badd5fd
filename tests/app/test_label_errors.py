"""Suspected labels over HTTP, and second opinions on labels."""

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.label_errors import Suspected
from app.db.session import transaction
from app.services import analyses
from app.services.analyses import AnalysisFacts
from app.services.label_errors import store_suspected
from models.seconds import PartSeconds
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.app.test_core_sets import refusal
from tests.loop import Factory, claim_waiting, events, give, poll

pytestmark = pytest.mark.usefixtures("promises")


@pytest.fixture
def project(admin: Client, start: Start) -> int:
    """A project with 20 labels of ten items in each of two classes, in one round."""
    project = start(n_items=30, initial_budget=20, round_budget=5, total_budget=30, reserve=0)
    items = poll(admin, project, 20)
    give(admin, project, items[:10], "a")
    give(admin, project, items[10:], "b")
    return project


def suspected(index: int, suspicion: float) -> Suspected:
    return Suspected(index, 0, 1, 0.9, 0.05, suspicion, ["other_class", "never_learned"])


class TestSearch:
    def test_lists_suspected_labels_with_reasons_most_suspected_first(
        self, admin: Client, project: int, session_factory: Factory, settings: Settings
    ) -> None:
        pytest.importorskip("cleanlab", reason="the extra crowd is not installed")
        claim_waiting(session_factory, settings, project)  # the next round's
        asked = admin.find_label_errors(project, judge="target")
        assert asked["options"]["judge"] == "target"
        early = refusal(lambda: list(admin.suspected_labels(project, asked["id"])))
        assert early == (409, "analysis_not_ready")
        claimed = claim_waiting(session_factory, settings, project)
        assert claimed is not None
        result = {
            "n_checked": 20, "n_expected": 2, "n_listed": 2, "by_reason": {"other_class": 2}
        }  # fmt: skip
        with transaction(session_factory) as session:
            store_suspected(session, claimed, [suspected(9, 0.5)])  # an attempt before
        with transaction(session_factory) as session:
            store_suspected(session, claimed, [suspected(3, 0.9), suspected(1, 0.8)])
        with transaction(session_factory) as session:
            facts = AnalysisFacts(20, result, PartSeconds(), {})
            analyses.publish_analysis(session, claimed, facts)
        (found,) = admin.label_errors(project)
        assert found["result"] == result
        first, second = admin.suspected_labels(project, asked["id"])
        assert (first["index"], second["index"], first["rank"]) == (3, 1, 0)
        assert (first["class"], first["suggested"], first["class_now"]) == ("a", "b", "a")
        assert first["reasons"] == ["other_class", "never_learned"]
        path = f"/projects/{project}/label-errors/{asked['id']}/items?limit=1"
        page = admin.request("GET", path).json()
        assert page["next_cursor"] == 0
        rest = admin.request("GET", f"{path}&cursor=0").json()
        assert [item["index"] for item in rest["items"]] == [1]
        unknown = refusal(lambda: list(admin.suspected_labels(project, 999_999)))
        assert unknown == (404, "not_found")

    def test_too_few_labels_are_refused(self, admin: Client, start: Start) -> None:
        with pytest.raises(ClientError, match="0 items are labeled; it takes 20") as refused:
            admin.find_label_errors(start())
        assert (refused.value.status, refused.value.code) == (422, "analysis_invalid")

    def test_without_the_library_the_refusal_says_what_to_install(
        self, admin: Client, project: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.label_errors.find_spec", lambda _: None)
        with pytest.raises(ClientError, match=r"svp-labeling\[crowd\]"):
            admin.find_label_errors(project)


class TestSecondOpinions:
    def ask(self, admin: Client, project: int, items: list[int]) -> list[str]:
        outcomes = admin.ask_second_opinions(project, items)
        return [outcome["code"] or outcome["status"] for outcome in outcomes]

    def labeled(self, admin: Client, project: int) -> dict[int, str]:
        return {label["item_id"]: label["class"] for label in admin.export_labels(project)}

    @pytest.fixture
    def item(self, admin: Client, project: int) -> int:
        """An item that root labeled `a`."""
        return next(i for i, name in self.labeled(admin, project).items() if name == "a")

    def test_another_annotator_who_agrees_settles_it(
        self, admin: Client, project: int, item: int, people: list[Client]
    ) -> None:
        assert self.ask(admin, project, [item]) == ["requeued"]
        assert item not in self.labeled(admin, project), "no model learns it meanwhile"
        assert admin.project(project)["n_labeled"] == 19
        assert item not in poll(admin, project, 30), "whoever labeled it is not asked again"
        ada = people[0]
        assert item in poll(ada, project, 30)
        assert give(ada, project, [item], "a") == ["created"]
        assert self.labeled(admin, project)[item] == "a"
        assert admin.project(project)["n_labeled"] == 20
        assert events(admin, project, "item.second_opinion") == [{"item": item}]

    def test_where_two_differ_a_third_decides(
        self, admin: Client, project: int, item: int, people: list[Client]
    ) -> None:
        self.ask(admin, project, [item])
        ada, bob, *_ = people
        poll(ada, project, 30)
        give(ada, project, [item], "b")
        assert item not in self.labeled(admin, project)
        assert item in poll(bob, project, 30)
        give(bob, project, [item], "b")
        assert self.labeled(admin, project)[item] == "b"

    def test_what_cannot_have_one_is_refused_item_by_item(
        self, admin: Client, project: int, item: int, session_factory: Factory
    ) -> None:
        with transaction(session_factory) as session:
            never = session.scalar(
                text("SELECT id FROM items WHERE project_id = :p AND index = 29").bindparams(
                    p=project
                )
            )
        assert self.ask(admin, project, [item, never, 999_999]) == [
            "requeued", "not_in_batch", "unknown_item"
        ]  # fmt: skip
        assert self.ask(admin, project, [item]) == ["not_labeled"]
