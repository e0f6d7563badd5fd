"""Annotators: their work is counted, and they are paused."""

import pytest

from app.db.session import transaction
from app.services.lifecycle import finish_project
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, Start
from tests.app.team import ADA, BOB, EVE, Team
from tests.loop import give, poll

pytestmark = pytest.mark.usefixtures("promises")


class TestPause:
    def test_an_admin_pauses_with_a_reason_and_what_was_held_is_free(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(reserve=0)
        items = poll(people[0], project, 2)
        admin.pause_annotator(project, "ada", "Call me.")
        assert poll(people[1], project, 2) == items
        with pytest.raises(ClientError, match=r"Call me\."):
            people[0].next_batch(project, 1)
        with pytest.raises(ClientError, match="annotator nobody"):
            admin.pause_annotator(project, "nobody", "x")


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


class TestPauseConsequences:
    def test_in_an_ended_project_the_labels_stay(self, team: Team) -> None:
        team.start(annotation={"gold_action": "requeue"})
        team.label(ADA, team.poll(ADA, 2))
        team.poll(ADA, 2)
        with transaction(team.factory) as session:
            finish_project(session, team.project)
        team.pause("ada")
        assert team.rows("SELECT state, n_labeled FROM projects") == [("training_target", 2)]
        assert team.rows("SELECT count(*) FROM labels WHERE withdrawn_at IS NULL") == [(2,)]

    def test_without_the_last_adjudicator_the_majority_decides(self, team: Team) -> None:
        team.start_one_item(adjudicators=["ivy"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "b")
        team.label(BOB, [item], "a")
        assert team.round_states() == ["labeling"]
        team.pause("ivy")
        assert team.rows("SELECT class_index, method FROM resolved_labels") == [(1, "majority")]
        assert team.round_states() == ["completed", "selecting"]

    def test_another_adjudicator_is_still_waited_for(self, team: Team) -> None:
        team.start_one_item(adjudicators=["ivy", "eve"])
        (item,) = team.poll(ADA)
        team.label(ADA, [item], "b")
        team.label(BOB, [item], "a")
        team.pause("ivy")
        assert team.round_states() == ["labeling"]
        assert team.poll(EVE) == [item]
